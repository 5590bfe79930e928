/** HTTP/2 towards upstreams: what a server of single frames gets, and what becomes of what it sends. */

import { describe, expect, test } from "bun:test";

import type { Engine } from "../../../../src/engine/engine.ts";
import { wireEngine } from "../../../../src/engine/wire/bun.ts";
import { frameType } from "../../../../src/engine/wire/http2/protocol.ts";
import { wireEngine as nodeEngine } from "../../../../src/engine/wire/node.ts";
import {
  type EngineFixture,
  type EngineFixtureOptions,
  startEngine,
} from "../../../support/engine-fixture.ts";
import {
  dataFrame,
  headersFrame,
  type Http2Fields,
  settingsFrame,
  windowUpdateFrame,
} from "../../../support/http2-client.ts";
import {
  type Http2ReceivedRequest,
  type Http2Server,
  type Http2ServerConnection,
  type Http2ServerOptions,
  startHttp2Server,
} from "../../../support/http2-server.ts";
import { RawClient } from "../../../support/raw-client.ts";
import { until } from "../../../support/wait.ts";
import { get, post } from "../fixture.ts";

interface Scene {
  readonly server: Http2Server;
  readonly fixture: EngineFixture;
  client(): Promise<RawClient>;
}

const ok: Http2Fields = [[":status", "200"]];
const okOf = (length: number): Http2Fields => [...ok, ["content-length", String(length)]];

async function scene(
  engine: Engine,
  script: Http2ServerOptions,
  run: (scene: Scene) => Promise<void>,
  options: Partial<EngineFixtureOptions> = {},
): Promise<void> {
  const server = await startHttp2Server(script);
  const ports = options.ports?.map((port) => port || server.port) ?? [server.port];
  const fixture = await startEngine(engine, { address: { http2: true }, ...options, ports });
  const clients: RawClient[] = [];
  try {
    await run({
      server,
      fixture,
      async client() {
        const client = await RawClient.connect(fixture.port);
        clients.push(client);
        return client;
      },
    });
    expect(fixture.bugs).toEqual([]);
    for (const client of clients) client.destroy();
    await until(() => fixture.listener.active() === 0, "no request to be left");
    expect(fixture.pool.upstreams.map(({ inFlight }) => inFlight)).toEqual(options.ports ? [0, 0] : [0]);
  } finally {
    for (const client of clients) client.destroy();
    fixture.close();
    await until(() => server.open() === 0, "no connection to be left");
    await server.close();
  }
}

const details = (header: string | undefined) => /details="([^"]*)"/.exec(header ?? "")?.[1];

