import { describe, expect, test } from "bun:test";

import { respondWith } from "../../support/origin.ts";
import { until } from "../../support/wait.ts";
import { get, post, wireScene } from "./fixture.ts";
import { refusedCases } from "./http1/strictness.ts";

const withoutDate = (bytes: Buffer) => bytes.toString().replace(/Date: .*\r\n/, "");

const ok = () => respondWith("ok");

test("a port in use is an error with the system's code", () =>
  wireScene(
    () => {},
    async ({ stage }) => {
      const again = wireScene(
        () => {},
        async () => {},
        { listener: { port: stage.port } },
      );
      expect(again).rejects.toMatchObject({ code: "EADDRINUSE" });
      await again.catch(() => {});
    },
  ));

describe("a client's connection", () => {
  test("is refused and closed for each request that parsers disagree about, and no byte reaches an upstream", () =>
    wireScene(
      (_, socket) => void socket.write(ok()),
      async ({ origin, client, stage }) => {
        for (const { name, request, status } of refusedCases) {
          const one = await client();
          const response = await one.send(`${request}${get("/smuggled")}`).readResponse();
          expect([name, response.status]).toEqual([name, status]);
          expect(response.header("connection")).toBe("close");
          expect(response.header("proxy-status")).toContain("evenkeel; error=http_request_error");
          await until(() => one.isEnded, `the end after ${name}`);
          expect(one.received.length).toBe(0);
        }
        expect(origin.connections()).toBe(0);
        expect(stage.refused.length).toBe(refusedCases.length);
        expect(stage.listener.active()).toBe(0);
      },
    ));

  test("gets the responses to pipelined requests in order, with bodies and refusals among them", () =>
    wireScene(
      ({ target, body }, socket) => void socket.write(respondWith(`${target} ${body.toString()}`)),
      async ({ client }) => {
        const one = await client();
        const chunked =
          "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        one.send(
          get("/1") + post("body") + chunked + get("/2") + "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n" + get("/3"),
        );
        for (const expected of ["/1 ", "/ body", "/c abc", "/2 "]) {
          expect((await one.readResponse()).body.toString()).toBe(expected);
        }
        expect((await one.readResponse()).status).toBe(405);
        await until(() => one.isEnded);
      },
    ));

  test("may pipeline thousands of requests", () =>
    wireScene(
      ({ target }, socket) => void socket.write(respondWith(target)),
      async ({ client, stage }) => {
        const one = await client();
        const count = 5_000;
        one.send(Array.from({ length: count }, (_, i) => get(`/${i}`)).join(""));
        await until(() => stage.ended.length === count, "all responses", 15_000);
        for (let i = 0; i < 20; i++) expect((await one.readResponse()).body.toString()).toBe(`/${i}`);
      },
    ));

  test("with Connection: close is closed after the whole response, and is never reset", () =>
    wireScene(
      ({ target }, socket) =>
        void socket.write(respondWith("x".repeat(target === "/large" ? 4_000_000 : 10))),
      async ({ client, stage }) => {
        for (const [target, behind] of [["/"], ["/large"], ["/", "more than was announced"]] as const) {
          const one = await client();
          one.socket.pause();
          one.send(get(target, "Connection: close\r\n") + (behind ?? ""));
          await until(() => stage.ended.length > 0, "the end of the attempt");
          one.socket.resume();
          expect((await one.readResponse()).body.length).toBe(target === "/large" ? 4_000_000 : 10);
          await until(() => one.isEnded, "the end");
          expect(one.isReset).toBe(false);
          one.destroy();
          await until(() => stage.listener.active() === 0);
        }
      },
    ));

  test("of HTTP/1.0 is closed after its response unless it asks for keep-alive, and never gets chunks or 1xx", () =>
    wireScene(
      ({ target }, socket) => {
        if (target === "/length") return void socket.write(ok());
        socket.write(
          "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        );
        socket.write("lo\r\n3;x\r\n wo\r\n0\r\nX-Sum: 1\r\n\r\n");
      },
      async ({ client }) => {
        const kept = await client();
        const headers = "Host: a\r\nConnection: keep-alive\r\n\r\n";
        for (let i = 0; i < 2; i++) {
          const response = await kept.send(`GET /length HTTP/1.0\r\n${headers}`).readResponse();
          expect(response.header("connection")).toBe("keep-alive");
        }
        await kept.send(`GET /chunks HTTP/1.0\r\n${headers}`);
        await until(() => kept.isEnded);
        expect(withoutDate(kept.received)).toBe("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello wo");
        const closed = await client();
        closed.send("GET /length HTTP/1.0\r\nHost: a\r\n\r\n");
        await until(() => closed.isEnded);
        expect(closed.received.toString()).toEndWith("Connection: close\r\n\r\nok");
      },
    ));

  test("gets a response without length as it arrives, and its end with the connection", () =>
    wireScene(
      (_, socket) => void socket.write("HTTP/1.1 200 OK\r\n\r\nfirst ", () => socket.end("last")),
      async ({ client, stage }) => {
        const one = await client();
        one.send(get());
        await until(() => one.isEnded);
        expect(withoutDate(one.received)).toBe("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nfirst last");
        expect(stage.ended[0]?.outcome.kind).toBe("response");
      },
    ));

  test("is closed silently when it stays idle, and gets 408 when its head trickles", () =>
    wireScene(
      (_, socket) => void socket.write(ok()),
      async ({ client, origin }) => {
        const idle = await client();
        await idle.send(get()).readResponse();
        const slow = await client();
        slow.send("GET /");
        const trickle = setInterval(() => slow.send("x"), 20);
        expect((await slow.readResponse()).status).toBe(408);
        clearInterval(trickle);
        await until(() => idle.isEnded && slow.isEnded);
        expect(idle.received.length).toBe(0);
        expect(origin.requests.length).toBe(1);
      },
      { clientTimeouts: { headMs: 200, keepAliveMs: 300 } },
    ));

  test("that stays silent is closed without a response at the head timeout, and is recorded as no request", () =>
    wireScene(
      (_, socket) => void socket.write(ok()),
      async ({ client, stage }) => {
        const kept = await client();
        await kept.send(get()).readResponse();
        const silent = await client();
        await until(() => silent.isEnded, "the silent client to be closed");
        expect([silent.received.length, silent.isReset]).toEqual([0, false]);
        expect(stage.records).toHaveLength(1);
        expect(stage.refused).toEqual([]);
        expect((await kept.send(get()).readResponse()).status).toBe(200);
      },
      { clientTimeouts: { headMs: 200, keepAliveMs: 60_000 } },
    ));

  test("is idle after empty lines behind its request: no 408 follows, and a drain closes it", () =>
    wireScene(
      (_, socket) => void socket.write(ok()),
      async ({ client, stage }) => {
        const clients = await Promise.all(["\r\n", "\r\n\r\n\r\n", "\r"].map(async (rest) => {
          const one = await client();
          await one.send(get() + rest).readResponse();
          return one;
        })); // prettier-ignore
        for (const one of clients) one.send("\r\n".slice(one === clients[2] ? 1 : 0));
        const silent = await client();
        await until(() => silent.isEnded, "the head timeout of a client that sends nothing");
        for (const one of clients) expect((await one.send(get()).readResponse()).status).toBe(200);
        for (const one of clients) one.send("\r\n");
        const drained = stage.listener.drain();
        await until(() => clients.every(({ isClosed }) => isClosed), "the clients to be closed");
        await drained;
        expect(clients.map(({ received }) => received.length)).toEqual([0, 0, 0]);
        expect(stage.refused).toEqual([]);
      },
      { clientTimeouts: { headMs: 200, keepAliveMs: 60_000 } },
    ));

  test("gets 408 when its body stalls, and the upstream gets no end of it", () =>
    wireScene(
      (_, socket) => void socket.write(ok()),
      async ({ client, origin, stage }) => {
        const one = await client();
        one.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
        expect((await one.readResponse()).status).toBe(408);
        await until(() => origin.open() === 0);
        expect(origin.requests.length).toBe(0);
        expect(stage.ended[0]?.outcome.kind).toBe("cancelled");
      },
      { clientTimeouts: { bodyIdleMs: 200 } },
    ));

  test("gets 400 when a later piece of its body is malformed, and the upstream gets no end of it", () =>
    wireScene(
      (_, socket) => void socket.write(ok()),
      async ({ client, origin, stage }) => {
        const one = await client();
        one.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
        await until(() => origin.open() === 1);
        one.send("0\r\nContent-Length : 5\r\n\r\n");
        expect((await one.readResponse()).status).toBe(400);
        await until(() => origin.open() === 0);
        expect(origin.requests.length).toBe(0);
        expect(stage.ended[0]?.outcome.kind).toBe("cancelled");
      },
    ));

  test("that gets a response before its body arrived is closed, as the response announces", () =>
    wireScene(
      {
        respond: () => {},
        onHead: (_, socket) => (socket.write("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"), true),
      },
      async ({ client, stage }) => {
        const one = await client();
        one.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nhello");
        const response = await one.readResponse("POST");
        expect(response.status).toBe(413);
        expect(response.header("connection")).toBe("close");
        await until(() => one.isEnded);
        expect(stage.ended[0]).toMatchObject({ status: 413, outcome: { kind: "response" } });
      },
    ));

  test("gets 503 and is closed when there are too many", () =>
    wireScene(
      (_, socket) => void socket.write(ok()),
      async ({ client, origin }) => {
        const first = await client();
        await first.send(get()).readResponse();
        const second = await client();
        await second.send(get()).readResponse();
        const third = await client();
        third.send(get());
        const response = await third.readResponse();
        expect(response.status).toBe(503);
        expect(response.header("proxy-status")).toContain("too_many_clients");
        await until(() => third.isEnded);
        first.destroy();
        third.destroy();
        await until(
          async () => (await (await client()).send(get()).readResponse()).status === 200,
          "a client to be admitted",
        );
        expect((await second.send(get()).readResponse()).status).toBe(200);
        expect(origin.requests.length).toBe(4);
      },
      { listener: { maxClients: 2 } },
    ));

  test("that does not read pauses the upstream and costs little memory; one that never reads is closed", () => {
    const whole = 512 * 1024 * 1024;
    const piece = Buffer.alloc(256 * 1024, 1);
    let written = 0;
    return wireScene(
      (_, socket) => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${whole}\r\n\r\n`);
        const more = () => {
          while (written < whole && !socket.destroyed) {
            written += piece.length;
            if (!socket.write(piece)) return void socket.once("drain", more);
          }
        };
        more();
      },
      async ({ client, stage }) => {
        const before = process.memoryUsage().rss;
        const readers = await Promise.all([1, 2, 3, 4].map(() => client()));
        for (const reader of readers) {
          reader.socket.pause();
          reader.send(get());
        }
        await until(() => stage.ended.length === 4, "the clients to be closed", 10_000);
        expect(stage.ended.map(({ outcome }) => outcome.kind)).toEqual(Array(4).fill("cancelled"));
        expect(written).toBeLessThan(whole / 4);
        expect((process.memoryUsage().rss - before) / 1024 / 1024).toBeLessThan(64);
      },
      { clientTimeouts: { bodyIdleMs: 300 } },
    );
  });

  test("is closed by a drain when it is idle, and else its response announces that it closes", () => {
    let finish = () => {};
    return wireScene(
      ({ target }, socket) => {
        finish = () => void socket.write(ok());
        if (target === "/now") finish();
      },
      async ({ client, stage, origin }) => {
        const idle = await client();
        await idle.send(get("/now")).readResponse();
        const busy = await client();
        busy.send(get("/later"));
        await until(() => origin.requests.length === 2);
        const drained = stage.listener.drain();
        await until(() => idle.isEnded);
        finish();
        expect((await busy.readResponse()).header("connection")).toBe("close");
        await drained;
        expect(stage.listener.active()).toBe(0);
      },
    );
  });
});
