/** What an engine's listener must accept of requests, and what it must not add to its responses. */

import { expect } from "bun:test";

import type { Engine } from "../../src/engine/engine.ts";
import { type Origin, type OriginOptions, respondWith, startOrigin } from "../support/origin.ts";
import { RawClient, sendRequest } from "../support/raw-client.ts";
import { type EngineFixture, startEngine } from "../support/engine-fixture.ts";
import { until } from "../support/wait.ts";

async function withOrigin(
  engine: Engine,
  script: OriginOptions | OriginOptions["respond"],
  run: (fixture: EngineFixture, origin: Origin) => Promise<void>,
): Promise<void> {
  const origin = await startOrigin(script);
  const fixture = await startEngine(engine, { ports: [origin.port] });
  try {
    await run(fixture, origin);
    expect(fixture.bugs).toEqual([]);
    expect(fixture.ended.filter(({ outcome }) => outcome.kind === "failure")).toEqual([]);
  } finally {
    fixture.close();
    await origin.close();
  }
}

const ok: OriginOptions["respond"] = (_, socket) =>
  void socket.write(respondWith("ok", ["Content-Type: text/plain"]));

/** Clients that leave before the ends of their bodies: their requests must not reach the upstream whole. */
function withUnfinishedBodies(engine: Engine, bodies: readonly string[]): Promise<void> {
  return withOrigin(engine, ok, async ({ port }, origin) => {
    for (const body of bodies) {
      const before = origin.connections();
      const client = await RawClient.connect(port);
      client.send(`POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${body}`);
      await until(() => origin.connections() > before || client.received.length > 0, "the request to go on");
      client.destroy();
      await until(() => origin.open() === 0 || origin.requests.length > 0, "the request to be cancelled");
      expect(origin.requests).toEqual([]);
    }
  });
}

const handshakeHeaders = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";