describe.each([
  ["Bun's sockets", wireEngine],
  ["node's sockets", nodeEngine],
] as const)("HTTP/2 to upstreams on %s", (_, engine) => {
  test("a request arrives with its fields, and without those of the connection", () =>
    scene(
      engine,
      { onRequest: (request) => request.respond([...okOf(2), ["x-answer", "yes"]], "hi") },
      async ({ server, client }) => {
        const one = await client();
        const head =
          "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nX-Custom: a  b\r\nCookie: a=1; b=2\r\nTE: trailers\r\n";
        const response = await one.send(get("/a%2Fb?c=d", head)).readResponse();
        expect([response.status, response.body.toString(), response.header("x-answer")]).toEqual([
          200,
          "hi",
          "yes",
        ]);
        const [request] = server.requests();
        expect(request?.fields.slice(0, 4)).toEqual([
          [":method", "GET"],
          [":scheme", "http"],
          [":path", "/a%2Fb?c=d"],
          [":authority", "a"],
        ]);
        const names = request?.fields.map(([name]) => name) ?? [];
        expect(
          names.filter((name) => /^(host|connection|keep-alive|x-hop|transfer-encoding|upgrade)$/.test(name)),
        ).toEqual([]);
        expect(request?.field("x-custom")).toBe("a  b");
        expect(request?.field("cookie")).toBe("a=1; b=2");
        expect(request?.field("te")).toBe("trailers");
        expect(request?.field("x-forwarded-for")).toBe("127.0.0.1");
        expect(names.every((name) => name === name.toLowerCase())).toBe(true);
      },
    ));

  test("bodies of known and unknown length and trailers pass, both ways, larger than every window", () =>
    scene(
      engine,
      {
        onRequest: ({ body, trailers, connection, streamId }) => {
          const pieces = Array.from({ length: Math.ceil(body.length / 16_000) }, (__, i) =>
            dataFrame(streamId, body.subarray(i * 16_000, (i + 1) * 16_000), false),
          );
          const fields: Http2Fields = [...ok, ["x-trailers", JSON.stringify(trailers)]];
          connection.send(Buffer.concat([headersFrame(streamId, fields, false), ...pieces]));
          connection.send(headersFrame(streamId, [["x-sum", "1"]], true));
        },
      },
      async ({ server, client }) => {
        const body = Buffer.alloc(100_000, "0123456789").toString();
        const one = await client();
        const known = await one.send(post(body)).readResponse();
        expect(known.body.toString()).toBe(body);
        expect(server.requests()[0]?.field("content-length")).toBe("100000");
        const chunks = `${(50_000).toString(16)};x=y\r\n${body.slice(0, 50_000)}\r\n${(50_000).toString(16)}\r\n${body.slice(50_000)}\r\n0\r\nX-Last: end\r\n\r\n`;
        const chunked = await one
          .send(`POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`)
          .readResponse();
        expect(chunked.body.toString()).toBe(body);
        expect(chunked.header("x-trailers")).toBe('[["x-last","end"]]');
      },
      { limits: {} },
    ));

  test("requests of many clients share one connection, which waits for the next ones", () =>
    scene(
      engine,
      { onRequest: (request) => request.respond(ok, request.field(":path") ?? "") },
      async ({ server, client }) => {
        const clients = await Promise.all(Array.from({ length: 50 }, client));
        for (let round = 0; round < 3; round++) {
          const paths = clients.map((__, i) => `/${round}-${i}`);
          const sent = clients.map((one, i) => one.send(get(paths[i])).readResponse());
          expect((await Promise.all(sent)).map(({ body }) => body.toString())).toEqual(paths);
        }
        expect(server.connections.length).toBe(1);
      },
    ));

  test("a connection gets no more streams than the server allows, and a further one is opened", async () => {
    const waiting: Http2ReceivedRequest[] = [];
    await scene(
      engine,
      { settings: [[3, 4]], onRequest: (request) => void waiting.push(request) },
      async ({ server, client }) => {
        const clients = await Promise.all(Array.from({ length: 10 }, client));
        const sent = clients.map((one) => one.send(get()).readResponse());
        await until(() => waiting.length === 10, "the requests");
        const counts = server.connections.map(({ requests }) => requests.size);
        expect([Math.max(...counts), counts.reduce((sum, count) => sum + count, 0)]).toEqual([4, 10]);
        for (const request of waiting) request.respond(ok);
        expect((await Promise.all(sent)).map(({ status }) => status)).toEqual(Array(10).fill(200));
      },
    );
  });

  test.each([
    ["HEAD", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", [...ok, ["content-length", "5"]] as Http2Fields, 200],
    ["204", get(), [[":status", "204"]] as Http2Fields, 204],
    [
      "304",
      get(),
      [
        [":status", "304"],
        ["content-length", "5"],
      ] as Http2Fields,
      304,
    ],
    ["an empty body", get(), ok, 200],
  ])(
    "%s: the end may come with the fields or later, and the connection is used again",
    (__, request, fields, status) =>
      scene(
        engine,
        {
          onRequest({ connection, streamId }) {
            if (streamId === 1) return connection.send(headersFrame(streamId, fields, true));
            connection.send(headersFrame(streamId, fields, false));
            setTimeout(() => connection.send(dataFrame(streamId, "", true)), 5);
          },
        },
        async ({ server, client }) => {
          const one = await client();
          for (let i = 0; i < 3; i++) {
            one.send(request);
            const response = await one.readResponse(request.startsWith("HEAD") ? "HEAD" : "GET");
            expect([response.status, response.body.length]).toEqual([status, 0]);
          }
          expect([server.connections.length, server.requests().length]).toEqual([1, 3]);
        },
      ),
  );

  test("interim responses pass in front of the final one", () =>
    scene(
      engine,
      {
        onRequest({ connection, streamId }) {
          connection.send(
            headersFrame(
              streamId,
              [
                [":status", "103"],
                ["link", "</a>"],
              ],
              false,
            ),
          );
          connection.respond(streamId, okOf(1), "x");
        },
      },
      async ({ client }) => {
        const one = await client();
        one.send(get());
        await until(() => one.received.includes("\r\n\r\nx"), "the response");
        const [interim = "", final = ""] = one.received.toString("latin1").split("HTTP/1.1 ").slice(1);
        expect(interim).toBe("103 Early Hints\r\nlink: </a>\r\n\r\n");
        expect(final.startsWith("200 OK\r\n")).toBe(true);
      },
    ));

  test.each<readonly [name: string, fields: Http2Fields]>([
    ["no :status", [["x-a", "1"]]],
    ["a malformed :status", [[":status", "20"]]],
    ["a second :status", [...ok, [":status", "200"]]],
    [
      "a :status behind a field",
      [
        ["x-a", "1"],
        [":status", "200"],
      ],
    ],
    ["an unknown pseudo-field", [...ok, [":path", "/"]]],
    ["101", [[":status", "101"]]],
    ["an upper-case name", [...ok, ["X-A", "1"]]],
    ["CR LF in a value", [...ok, ["x-a", "1\r\nx-b: 2"]]],
    ["NUL in a value", [...ok, ["x-a", "1\0"]]],
    ["LF in a name", [...ok, ["x\na", "1"]]],
    ["a colon in a name", [...ok, ["x:a", "1"]]],
    ["an empty name", [...ok, ["", "1"]]],
    ["a blank before a value", [...ok, ["x-a", " 1"]]],
    ["connection", [...ok, ["connection", "close"]]],
    ["transfer-encoding", [...ok, ["transfer-encoding", "chunked"]]],
    ["keep-alive", [...ok, ["keep-alive", "timeout=5"]]],
    ["upgrade", [...ok, ["upgrade", "h2c"]]],
    ["a malformed content-length", [...ok, ["content-length", "+1"]]],
    ["two lengths that differ", [...ok, ["content-length", "1"], ["content-length", "2"]]],
    ["a length without a body", [...ok, ["content-length", "1"]]],
    ["more bytes than the limit", [...ok, ["x-a", "x".repeat(70_000)]]],
    ["more fields than the limit", [...ok, ...Array.from({ length: 300 }, () => ["x-a", "1"] as const)]],
  ])("refuses a response with %s, and serves other requests on the connection", (__, fields) =>
    scene(
      engine,
      {
        onRequest: ({ connection, streamId, field, respond }) =>
          field(":path") === "/bad"
            ? connection.send(Buffer.concat([headersInFrames(streamId, fields)]))
            : respond(okOf(2), "ok"),
      },
      async ({ server, fixture, client }) => {
        const [bad, good] = [await client(), await client()];
        const response = await bad.send(get("/bad")).readResponse();
        expect([
          response.status,
          fixture.ended.map(({ outcome }) => "reason" in outcome && outcome.reason),
        ]).toEqual([502, ["answer_refused"]]);
        expect(details(response.header("proxy-status"))).toStartWith("answer_refused: ");
        expect((await good.send(get()).readResponse()).status).toBe(200);
        expect(server.connections.length).toBe(1);
      },
    ),
  );

  test.each<readonly [name: string, send: (request: Http2ReceivedRequest) => void]>([
    ["reset", ({ connection, streamId }) => connection.reset(streamId, 8)],
    ["reset without an error", ({ connection, streamId }) => connection.reset(streamId, 0)],
    ["ended early", ({ connection, streamId }) => connection.send(dataFrame(streamId, "", true))],
    [
      "ended early by trailers",
      ({ connection, streamId }) => connection.send(headersFrame(streamId, [["x-a", "1"]], true)),
    ],
    ["too long", ({ connection, streamId }) => connection.send(dataFrame(streamId, "123456", true))],
    ["followed by fields", ({ connection, streamId }) => connection.send(headersFrame(streamId, ok, false))],
    ["cut off with its connection", ({ connection }) => connection.socket.destroy()],
    [
      "cut off by GOAWAY and FIN",
      ({ connection, streamId }) => {
        connection.goAway(streamId);
        connection.socket.end();
      },
    ],
  ])("a body that is %s never looks whole", (__, send) =>
    scene(
      engine,
      {
        onRequest(request) {
          const { connection, streamId } = request;
          connection.send(
            Buffer.concat([headersFrame(streamId, okOf(10), false), dataFrame(streamId, "01234", false)]),
          );
          setTimeout(() => send(request), 20);
        },
      },
      async ({ fixture, client }) => {
        const one = await client();
        one.send(get());
        await until(() => one.isClosed, "the client to be cut off");
        expect(one.received.toString()).toEndWith("01234");
        const [ended] = fixture.ended;
        expect(ended?.outcome).toMatchObject({ kind: "failure", phase: "body" });
      },
    ),
  );

  test("a chunked body that is reset never looks whole", () =>
    scene(
      engine,
      {
        onRequest({ connection, streamId }) {
          connection.send(
            Buffer.concat([headersFrame(streamId, ok, false), dataFrame(streamId, "01234", false)]),
          );
          setTimeout(() => connection.reset(streamId, 2), 20);
        },
      },
      async ({ client }) => {
        const one = await client();
        one.send(get());
        await until(() => one.isClosed, "the client to be cut off");
        expect(one.received.toString()).toEndWith("5\r\n01234\r\n");
      },
    ));

  test("a refused stream is sent to another upstream, whatever its method", async () => {
    const other = await startHttp2Server({ onRequest: (request) => request.respond(okOf(5), "other") });
    try {
      await scene(
        engine,
        { onRequest: ({ connection, streamId }) => connection.reset(streamId, 7) },
        async ({ server, fixture, client }) => {
          const one = await client();
          for (let i = 0; i < 4; i++) {
            const response = await one.send(post("hello")).readResponse();
            expect([response.status, response.body.toString()]).toEqual([200, "other"]);
          }
          expect(server.requests().length).toBeGreaterThan(0);
          expect(other.requests().map(({ body }) => body.toString())).toEqual(Array(4).fill("hello"));
          expect(fixture.retried.every((reason) => reason === "stream_refused")).toBe(true);
          expect([server.connections.length, other.connections.length]).toEqual([1, 1]);
        },
        { ports: [0, other.port] },
      );
    } finally {
      await other.close();
    }
  });

  test("GOAWAY: requests that it leaves out go to a new connection, the others end where they are", async () => {
    const requests: Http2ReceivedRequest[] = [];
    await scene(
      engine,
      {
        onRequest(request) {
          requests.push(request);
          if (request.field(":path") === "/first") request.respond(okOf(5), "first");
          else if (requests.length === 3) request.connection.goAway(requests[1]?.streamId ?? 0);
          else if (requests.length === 4) request.respond(okOf(6), "second");
        },
      },
      async ({ server, fixture, client }) => {
        const [one, two, three] = [await client(), await client(), await client()];
        expect((await one.send(get("/first")).readResponse()).body.toString()).toBe("first");
        const stays = two.send(get("/stays")).readResponse();
        await until(() => requests.length === 2, "the request that stays");
        const moved = await three.send(post("again")).readResponse();
        expect(moved.body.toString()).toBe("second");
        expect(requests.map(({ connection }) => server.connections.indexOf(connection))).toEqual([
          0, 0, 0, 1,
        ]);
        requests[1]?.respond(okOf(5), "stays");
        expect((await stays).body.toString()).toBe("stays");
        await until(() => server.open() === 1, "the first connection to close");
        expect(fixture.retried).toEqual([]);
        expect(fixture.ended.map(({ outcome }) => outcome.kind)).toEqual([
          "response",
          "response",
          "response",
        ]);
      },
    );
  });

  test("a response may begin and end before its request", () =>
    scene(engine, { onHead: (request) => request.respond(okOf(5), "early") }, async ({ server, client }) => {
      const one = await client();
      one.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n12345");
      expect((await one.readResponse()).body.toString()).toBe("early");
      await until(() => server.requests()[0]?.resetCode === 8, "the stream to be reset");
      expect((await (await client()).send(get()).readResponse()).status).toBe(200);
      expect(server.connections.length).toBe(1);
    }));

  test("a response passes while its request still arrives", () =>
    scene(
      engine,
      {
        onHead: ({ connection, streamId }) => connection.send(headersFrame(streamId, ok, false)),
        onRequest: ({ connection, streamId, body }) => connection.send(dataFrame(streamId, body, true)),
      },
      async ({ server, client }) => {
        const one = await client();
        one.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        await until(() => one.received.includes("200 OK"), "the head");
        one.send("5\r\nhello\r\n");
        await until(() => server.requests()[0]?.body.toString() === "hello", "the first piece");
        one.send("0\r\n\r\n");
        await until(() => one.received.includes("hello"), "the body");
      },
    ));

  test("a client that leaves resets its stream only", () =>
    scene(
      engine,
      { onRequest: (request) => void (request.field(":path") === "/ok" && request.respond(ok)) },
      async ({ server, client }) => {
        const [one, two] = [await client(), await client()];
        one.send(get("/waits"));
        await until(() => server.requests().length === 1, "the request");
        one.destroy();
        await until(() => server.requests()[0]?.resetCode === 8, "the stream to be reset");
        expect((await two.send(get("/ok")).readResponse()).status).toBe(200);
        expect(server.connections.length).toBe(1);
      },
    ));

  test("a client that reads slowly stops its own response only", () =>
    scene(
      engine,
      {
        onRequest({ connection, streamId, field, respond }) {
          if (field(":path") === "/ok") return respond(okOf(2), "ok");
          connection.send(headersFrame(streamId, ok, false));
          for (let i = 0; i < 8; i++) connection.send(dataFrame(streamId, Buffer.alloc(16_000), false));
        },
      },
      async ({ client }) => {
        const slow = await Promise.all(Array.from({ length: 20 }, client));
        for (const one of slow) {
          one.socket.pause();
          one.send(get("/large"));
        }
        const two = await client();
        expect((await two.send(get("/ok")).readResponse()).body.toString()).toBe("ok");
      },
    ));

  test.each<readonly [name: string, onConnect: NonNullable<Http2ServerOptions["onConnect"]>, reason: string]>(
    [
      ["sends no SETTINGS", () => true, "connect_timeout"],
      ["closes at once", ({ socket }) => Boolean(socket.destroy()), "connect_reset"],
      [
        "answers in HTTP/1.1",
        ({ socket }) => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"),
        "connect_refused",
      ],
    ],
  )("a server that %s fails the connect", (__, onConnect, reason) =>
    scene(
      engine,
      { onConnect },
      async ({ fixture, client }) => {
        const clients = await Promise.all(Array.from({ length: 3 }, client));
        const responses = await Promise.all(clients.map((one) => one.send(post("x")).readResponse()));
        expect(responses.map((response) => details(response.header("proxy-status")))).toEqual(
          Array(3).fill(reason),
        );
        expect(fixture.ended.map(({ outcome }) => "phase" in outcome && outcome.phase)).toEqual(
          Array(3).fill("connect"),
        );
      },
      { timeouts: { connectMs: 300 } },
    ),
  );

  test.each([true, false])(
    "asks a connection that was silent for a sign of life (which comes: %p)",
    (lives) =>
      scene(
        engine,
        { onRequest: (request) => void (request.field(":path") === "/ok" && request.respond(okOf(2), "ok")) },
        async ({ server, client }) => {
          const response = await (await client()).send(get("/silent")).readResponse();
          expect(details(response.header("proxy-status"))).toBe("head_timeout");
          const [first] = server.connections;
          await until(() => first?.received(frameType.ping).length === 1, "a PING");
          // Meanwhile requests go elsewhere.
          expect((await (await client()).send(post("x").replace("/", "/ok")).readResponse()).status).toBe(
            200,
          );
          expect(server.connections.length).toBe(2);
          if (lives) first?.frame(frameType.ping, 1, 0, Buffer.alloc(8));
          await until(() => first?.isClosed === !lives, "the end of the dead connection");
          expect((await (await client()).send(get("/ok")).readResponse()).status).toBe(200);
          expect([server.connections.length, first?.isClosed]).toEqual([2, !lives]);
        },
        { timeouts: { headMs: 1_300 }, retries: 0 },
      ),
  );

  test.each<readonly [name: string, frame: (connection: Http2ServerConnection) => void, count: number]>([
    ["PING", (connection) => connection.frame(frameType.ping, 0, 0, Buffer.alloc(8)), 12_000],
    ["SETTINGS", (connection) => connection.frame(frameType.settings, 0, 0), 12_000],
    ["empty DATA", (connection) => connection.send(dataFrame(1, "", false)), 12_000],
    ["PRIORITY", (connection) => connection.frame(frameType.priority, 0, 1, Buffer.alloc(5)), 12_000],
  ])("an endless flow of %s ends the connection, and no other", (__, frame, count) =>
    scene(
      engine,
      {
        onRequest({ connection, streamId, field, respond }) {
          if (field(":path") === "/ok") return respond(okOf(2), "ok");
          connection.send(headersFrame(streamId, ok, false));
          for (let i = 0; i < count; i++) frame(connection);
        },
      },
      async ({ server, client }) => {
        const one = await client();
        one.send(get("/flood"));
        await until(() => one.isClosed && server.connections[0]?.isClosed, "the connection to end");
        expect((await (await client()).send(get("/ok")).readResponse()).status).toBe(200);
        expect(server.connections.length).toBe(2);
      },
    ),
  );

  test("hundreds of SETTINGS and PING frames are answered", () =>
    scene(
      engine,
      {
        onRequest({ connection, respond }) {
          for (let i = 0; i < 1_500; i++) connection.frame(frameType.ping, 0, 0, Buffer.alloc(8));
          respond(okOf(2), "ok");
        },
      },
      async ({ server, client }) => {
        expect((await (await client()).send(get()).readResponse()).status).toBe(200);
        await until(() => server.connections[0]?.received(frameType.ping).length === 1_500, "the answers");
      },
    ));

  test("a connection that is old takes no further request", () =>
    scene(
      engine,
      { onRequest: (request) => request.respond(okOf(2), "ok") },
      async ({ server, client }) => {
        const one = await client();
        await one.send(get()).readResponse();
        await until(async () => {
          expect((await one.send(post("x")).readResponse()).status).toBe(200);
          return server.connections.length > 1;
        }, "a second connection");
        await until(() => server.open() === 1, "the first connection to close");
      },
      { timeouts: { connectionAgeMs: 500 } },
    ));

  test("a server that lowers its limit of streams gets no more", async () => {
    const waiting: Http2ReceivedRequest[] = [];
    await scene(
      engine,
      {
        onRequest(request) {
          if (request.field(":path") === "/ok") return request.respond(ok);
          waiting.push(request);
        },
      },
      async ({ server, client }) => {
        const clients = await Promise.all(Array.from({ length: 4 }, client));
        await Promise.all(clients.map((one) => one.send(get("/ok")).readResponse()));
        server.connections[0]?.send(settingsFrame([[3, 2]]));
        await until(
          () => server.connections[0]?.received(frameType.settings).length === 3,
          "the acknowledgement",
        );
        const sent = clients.map((one) => one.send(post("x")).readResponse());
        await until(() => waiting.length === 4, "the requests");
        const open = server.connections.map(
          (connection) => waiting.filter((request) => request.connection === connection).length,
        );
        expect(open).toEqual([2, 2]);
        for (const request of waiting) request.respond(ok);
        expect((await Promise.all(sent)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
      },
      { retries: 0 },
    );
  });

  test(
    "a server that does not read for a while gets all requests whole, heads and bodies",
    () =>
      scene(
        engine,
        {
          settings: [[4, 1_000_000]],
          onConnect(connection) {
            setTimeout(() => connection.send(windowUpdateFrame(0, 100_000_000)), 1);
            setTimeout(() => connection.socket.pause(), 50);
            setTimeout(() => connection.socket.resume(), 400);
            return false;
          },
          onRequest: ({ body, field, respond }) =>
            respond(ok, `${body.length} ${field("x-large")?.length} ${field(":path")}`),
        },
        async ({ server, client }) => {
          const clients = await Promise.all(Array.from({ length: 60 }, client));
          // Opens the connection.
          await clients[0]?.send(get("/first")).readResponse();
          await until(() => server.connections[0]?.socket.isPaused(), "the server to stop reading");
          const body = "x".repeat(200_000);
          const sent = clients.map((one, i) => {
            const lines = `POST /${i} HTTP/1.1\r\nHost: a\r\nX-Large: ${"y".repeat(20_000)}\r\n`;
            return one
              .send(`${lines}Content-Length: ${body.length}\r\n\r\n${body}`)
              .readResponse("POST", 10_000);
          });
          const responses = await Promise.all(sent);
          expect(responses.map((response) => response.body.toString())).toEqual(
            clients.map((__, i) => `200000 20000 /${i}`),
          );
          expect(server.connections.length).toBe(1);
        },
      ),
    20_000,
  );

  test("a server that allows no streams at all is refused", () =>
    scene(engine, { settings: [[3, 0]] }, async ({ client }) => {
      const response = await (await client()).send(post("x")).readResponse();
      expect(details(response.header("proxy-status"))).toBe("connect_refused");
    }));
});

/** HEADERS, and CONTINUATION for what does not fit into one frame. */
function headersInFrames(streamId: number, fields: Http2Fields): Buffer {
  const whole = headersFrame(streamId, fields, true);
  const block = whole.subarray(9);
  const parts = Array.from({ length: Math.ceil(block.length / 16_000) }, (_, i) =>
    block.subarray(i * 16_000, (i + 1) * 16_000),
  );
  return Buffer.concat(
    parts.map((part, i) => {
      const head = Buffer.alloc(9);
      head.writeUIntBE(part.length, 0, 3);
      head[3] = i === 0 ? frameType.headers : frameType.continuation;
      head[4] = (i === 0 ? 1 : 0) | (i === parts.length - 1 ? 4 : 0);
      head.writeUInt32BE(streamId, 5);
      return Buffer.concat([head, part]);
    }),
  );
}
