import { describe, expect, test } from "bun:test";
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from "node:http2";

import type { Engine } from "../../../../src/engine/engine.ts";
import { wireEngine } from "../../../../src/engine/wire/bun.ts";
import { wireEngine as nodeEngine } from "../../../../src/engine/wire/node.ts";
import {
  type EngineFixture,
  type EngineFixtureOptions,
  startEngine,
} from "../../../support/engine-fixture.ts";
import { type Origin, type OriginOptions, respondWith, startOrigin } from "../../../support/origin.ts";
import { until } from "../../../support/wait.ts";

interface Http2Response {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders;
  readonly body: Buffer;
}

interface Setup {
  readonly origin: Origin;
  readonly fixture: EngineFixture;
  readonly session: ClientHttp2Session;
  request(headers: Record<string, string>, body?: Buffer): Promise<Http2Response>;
}

async function withSession(
  engine: Engine,
  script: OriginOptions | OriginOptions["respond"],
  run: (setup: Setup) => Promise<void>,
  options: Partial<EngineFixtureOptions> = {},
): Promise<void> {
  const origin = await startOrigin(script);
  const fixture = await startEngine(engine, { ports: [origin.port], listener: { http2: true }, ...options });
  const session = connect(`http://127.0.0.1:${fixture.port}`);
  session.on("error", () => {});
  try {
    await run({ origin, fixture, session, request: (headers, body) => send(session, headers, body) });
    expect(fixture.bugs).toEqual([]);
  } finally {
    session.destroy();
    fixture.close();
    await origin.close();
  }
}

function send(
  session: ClientHttp2Session,
  headers: Record<string, string>,
  body?: Buffer,
): Promise<Http2Response> {
  return new Promise((resolve, reject) => {
    const stream = session.request(
      { ":authority": "shop.example", ":path": "/", ...headers },
      { endStream: !body },
    );
    const chunks: Buffer[] = [];
    let received: IncomingHttpHeaders = {};
    let trailers: IncomingHttpHeaders = {};
    stream.on("response", (given) => (received = given));
    stream.on("trailers", (given) => (trailers = given));
    stream.on("data", (chunk: Buffer) => void chunks.push(chunk));
    stream.on("error", reject);
    stream.on("end", () => {
      resolve({
        status: Number(received[":status"]),
        headers: received,
        trailers,
        body: Buffer.concat(chunks),
      });
    });
    if (body) stream.end(body);
  });
}

