/** The life of streams and connections of HTTP/2, frame by frame: windows, ends in every order, drains and timeouts. */

import { describe, expect, test } from "bun:test";

import { frameFlag, frameType, setting } from "../../../../src/engine/wire/http2/protocol.ts";
import { startAuthenticatingOrigin } from "../../../laws/authentication-laws.ts";
import { startEngine } from "../../../support/engine-fixture.ts";
import { dataFrame, headersFrame, Http2Client, requestFields } from "../../../support/http2-client.ts";
import { respondWith, type Responder } from "../../../support/origin.ts";
import { RawClient } from "../../../support/raw-client.ts";
import { until } from "../../../support/wait.ts";
import { wireEngine } from "../../../../src/engine/wire/bun.ts";
import { withHttp2Scene } from "./scene.ts";

const echoTarget: Responder = ({ target }, socket) => void socket.write(respondWith(target));
const silent: Responder = () => {};

describe("windows", () => {
  test("give back what an ended stream had not taken: uploads go on for ever", () =>
    withHttp2Scene(
      echoTarget,
      async ({ client }) => {
        const uploader = await client();
        // Each upload is refused after a part of it. The connection's window is 1 MiB.
        for (let id = 1; id < 100; id += 2) {
          uploader.headers(id, requestFields("POST", "/"), false);
          for (let piece = 0; piece < 4; piece++) uploader.data(id, Buffer.alloc(16_384));
          await uploader.whole(id);
          expect(uploader.status(id)).toBe(413);
        }
        await uploader.get(101, "/fine").whole(101);
        expect(uploader.stream(101).body.toString()).toBe("/fine");
        const given = uploader.frames
          .filter(({ type, streamId }) => type === frameType.windowUpdate && streamId === 0)
          .reduce((sum, { payload }) => sum + payload.readUInt32BE(0), 65_535);
        expect(given - 50 * 65_536).toBeGreaterThan(700_000);
      },
      { destination: { maxRequestBodyBytes: 10_000 } },
    ));

  test("that were shrunk below zero still let a body end", () =>
    withHttp2Scene(
      {
        respond: (_, socket) => {
          socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n${"x".repeat(100)}\r\n`);
          setTimeout(() => socket.write("0\r\n\r\n"), 100);
        },
      },
      async ({ client }) => {
        const reader = await client({ keepsWindow: true, settings: [[setting.initialWindowSize, 100]] });
        reader.get(1);
        await until(() => reader.stream(1).bodyBytes === 100, "the body");
        reader.frame(frameType.settings, 0, 0, Buffer.from([0, 4, 0, 0, 0, 10]));
        expect((await reader.whole(1)).hasEnded).toBe(true);
      },
    ));

  test("of one stream do not hold up another", () =>
    withHttp2Scene(
      (_, socket) => void socket.write(respondWith("x".repeat(100_000))),
      async ({ client }) => {
        const reader = await client({ keepsWindow: true, settings: [[setting.initialWindowSize, 0]] });
        for (let id = 1; id < 200; id += 2) reader.get(id);
        await reader.received(frameType.headers, 100);
        reader.windowUpdate(199, 100_000).windowUpdate(0, 1_000_000);
        expect((await reader.whole(199)).bodyBytes).toBe(100_000);
        expect(reader.stream(1).bodyBytes).toBe(0);
      },
    ));

  test("of the connection are shared among the streams in turn", () =>
    withHttp2Scene(
      (_, socket) => void socket.write(respondWith("x".repeat(100_000))),
      async ({ client }) => {
        const reader = await client({
          keepsWindow: true,
          settings: [[setting.initialWindowSize, 1_000_000]],
        });
        for (const id of [1, 3, 5]) reader.get(id);
        await reader.received(frameType.headers, 3);
        const total = () => [1, 3, 5].reduce((sum, id) => sum + reader.stream(id).bodyBytes, 0);
        await until(() => total() === 65_535, "the first window to be used");
        reader.windowUpdate(0, 300_000);
        for (const id of [1, 3, 5]) expect((await reader.whole(id)).bodyBytes).toBe(100_000);
      },
    ));

  test("are replenished while a large body is read in small steps, as some clients do", () =>
    withHttp2Scene(
      (_, socket) => void socket.write(respondWith(Buffer.alloc(12_000_000))),
      async ({ client }) => {
        const reader = await client();
        expect((await reader.get(1).whole(1, 20_000)).bodyBytes).toBe(12_000_000);
        expect(reader.goAwayCode).toBe(-1);
      },
    ));
});

describe("streams", () => {
  test("end whichever side ends first", () =>
    withHttp2Scene(echoTarget, async ({ client, fixture }) => {
      const uploader = await client();
      // The body is whole by its length, and the stream ends later: after the response, with data or trailers.
      for (let id = 1; id < 600; id += 2) {
        uploader.headers(id, [...requestFields("POST", `/${id}`), ["content-length", "3"]], false);
        uploader.data(id, "abc");
        expect((await uploader.whole(id)).body.toString()).toBe(`/${id}`);
        if (id % 4 === 1) uploader.data(id, "", true);
        else uploader.headers(id, [["x-trailer", "1"]]);
      }
      await uploader.get(601, "/last").whole(601);
      expect(uploader.status(601)).toBe(200);
      expect(fixture.listener.active()).toBe(0);
    }));

  // curl 7.88 loses a response that ends before its body has left: it says "Stream error in the HTTP/2 framing layer", or hangs.
  test("get a refusal behind the end of a short request, without a reset", () =>
    withHttp2Scene(
      echoTarget,
      async ({ client, fixture }) => {
        const uploader = await client();
        for (let id = 1; id < 400; id += 2) {
          uploader.headers(id, [...requestFields("POST", "/"), ["content-length", "32000"]], false);
          uploader.data(id, Buffer.alloc(16_000)).data(id, Buffer.alloc(16_000), id % 4 === 1);
          if (id % 4 === 3) uploader.headers(id, [["x-trailer", "1"]]);
          await uploader.whole(id);
        }
        await uploader.get(601, "/last").whole(601);
        expect([uploader.status(601), uploader.goAwayCode]).toEqual([200, -1]);
        for (let id = 1; id < 400; id += 2)
          expect([uploader.status(id), uploader.stream(id).resetCode]).toEqual([413, -1]);
        expect(fixture.listener.active()).toBe(0);
      },
      { destination: { maxRequestBodyBytes: 10_000 } },
    ));

  test("ignore what crossed our reset: data and trailers of a refused upload", () =>
    withHttp2Scene(
      echoTarget,
      async ({ client }) => {
        const uploader = await client();
        uploader.headers(1, [...requestFields("POST", "/"), ["content-length", "50000"]], false);
        expect((await uploader.whole(1)).hasEnded).toBe(true);
        await until(() => uploader.stream(1).resetCode === 0, "the reset");
        uploader.data(1, "abc").headers(1, [["x-trailer", "1"]]);
        await uploader.get(3, "/next").whole(3);
        expect([uploader.status(1), uploader.status(3), uploader.goAwayCode]).toEqual([413, 200, -1]);
      },
      { destination: { maxRequestBodyBytes: 10_000 } },
    ));

  const early = {
    respond: silent,
    onHead: ({ target }: { readonly target: string }, socket: { write(bytes: Buffer): unknown }) =>
      target === "/early" && (socket.write(respondWith("early")), true),
  };

  test("are reset without an error when the response is whole before the request", () =>
    withHttp2Scene(early, async ({ client }) => {
      const uploader = await client();
      uploader.headers(1, requestFields("POST", "/early"), false);
      const stream = await uploader.whole(1);
      await until(() => stream.resetCode >= 0, "the reset");
      expect([stream.body.toString(), stream.hasEnded, stream.resetCode]).toEqual(["early", true, 0]);
    }));

  test.each([
    ["RST_STREAM", (peer: Http2Client) => peer.reset(1)],
    ["DATA that ends", (peer: Http2Client) => peer.data(1, "a", true)],
    ["trailers", (peer: Http2Client) => peer.headers(1, [["x", "1"]])],
  ])("forgive what crossed our reset, but nothing behind %s", (_, end) =>
    withHttp2Scene(early, async ({ client }) => {
      const uploader = await client();
      uploader.headers(1, requestFields("POST", "/early"), false);
      await until(() => uploader.stream(1).resetCode === 0, "the reset");
      uploader.data(1, "a");
      end(uploader);
      uploader.frame(frameType.ping, 0, 0, Buffer.alloc(8));
      await uploader.received(frameType.ping);
      expect(uploader.goAwayCode).toBe(-1);
      uploader.headers(1, [["x", "1"]]);
      await until(() => uploader.isEnded || uploader.isClosed, "the connection to end");
      expect(uploader.goAwayCode).toBe(5);
    }),
  );

  test("of which one meets a bug answer it with 500, and the others go on", () =>
    withHttp2Scene(
      echoTarget,
      async ({ client, fixture }) => {
        const stranger = await client();
        stranger.get(1, "/before");
        await stranger.whole(1);
        const select = fixture.pool.select.bind(fixture.pool);
        let calls = 0;
        fixture.pool.select = (...given) => {
          if ((calls += 1) === 1) throw new Error("a bug");
          return select(...given);
        };
        await stranger.get(3, "/bug").whole(3);
        await stranger.get(5, "/after").whole(5);
        expect([stranger.status(3), stranger.status(5), stranger.goAwayCode]).toEqual([500, 200, -1]);
      },
      { expectedBugs: 1 },
    ));
});

describe("a connection", () => {
  test("counts as one client from its first moment, whatever it will speak", () =>
    withHttp2Scene(
      echoTarget,
      async ({ client, fixture }) => {
        const silentOne = await RawClient.connect(fixture.port);
        const first = await client();
        for (let id = 1; id < 40; id += 2) expect((await first.get(id).whole(id)).hasEnded).toBe(true);
        const second = await client();
        await second.get(1).whole(1);
        expect(second.status(1)).toBe(503);
        await until(() => second.isEnded, "the connection to end");
        const third = await RawClient.connect(fixture.port);
        expect((await third.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").readResponse()).status).toBe(503);
        silentOne.destroy();
        third.destroy();
      },
      { maxClients: 2 },
    ));

  test("shrinks the table of its encoder when the peer asks for it (RFC 7541 section 4.2)", () =>
    withHttp2Scene(echoTarget, async ({ client }) => {
      const reader = await client({ settings: [[setting.headerTableSize, 0]] });
      await reader.get(1).whole(1);
      await reader.get(3).whole(3);
      const [first, second] = reader.frames.filter(({ type }) => type === frameType.headers);
      expect([(first?.payload[0] ?? 0) & 0xe0, (second?.payload[0] ?? 0) & 0x80]).toEqual([0x20, 0x80]);
    }));

  test("announces its end twice, serves what crossed, ignores what follows, and closes after the last byte", () => {
    let finish: (() => void) | undefined;
    return withHttp2Scene(
      ({ target }, socket) => {
        if (target === "/slow") finish = () => socket.write(respondWith("slow"));
        else socket.write(respondWith(target));
      },
      async ({ client, fixture }) => {
        const reader = await client();
        reader.get(1, "/slow");
        await until(() => finish, "the request");
        const drained = fixture.listener.drain();
        const first = await reader.received(frameType.goAway);
        expect(first.payload.readUInt32BE(0)).toBe(2 ** 31 - 1);
        expect((await reader.get(3, "/crossed").whole(3)).body.toString()).toBe("/crossed");
        const second = await reader.received(frameType.goAway, 2);
        expect(second.payload.readUInt32BE(0)).toBe(3);
        // A request with a body that crossed the second one must not end the connection.
        reader.headers(5, requestFields("POST", "/late"), false).data(5, "late", true);
        reader.headers(7, requestFields("GET", "/late"));
        finish?.();
        expect((await reader.whole(1)).body.toString()).toBe("slow");
        await drained;
        await until(() => reader.isEnded, "the connection to end");
        const last = reader.frames.findLast(({ type }) => type === frameType.goAway);
        expect([last?.payload.readUInt32BE(0), last?.payload.readUInt32BE(4)]).toEqual([3, 0]);
        expect([reader.status(5), reader.status(7)]).toEqual([0, 0]);
        expect(reader.isReset).toBe(false);
      },
    );
  });

  test("closes in a drain as soon as its client knows, and serves what crossed", () =>
    withHttp2Scene(echoTarget, async ({ client, fixture }) => {
      const [busy, idle] = [await client(), await client()];
      await Promise.all([busy.get(1).whole(1), idle.get(1).whole(1)]);
      const startedAt = performance.now();
      const drained = fixture.listener.drain();
      for (const one of [busy, idle]) {
        const { payload } = await one.received(frameType.ping);
        // Sent by a client that has not read the announcement yet.
        if (one === busy) expect((await one.get(3, "/crossed").whole(3)).body.toString()).toBe("/crossed");
        one.frame(frameType.ping, frameFlag.ack, 0, payload);
        const last = await one.received(frameType.goAway, 2);
        expect([last.payload.readUInt32BE(0), last.payload.readUInt32BE(4)]).toEqual([
          one === busy ? 3 : 1,
          0,
        ]);
      }
      await drained;
      expect(performance.now() - startedAt).toBeLessThan(900);
      await until(() => busy.isEnded && idle.isEnded, "the connections to end");
      expect([busy.isReset, idle.isReset]).toEqual([false, false]);
    }));

  test("waits in a drain until a slow reader has taken the last byte", () =>
    withHttp2Scene(
      (_, socket) => void socket.write(respondWith(Buffer.alloc(20_000_000))),
      async ({ client, fixture }) => {
        const reader = await client({
          settings: [[setting.initialWindowSize, 2 ** 31 - 1]],
          keepsWindow: true,
        });
        reader.windowUpdate(0, 2 ** 30);
        reader.get(1);
        await until(() => reader.stream(1).bodyBytes > 0, "the response");
        reader.socket.pause();
        const drained = fixture.listener.drain();
        let isDrained = false;
        void drained.then(() => (isDrained = true));
        await new Promise((resolve) => setTimeout(resolve, 1_500));
        expect(isDrained).toBe(false);
        reader.socket.resume();
        expect((await reader.whole(1, 15_000)).bodyBytes).toBe(20_000_000);
        await drained;
      },
      {},
    ));

  test("whose client goes away first serves its open streams, in a drain too", () => {
    let finish: (() => void) | undefined;
    return withHttp2Scene(
      (_, socket) => void (finish = () => socket.write(respondWith("slow"))),
      async ({ client, fixture }) => {
        const reader = await client();
        reader.get(1, "/slow");
        await until(() => finish, "the request");
        reader.frame(frameType.goAway, 0, 0, Buffer.alloc(8));
        const drained = fixture.listener.drain();
        await new Promise((resolve) => setTimeout(resolve, 1_500));
        finish?.();
        expect((await reader.whole(1)).body.toString()).toBe("slow");
        await drained;
        await until(() => reader.isEnded, "the connection to end");
      },
    );
  });

  test("ends when it is idle, pings or not; and when a head, a frame or a preface does not get whole", () =>
    withHttp2Scene(
      echoTarget,
      async ({ client, fixture }) => {
        const idle = await client();
        const pinging = await client();
        const inBlock = await client();
        const inFrame = await client();
        const unbegun = await client({ isBare: true });
        await Promise.all([idle, pinging, inBlock, inFrame].map((one) => one.get(1).whole(1)));
        inBlock.frame(frameType.headers, frameFlag.endStream, 3, Buffer.from([0x82]));
        inFrame.send(headersFrame(3, requestFields("GET", "/"), true).subarray(0, 20));
        unbegun.send(Buffer.from("PRI * HTTP/2.0"));
        const trickle = setInterval(() => {
          pinging.frame(frameType.ping, 0, 0, Buffer.alloc(8));
          inBlock.frame(frameType.continuation, 0, 3, Buffer.from([0x82]));
          inFrame.send(Buffer.from([0]));
        }, 100);
        try {
          for (const one of [idle, pinging, inBlock, inFrame, unbegun])
            await until(() => one.isEnded || one.isClosed, "the connection to end");
        } finally {
          clearInterval(trickle);
        }
        await until(() => fixture.listener.active() === 0, "no request to be left");
      },
      { clientTimeouts: { headMs: 500, keepAliveMs: 500 } },
    ));

  test("outlives the timeouts of heads and idle connections while a stream is open", () =>
    withHttp2Scene(
      (_, socket) => void setTimeout(() => socket.write(respondWith("slow")), 1_000),
      async ({ client }) => {
        const reader = await client();
        reader.get(1);
        expect((await reader.whole(1)).body.toString()).toBe("slow");
        reader.get(3).frame(frameType.ping, 0, 0, Buffer.alloc(8));
        expect((await reader.whole(3)).body.toString()).toBe("slow");
      },
      { clientTimeouts: { headMs: 300, keepAliveMs: 300 } },
    ));

  test("ends when its client reads nothing at all", () =>
    withHttp2Scene(
      (_, socket) => void socket.write(respondWith(Buffer.alloc(1_000_000))),
      async ({ client, fixture, origin }) => {
        const reader = await client({
          settings: [[setting.initialWindowSize, 2 ** 31 - 1]],
          keepsWindow: true,
        });
        reader.windowUpdate(0, 2 ** 30);
        reader.socket.pause();
        for (let id = 1; id < 40; id += 2) reader.get(id);
        await until(() => origin.requests.length > 0, "a request");
        await until(() => fixture.listener.active() === 0, "the streams to end", 10_000);
        reader.socket.resume();
        await until(() => reader.isReset || reader.isClosed, "the connection to end");
      },
      { clientTimeouts: { bodyIdleMs: 600 } },
    ));
});

describe("NTLM", () => {
  test("authenticates no connection to an upstream for the next stream", async () => {
    const origin = await startAuthenticatingOrigin();
    const fixture = await startEngine(wireEngine, { ports: [origin.port], listener: { http2: true } });
    const client = await Http2Client.connect(fixture.port);
    try {
      const authorization = (token: string) => [["authorization", `NTLM ${token}`]] as const;
      await client.get(1, "/", authorization("type1")).whole(1);
      await client.get(3, "/", authorization("type3-ann")).whole(3);
      await client.get(5).whole(5);
      expect([1, 3, 5].map((id) => client.status(id))).toEqual([401, 401, 401]);
      await until(() => origin.open() <= 1, "the pinned connections to close");
    } finally {
      client.destroy();
      fixture.close();
      await origin.close();
    }
  });
});

describe("a WebSocket (RFC 8441)", () => {
  const connect = [
    [":method", "CONNECT"],
    [":protocol", "websocket"],
    [":scheme", "http"],
    [":authority", "shop.example"],
    [":path", "/chat"],
    ["sec-websocket-version", "13"],
    ["sec-websocket-key", "bm90IG9mIEhUVFAvMiBhdCBhbGw="],
  ] as const;

  test("is refused like any request, and what was sent for it is no request", () =>
    withHttp2Scene(
      ({ target }, socket) => void socket.write(respondWith(target, [], "403 Forbidden")),
      async ({ client, origin }) => {
        const reader = await client();
        const hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
        reader.send(Buffer.concat([headersFrame(1, connect, false), dataFrame(1, hidden, false)]));
        expect((await reader.whole(1)).body.toString()).toBe("/chat");
        await until(() => reader.stream(1).resetCode === 0, "the reset");
        await reader.get(3, "/next").whole(3);
        expect(origin.requests.map(({ target }) => target)).toEqual(["/chat", "/next"]);
        expect(origin.requests[0]?.headers.filter(([name]) => /key/i.test(name))).toHaveLength(1);
      },
    ));

  test.each([
    ["with a length", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"],
    [
      "in chunks",
      "HTTP/1.1 206 Partial Content\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n<html>\r\n0\r\n\r\n",
    ],
    ["until it closes", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<html>"],
    ["without a body", "HTTP/1.1 204 No Content\r\n\r\n"],
  ])("is refused where the upstream responds but does not switch: %s", (_, response) =>
    withHttp2Scene(
      ({ header }, socket) => {
        socket.write(response);
        if (/close/.test(response)) socket.end();
        expect(header("upgrade")).toBe("websocket");
      },
      async ({ client, fixture }) => {
        const reader = await client();
        // A status of success would open the tunnel (RFC 8441 section 5), and the body be read as its first bytes.
        await reader.headers(1, connect, false).whole(1);
        expect(reader.status(1)).toBe(501);
        expect(reader.stream(1).body.toString()).toBe(response.includes("<html>") ? "<html>" : "");
        await until(() => reader.stream(1).resetCode === 0, "the reset");
        await until(() => fixture.listener.active() === 0, "the request to end");
      },
    ),
  );

  test("carries what was sent early, both ways, until both sides end", () =>
    withHttp2Scene(
      {
        respond: silent,
        onHead: (_, socket) => {
          const answer =
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n" +
            "Content-Length: 0\r\nSec-WebSocket-Accept: x\r\n\r\nhello";
          setTimeout(() => socket.write(answer), 50);
          socket.on("data", (bytes: Buffer) => void socket.write(`<${bytes.toString()}>`));
          return true;
        },
      },
      async ({ client, fixture }) => {
        const reader = await client();
        reader.headers(1, connect, false).data(1, "early");
        await until(() => reader.stream(1).body.toString() === "hello<early>", "the early bytes");
        expect(reader.status(1)).toBe(200);
        expect(reader.header(1, "sec-websocket-accept")).toBeUndefined();
        expect(fixture.listener.active()).toBe(1);
        await reader.data(1, "late", true).whole(1);
        expect(reader.stream(1).body.toString()).toBe("hello<early><late>");
        await until(() => fixture.listener.active() === 0, "the tunnel to end");
      },
    ));
});
