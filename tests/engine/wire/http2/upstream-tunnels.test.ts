/** WebSockets to upstreams that speak HTTP/2: extended CONNECT (RFC 8441), or a clean refusal. */

import { describe, expect, test } from "bun:test";

import type { Engine } from "../../../../src/engine/engine.ts";
import { wireEngine } from "../../../../src/engine/wire/bun.ts";
import { wireEngine as nodeEngine } from "../../../../src/engine/wire/node.ts";
import { type EngineFixture, startEngine } from "../../../support/engine-fixture.ts";
import { dataFrame, headersFrame, resetFrame } from "../../../support/http2-client.ts";
import {
  type Http2Server,
  type Http2ServerOptions,
  startHttp2Server,
} from "../../../support/http2-server.ts";
import { RawClient } from "../../../support/raw-client.ts";
import { until } from "../../../support/wait.ts";
import { get } from "../fixture.ts";

/** The key of RFC 6455 section 1.3, and what accepts it. */
const key = "dGhlIHNhbXBsZSBub25jZQ==";
const accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const handshake = get(
  "/chat?x=1",
  `Connection: Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n`,
);

interface Scene {
  readonly server: Http2Server;
  readonly fixture: EngineFixture;
  readonly client: RawClient;
}

async function scene(
  engine: Engine,
  script: Http2ServerOptions,
  run: (scene: Scene) => Promise<void>,
): Promise<void> {
  const server = await startHttp2Server({ settings: [[8, 1]], ...script });
  const fixture = await startEngine(engine, { ports: [server.port], address: { http2: true }, retries: 0 });
  const client = await RawClient.connect(fixture.port);
  try {
    await run({ server, fixture, client });
    expect(fixture.bugs).toEqual([]);
    client.destroy();
    await until(() => fixture.listener.active() === 0, "no request to be left");
    expect(fixture.pool.upstreams.map(({ inFlight, tunnels }) => [inFlight, tunnels])).toEqual([[0, 0]]);
  } finally {
    client.destroy();
    fixture.close();
    await server.close();
  }
}

describe.each([
  ["Bun's sockets", wireEngine],
  ["node's sockets", nodeEngine],
] as const)("a WebSocket to an HTTP/2 upstream on %s", (_, engine) => {
  const opened = ({ client, server }: Scene) => {
    client.send(handshake);
    return until(() => client.received.includes("\r\n\r\n"), "the response").then(() => server.requests()[0]);
  };

  test("is opened by an extended CONNECT, and passes bytes both ways until both sides end", () =>
    scene(
      engine,
      {
        onHead: ({ connection, streamId }) =>
          connection.send(headersFrame(streamId, [[":status", "200"]], false)),
      },
      async (played) => {
        const { client, server } = played;
        const request = await opened(played);
        expect(request?.fields.slice(0, 5)).toEqual([
          [":method", "CONNECT"],
          [":scheme", "http"],
          [":path", "/chat?x=1"],
          [":authority", "a"],
          [":protocol", "websocket"],
        ]);
        expect(request?.field("sec-websocket-version")).toBe("13");
        const names = request?.fields.map(([name]) => name) ?? [];
        expect(names.filter((name) => /^(upgrade|connection|sec-websocket-key)$/.test(name))).toEqual([]);
        const [head = ""] = client.received.toString().split("\r\n\r\n");
        expect(head).toStartWith("HTTP/1.1 101 ");
        expect(head.toLowerCase()).toContain(`sec-websocket-accept: ${accept.toLowerCase()}`);
        expect(head).toContain(accept);
        client.send("ping");
        await until(() => request?.body.toString() === "ping", "the client's bytes");
        request?.connection.send(dataFrame(request.streamId, "pong", false));
        await until(() => client.received.toString().endsWith("pong"), "the upstream's bytes");
        request?.connection.send(dataFrame(request.streamId, "bye", true));
        await until(() => client.received.toString().endsWith("bye") && client.isEnded, "the end");
        // The client ends its side too.
        await until(() => request?.hasEnded, "the other end");
        expect([request?.body.toString(), request?.resetCode]).toEqual(["ping", -1]);
        await until(() => client.isClosed, "the client's connection to close");
        expect(server.connections[0]?.isClosed).toBe(false);
      },
    ));

  test("closes when its stream is reset, and resets its stream when the client leaves", () =>
    scene(
      engine,
      {
        onHead: ({ connection, streamId }) =>
          connection.send(headersFrame(streamId, [[":status", "200"]], false)),
      },
      async (played) => {
        const request = await opened(played);
        request?.connection.send(resetFrame(request.streamId, 8));
        await until(() => played.client.isClosed, "the client's connection to close");
        const second = await RawClient.connect(played.fixture.port);
        second.send(handshake);
        await until(() => second.received.includes("101"), "the second tunnel");
        second.socket.resetAndDestroy();
        await until(() => played.server.requests()[1]?.resetCode === 8, "the stream to be reset");
        expect(played.server.connections.length).toBe(1);
      },
    ));

  test("is refused as the upstream refuses it, and its connection is used again", () =>
    scene(
      engine,
      {
        onHead: ({ field, respond }) =>
          field(":path") === "/chat?x=1"
            ? respond([[":status", "403"]], "no")
            : respond([[":status", "200"]], "ok"),
      },
      async (played) => {
        const { client, server } = played;
        const response = await client.send(handshake).readResponse();
        expect([response.status, response.body.toString()]).toEqual([403, "no"]);
        await until(() => server.requests()[0]?.hasEnded, "the end of the request");
        expect((await client.send(get("/other")).readResponse()).body.toString()).toBe("ok");
        expect(server.connections.length).toBe(1);
      },
    ));

  test("is a plain GET for an upstream without extended CONNECT", () =>
    scene(
      engine,
      { settings: [], onRequest: ({ respond }) => respond([[":status", "426"]], "use HTTP/1.1") },
      async ({ client, server }) => {
        const response = await client.send(handshake).readResponse();
        expect([response.status, response.body.toString()]).toEqual([426, "use HTTP/1.1"]);
        const [request] = server.requests();
        expect([request?.field(":method"), request?.field(":protocol")]).toEqual(["GET", undefined]);
        expect(request?.field("upgrade")).toBeUndefined();
      },
    ));
});