describe.each([
  ["Bun's sockets", wireEngine],
  ["node's sockets", nodeEngine],
] as const)("HTTP/2 on the wire engine with %s", (_, engine) => {
  test("forwards a request with its fields, and the response", () =>
    withSession(
      engine,
      (request, socket) =>
        void socket.write(respondWith(`${request.method} ${request.target}`, ["X-Answer: yes"])),
      async ({ origin, request }) => {
        const response = await request({
          ":path": "/a%2Fb?c=d",
          "x-custom": "1",
          cookie: "a=1; b=2",
          te: "trailers",
        });
        expect([response.status, response.body.toString()]).toEqual([200, "GET /a%2Fb?c=d"]);
        expect(response.headers["x-answer"]).toBe("yes");
        const [received] = origin.requests;
        expect(received?.header("host")).toBe("shop.example");
        expect(received?.header("x-custom")).toBe("1");
        expect(received?.header("cookie")).toBe("a=1; b=2");
        expect(received?.header("te")).toBe("trailers");
        expect(received?.header("x-forwarded-for")).toBe("127.0.0.1");
        expect(received?.headers.some(([name]) => name.startsWith(":"))).toBe(false);
      },
    ));

  test("forwards bodies of known and unknown length, both ways, larger than every window", () =>
    withSession(
      engine,
      ({ body, header }, socket) =>
        void socket.write(
          respondWith(body.toString("latin1"), [`X-Length: ${header("content-length") ?? "none"}`]),
        ),
      async ({ request }) => {
        const body = Buffer.alloc(3_000_000, "0123456789");
        const chunked = await request({ ":method": "POST" }, body);
        expect(chunked.headers["x-length"]).toBe("none");
        expect(chunked.body.equals(body)).toBe(true);
        const known = await request({ ":method": "PUT", "content-length": String(body.length) }, body);
        expect(known.headers["x-length"]).toBe(String(body.length));
        expect(known.body.equals(body)).toBe(true);
      },
    ));

  test("serves many streams at the same time, over few upstream connections after one another", () =>
    withSession(
      engine,
      ({ target }, socket) => void setTimeout(() => socket.write(respondWith(target)), 5),
      async ({ request, fixture }) => {
        const paths = Array.from({ length: 100 }, (__, i) => `/${i}`);
        const responses = await Promise.all(paths.map((path) => request({ ":path": path })));
        expect(responses.map(({ body }) => body.toString())).toEqual(paths);
        await until(() => fixture.listener.active() === 0, "no request to be left");
      },
    ));

  test("serves more streams after one another than may be open at the same time", () =>
    withSession(
      engine,
      ({ target }, socket) => void socket.write(respondWith(target)),
      async ({ request }) => {
        for (let i = 0; i < 300; i++)
          expect((await request({ ":path": `/${i}` })).body.toString()).toBe(`/${i}`);
      },
    ));

  test("forwards trailers of a response, and of a request", () =>
    withSession(
      engine,
      {
        respond: (_request, socket) =>
          void socket.write(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: grpc-status\r\n\r\n3\r\nabc\r\n0\r\nGrpc-Status: 0\r\n\r\n",
          ),
      },
      async ({ request }) => {
        const response = await request({});
        expect([response.body.toString(), response.trailers["grpc-status"]]).toEqual(["abc", "0"]);
        expect(response.headers["transfer-encoding"]).toBeUndefined();
      },
    ));

  test("answers HEAD, 204 and 304 without a body, and passes interim responses", () =>
    withSession(
      engine,
      ({ target, method }, socket) => {
        if (target === "/204") return void socket.write("HTTP/1.1 204 No Content\r\n\r\n");
        if (target === "/304")
          return void socket.write("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n");
        const body = method === "HEAD" ? "" : "body";
        return void socket.write(
          `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n${body}`,
        );
      },
      async ({ request, session }) => {
        const head = await request({ ":method": "HEAD" });
        expect([head.status, head.headers["content-length"], head.body.length]).toEqual([200, "4", 0]);
        for (const status of [204, 304])
          expect(await request({ ":path": `/${status}` })).toMatchObject({ status });
        const links: unknown[] = [];
        const stream = session.request({ ":authority": "shop.example", ":path": "/" });
        stream.on("headers", (headers: IncomingHttpHeaders) => void links.push(headers["link"]));
        stream.resume();
        await new Promise((resolve) => stream.on("end", resolve));
        expect(links).toEqual(["</a>"]);
      },
    ));

  test("resets the stream of a truncated response, and goes on with others", () =>
    withSession(
      engine,
      ({ target }, socket) => {
        if (target === "/") return void socket.write(respondWith("fine"));
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc");
        return void setTimeout(() => socket.destroy(), 5);
      },
      async ({ request }) => {
        expect(
          await request({ ":path": "/cut" }).then(
            () => "whole",
            (error: Error) => error.message,
          ),
        ).not.toBe("whole");
        expect((await request({})).body.toString()).toBe("fine");
      },
    ));

  test("cancels the attempt of a stream that its client resets", () =>
    withSession(
      engine,
      () => {},
      async ({ origin, session, fixture }) => {
        const stream = session.request({ ":authority": "shop.example", ":path": "/" });
        stream.on("error", () => {});
        await until(() => origin.requests.length === 1, "the request to arrive");
        stream.close(8);
        await until(
          () => fixture.ended.length === 1 && fixture.listener.active() === 0,
          "the attempt to end",
        );
        expect(fixture.ended[0]?.outcome.kind).toBe("cancelled");
      },
    ));

  test("reads a slow client's response only as fast as the client", () =>
    withSession(
      engine,
      (_request, socket) => {
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n");
        const piece = Buffer.alloc(1_000_000);
        const more = (left: number) => {
          if (left > 0) socket.write(piece, () => more(left - 1));
        };
        more(50);
      },
      async ({ session, request, origin }) => {
        const stream = session.request({ ":authority": "shop.example", ":path": "/" });
        stream.on("error", () => {});
        await new Promise((resolve) => stream.once("response", resolve));
        stream.pause();
        // Another stream of the same connection is served meanwhile.
        const other = request({ ":path": "/other" });
        await until(() => origin.requests.length === 2, "the other request to arrive");
        stream.close(8);
        void other.catch(() => {});
      },
    ));

  test("answers requests with 431 whose fields are too large, and refuses malformed ones by a reset", () =>
    withSession(
      engine,
      (_request, socket) => void socket.write(respondWith("fine")),
      async ({ request }) => {
        const large = Object.fromEntries(
          Array.from({ length: 20 }, (__, i) => [`x-${i}`, "v".repeat(2_000)]),
        );
        expect((await request(large)).status).toBe(431);
        expect((await request({})).status).toBe(200);
      },
    ));

  test("goes away on a drain when the open streams have ended", () =>
    withSession(
      engine,
      ({ target }, socket) =>
        void (target === "/slow"
          ? setTimeout(() => socket.write(respondWith("slow")), 200)
          : socket.write(respondWith("fast"))),
      async ({ request, session, fixture, origin }) => {
        const slow = request({ ":path": "/slow" });
        await until(() => origin.requests.length === 1, "the request to arrive");
        let goAways = 0;
        session.on("goaway", () => void (goAways += 1));
        const drained = fixture.listener.drain();
        expect((await slow).body.toString()).toBe("slow");
        await drained;
        await until(() => session.closed || session.destroyed, "the connection to close");
        expect(goAways).toBeGreaterThan(0);
      },
    ));

  test("serves HTTP/1.1 on the same port", () =>
    withSession(
      engine,
      (_request, socket) => void socket.write(respondWith("fine")),
      async ({ fixture }) => {
        const response = await fetch(`http://127.0.0.1:${fixture.port}/`);
        expect(await response.text()).toBe("fine");
      },
    ));
});
