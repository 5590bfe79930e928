/** What the engine does with attempts works over HTTP/2: hedges, rescues, retried statuses, streams of events, idle places. */

import { describe, expect, test } from "bun:test";

import { wireEngine } from "../../../../src/engine/wire/bun.ts";
import { frameType } from "../../../../src/engine/wire/http2/protocol.ts";
import { wireEngine as nodeEngine } from "../../../../src/engine/wire/node.ts";
import { rescueWaiting } from "../../../../src/pool/attempt-control.ts";
import {
  type EngineFixture,
  type EngineFixtureOptions,
  startEngine,
} from "../../../support/engine-fixture.ts";
import { dataFrame, headersFrame, type Http2Fields } from "../../../support/http2-client.ts";
import {
  type Http2Server,
  type Http2ServerOptions,
  startHttp2Server,
} from "../../../support/http2-server.ts";
import { RawClient } from "../../../support/raw-client.ts";
import { until } from "../../../support/wait.ts";
import { get } from "../fixture.ts";

const ok: Http2Fields = [[":status", "200"]];

describe.each([
  ["Bun's sockets", wireEngine],
  ["node's sockets", nodeEngine],
] as const)("attempts over HTTP/2 on %s", (_, engine) => {
  /** Two servers; requests go to the first one first. */
  async function withTwo(
    first: Http2ServerOptions,
    second: Http2ServerOptions,
    run: (scene: {
      one: Http2Server;
      two: Http2Server;
      fixture: EngineFixture;
      client: RawClient;
    }) => Promise<void>,
    options: Partial<EngineFixtureOptions> = {},
  ): Promise<void> {
    const [one, two] = [await startHttp2Server(first), await startHttp2Server(second)];
    const ports = [one.port, two.port];
    const fixture = await startEngine(engine, { ports, address: { http2: true }, ...options });
    const client = await RawClient.connect(fixture.port);
    try {
      await run({ one, two, fixture, client });
      expect(fixture.bugs).toEqual([]);
      client.destroy();
      await until(() => fixture.listener.active() === 0, "no request to be left");
      expect(fixture.pool.upstreams.map(({ inFlight, streams }) => [inFlight, streams])).toEqual([
        [0, 0],
        [0, 0],
      ]);
    } finally {
      client.destroy();
      fixture.close();
      await until(() => one.open() + two.open() === 0, "no connection to be left");
      await Promise.all([one.close(), two.close()]);
    }
  }

  const answering: Http2ServerOptions = { onRequest: ({ respond }) => respond(ok, "second") };

  test("a hedge wins, and the other stream is reset", () =>
    withTwo(
      {},
      answering,
      async ({ one, client, fixture }) => {
        expect((await client.send(get()).readResponse()).body.toString()).toBe("second");
        await until(() => one.requests()[0]?.resetCode === 8, "the slow stream to be reset");
        expect(fixture.hedged).toEqual(["won"]);
        expect(one.connections[0]?.isClosed).toBe(false);
      },
      { hedgeAfterMs: 50 },
    ));

  test("a waiting request is rescued", () =>
    withTwo({}, answering, async ({ one, client, fixture }) => {
      const response = client.send(get()).readResponse();
      await until(() => one.requests().length === 1, "the request");
      const [upstream] = fixture.pool.upstreams;
      if (upstream) for (let i = 0; i < 5; i++) fixture.pool.recordProbe(upstream, false);
      if (upstream) rescueWaiting(upstream);
      expect((await response).body.toString()).toBe("second");
      await until(() => one.requests()[0]?.resetCode === 8, "the stream to be reset");
    }));

  test.each([10, 100_000, 1_000_000])("a status is retried, whatever the %p bytes behind it", (bytes) =>
    withTwo(
      {
        onRequest({ connection, streamId }) {
          const pieces = Array.from({ length: Math.ceil(bytes / 16_000) }, () =>
            dataFrame(streamId, Buffer.alloc(Math.min(bytes, 16_000)), false),
          );
          connection.send(
            Buffer.concat([headersFrame(streamId, [[":status", "503"]], false), ...pieces.slice(0, 8)]),
          );
        },
      },
      answering,
      async ({ one, client, fixture }) => {
        expect((await client.send(get()).readResponse()).body.toString()).toBe("second");
        expect(fixture.retried).toEqual(["status_503"]);
        await until(() => one.requests()[0]?.resetCode === 8, "the held stream to be reset");
      },
      { destination: { retryStatuses: new Set([503]) } },
    ),
  );

  test("a stream of events takes no slot, and ends with its client", () =>
    withTwo(
      {
        onRequest: ({ connection, streamId }) =>
          connection.send(
            Buffer.concat([
              headersFrame(streamId, [...ok, ["content-type", "text/event-stream"]], false),
              dataFrame(streamId, "data: 1\n\n", false),
            ]),
          ),
      },
      answering,
      async ({ one, client, fixture }) => {
        client.send(get());
        await until(() => client.received.includes("data: 1"), "the event");
        expect(fixture.pool.upstreams[0]?.streams).toBe(1);
        one.requests()[0]?.connection.send(dataFrame(1, "data: 2\n\n", false));
        await until(() => client.received.includes("data: 2"), "the next event");
        client.destroy();
        await until(() => one.requests()[0]?.resetCode === 8, "the stream to be reset");
      },
    ));

  test("a drain closes connections without requests at once, and the others after them", () =>
    withTwo(answering, {}, async ({ one, two, client, fixture }) => {
      expect((await client.send(get()).readResponse()).status).toBe(200);
      client.send(get());
      await until(() => two.requests().length === 1, "the request that waits");
      const drained = fixture.listener.drain();
      await until(() => one.open() === 0, "the idle connection to close");
      expect(two.open()).toBe(1);
      two.requests()[0]?.respond(ok, "late");
      expect((await client.readResponse()).body.toString()).toBe("late");
      await drained;
      await until(() => two.open() === 0, "the other connection to close");
    }));
});

test("a connection without requests closes after 15 seconds", async () => {
  const server = await startHttp2Server({ onRequest: ({ respond }) => respond(ok) });
  const fixture = await startEngine(wireEngine, { ports: [server.port], address: { http2: true } });
  const client = await RawClient.connect(fixture.port);
  try {
    await client.send(get()).readResponse();
    await until(() => server.open() === 0, "the idle connection to close", 18_000);
    expect(server.connections[0]?.received(frameType.goAway)[0]?.payload.readUInt32BE(4)).toBe(0);
  } finally {
    client.destroy();
    fixture.close();
    await server.close();
  }
}, 25_000);