export const requestFormLaws: Readonly<Record<string, (engine: Engine) => Promise<void>>> = {
  "forwards a request with trailers": (engine) =>
    withOrigin(engine, ok, async ({ port }, origin) => {
      const head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n";
      for (const announced of ["", "Trailer: X-Sum\r\n"]) {
        const response = await sendRequest(
          port,
          `${head}${announced}\r\n5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n`,
        );
        expect(response.status).toBe(200);
        expect(origin.requests.at(-1)?.body.toString()).toBe("hello");
      }
    }),

  "forwards methods that no standard knows": (engine) =>
    withOrigin(engine, ok, async ({ port }, origin) => {
      for (const method of ["FOO", "X-y_z", "FROBNICATE"]) {
        expect((await sendRequest(port, `${method} / HTTP/1.1\r\nHost: a\r\n\r\n`)).status).toBe(200);
        expect(origin.requests.at(-1)?.method).toBe(method);
      }
    }),

  "forwards the methods of WebDAV and others that are registered": (engine) =>
    withOrigin(engine, ok, async ({ port }, origin) => {
      for (const method of ["PROPFIND", "MKCOL", "REPORT", "LOCK", "QUERY", "M-SEARCH", "PURGE", "LINK"]) {
        expect((await sendRequest(port, `${method} / HTTP/1.1\r\nHost: a\r\n\r\n`)).status).toBe(200);
        expect(origin.requests.at(-1)?.method).toBe(method);
      }
    }),

  "takes no chunked body for whole before its last chunk has arrived": (engine) =>
    withUnfinishedBodies(engine, ["5\r\nhello\r\n0", "5\r\nhello\r\n", "5\r\nhello", ""]),

  "takes no chunked body for whole before the line after its last chunk has arrived": (engine) =>
    withUnfinishedBodies(engine, ["5\r\nhello\r\n0\r\n", "5\r\nhello\r\n0\r\n\r"]),

  "adds no Content-Length to the response to a HEAD": (engine) =>
    withOrigin(
      engine,
      ({ target }, socket) => {
        const framing = target === "/chunked" ? "Transfer-Encoding: chunked\r\n" : "";
        socket.write(
          `HTTP/1.1 ${target === "/404" ? "404 Not Found" : "200 OK"}\r\nX-A: 1\r\n${framing}\r\n`,
        );
      },
      async ({ port }) => {
        const client = await RawClient.connect(port);
        for (const target of ["/", "/chunked", "/404"]) {
          client.send(`HEAD ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
          const response = await client.readResponse("HEAD");
          expect([response.header("x-a"), response.header("content-length")]).toEqual(["1", undefined]);
        }
        client.destroy();
      },
    ),

  "sends no 100 Continue to an HTTP/1.0 client": (engine) =>
    withOrigin(
      engine,
      {
        respond: ok,
        onHead(request, socket) {
          if (request.header("expect")) socket.write("HTTP/1.1 100 Continue\r\n\r\n");
          return false;
        },
      },
      async ({ port }) => {
        const request =
          "POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello";
        expect((await sendRequest(port, request)).status).toBe(200);
      },
    ),

  "upgrades no HTTP/1.0 request": async (engine) => {
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: (request, upgrading) => (upgrading.upgrade(request) ? undefined : new Response("no upgrade")),
      websocket: { message() {} },
    });
    const fixture = await startEngine(engine, { ports: [server.port ?? 0] });
    try {
      const key = `Sec-WebSocket-Key: ${btoa("0123456789abcdef")}\r\n`;
      const request = `GET / HTTP/1.0\r\nHost: a\r\n${handshakeHeaders}${key}\r\n`;
      expect((await sendRequest(fixture.port, request)).status).not.toBe(101);
    } finally {
      fixture.close();
      await server.stop(true);
    }
  },

  "forwards OPTIONS *": (engine) =>
    withOrigin(engine, ok, async ({ port }, origin) => {
      expect((await sendRequest(port, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")).status).toBe(200);
      expect(origin.requests[0]?.target).toBe("*");
    }),

  "sends the host of an absolute target, or refuses one that Host contradicts": (engine) =>
    withOrigin(engine, ok, async ({ port }, origin) => {
      const response = await sendRequest(port, "GET http://b.example/x HTTP/1.1\r\nHost: a\r\n\r\n");
      if (response.status !== 400) expect(origin.requests[0]?.header("host")).toBe("b.example");
      expect(origin.requests.some((request) => request.header("host") === "a")).toBe(false);
    }),

  "takes an absolute target whose authority is that of Host but for case and the default port": (engine) =>
    withOrigin(engine, ok, async ({ port }, origin) => {
      for (const authority of ["a.example", "A.Example", "a.example:80", "a.example:"]) {
        const request = `GET http://${authority}/x?y HTTP/1.1\r\nHost: a.example\r\n\r\n`;
        expect((await sendRequest(port, request)).status).toBe(200);
        expect(origin.requests.at(-1)?.target).toBe("/x?y");
      }
    }),

  "serves HTTP/1.0 without a Host, and refuses HTTP/1.1 without one": (engine) =>
    withOrigin(engine, ok, async ({ port }, origin) => {
      expect((await sendRequest(port, "GET / HTTP/1.0\r\n\r\n")).status).toBe(200);
      expect((await sendRequest(port, "GET / HTTP/1.1\r\n\r\n")).status).toBe(400);
      expect(origin.requests).toHaveLength(1);
    }),

  "takes whitespace around the values that frame a body": (engine) =>
    withOrigin(engine, ok, async ({ port }, origin) => {
      const framings = ["Content-Length: 5 ", "Content-Length:\t5", "Content-Length:5"];
      for (const framing of framings) {
        expect(
          (await sendRequest(port, `POST / HTTP/1.1\r\nHost: a\r\n${framing}\r\n\r\nhello`)).status,
        ).toBe(200);
        expect(origin.requests.at(-1)?.body.toString()).toBe("hello");
        expect(origin.requests.at(-1)?.head).toMatch(/^content-length: ?5$/im);
      }
      const chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked \r\n\r\n";
      expect((await sendRequest(port, `${chunked}5\r\nhello\r\n0\r\n\r\n`)).status).toBe(200);
      expect(origin.requests.at(-1)?.body.toString()).toBe("hello");
    }),

  "refuses repeated lengths, and keeps the requests behind them apart": (engine) =>
    withOrigin(engine, ok, async ({ port }, origin) => {
      const lengths = ["5\r\nContent-Length: 5", "5, 5", "5,", "5\r\nContent-Length: 6", "5;5", "5 5"];
      for (const length of lengths) {
        const client = await RawClient.connect(port);
        client.send(`POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\nhello`);
        expect([length, (await client.readResponse()).status]).toEqual([length, 400]);
        client.destroy();
      }
      expect((await sendRequest(port, "GET /good HTTP/1.1\r\nHost: a\r\n\r\n")).status).toBe(200);
      expect(origin.requests.map(({ target }) => target)).toEqual(["/good"]);
    }),

  "forwards a request with Upgrade that is no whole handshake, and its response": (engine) =>
    withOrigin(engine, ok, async ({ port }, origin) => {
      const key = `Sec-WebSocket-Key: ${btoa("0123456789abcdef")}\r\n`;
      const version = "Sec-WebSocket-Version: 13\r\n";
      const parts = [
        `${version}${key}`,
        `Connection: close\r\n${version}${key}`,
        `Connection: keep-alive, x-upgrade\r\n${version}${key}`,
        `Connection: Upgrade\r\n${version}`,
        `Connection: Upgrade\r\n${key}`,
        `Connection: Upgrade\r\nSec-WebSocket-Version: 8\r\n${key}`,
        `Connection: Upgrade\r\n${version}Sec-WebSocket-Key: short\r\n`,
      ];
      for (const headers of parts) {
        const request = `GET /x HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n${headers}\r\n`;
        const response = await sendRequest(port, request);
        expect([headers, response.status, response.body.toString()]).toEqual([headers, 200, "ok"]);
      }
      expect(origin.requests).toHaveLength(parts.length);
    }),

  "takes chunk lines with extensions and with zeros in front of the size": (engine) =>
    withOrigin(engine, ok, async ({ port }, origin) => {
      for (const line of ["5;a=b", "5;a", "0005", '5;a="b;c"']) {
        const request = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        expect((await sendRequest(port, `${request}${line}\r\nhello\r\n0\r\n\r\n`)).status).toBe(200);
        expect(origin.requests.at(-1)?.body.toString()).toBe("hello");
      }
      const signed = `5;chunk-signature=${"0".repeat(64)}\r\nhello\r\n`.repeat(1_000);
      const request = `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${signed}0\r\n\r\n`;
      expect((await sendRequest(port, request)).status).toBe(200);
      expect(origin.requests.at(-1)?.body.length).toBe(5_000);
    }),

  "takes chunk lines with whitespace around their extensions": (engine) =>
    withOrigin(engine, ok, async ({ port }, origin) => {
      for (const line of ["5; a=b", "5 ;a=b", "5 ; a = b"]) {
        const request = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        expect((await sendRequest(port, `${request}${line}\r\nhello\r\n0\r\n\r\n`)).status).toBe(200);
        expect(origin.requests.at(-1)?.body.toString()).toBe("hello");
      }
    }),

  "refuses a Host that is no authority": (engine) =>
    withOrigin(engine, ok, async ({ port }, origin) => {
      const hosts = [
        "a b",
        "a/b",
        "a?b",
        "a#b",
        "user@a",
        "a:80:90",
        "a:x",
        "a:123456",
        "[::1",
        "[]",
        "[x]",
        "a\\b",
        "\xe4",
      ];
      for (const host of hosts) {
        const response = await sendRequest(port, `GET /x HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
        expect([host, response.status]).toEqual([host, 400]);
      }
      expect(origin.requests).toEqual([]);
    }),

  "reads HTTP/1.2 as HTTP/1.1": (engine) =>
    withOrigin(engine, ok, async ({ port }) => {
      expect((await sendRequest(port, "GET / HTTP/1.2\r\nHost: a\r\n\r\n")).status).toBe(200);
    }),

  "takes IP literals of every form in Host": (engine) =>
    withOrigin(engine, ok, async ({ port }, origin) => {
      for (const host of ["[::1]:80", "[v1.fe80::a+en1]", "[fe80::1%25en0]"]) {
        expect((await sendRequest(port, `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)).status).toBe(200);
        expect(origin.requests.at(-1)?.header("host")).toBe(host);
      }
    }),
};
