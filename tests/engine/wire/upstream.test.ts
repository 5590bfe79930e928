import { describe, expect, test } from "bun:test";
import type { Socket } from "node:net";

import { respondWith, startOrigin } from "../../support/origin.ts";
import { startEngine } from "../../support/engine-fixture.ts";
import { sendRequest, RawClient } from "../../support/raw-client.ts";
import { wireEngine } from "../../../src/engine/wire/bun.ts";
import { wireEngineOver } from "../../../src/engine/wire/listener.ts";
import { nodeSockets } from "../../../src/engine/wire/node.ts";
import type { ConnectHandler, Sockets, WireSocket } from "../../../src/engine/wire/sockets.ts";
import { until } from "../../support/wait.ts";
import { get, post, wireScene } from "./fixture.ts";

const ok = () => respondWith("ok");

describe("an upstream's connection", () => {
  test("that was closed while idle causes no error", () => {
    const sockets: Socket[] = [];
    return wireScene(
      { respond: (_, socket) => void socket.write(ok()), onConnect: (socket) => void sockets.push(socket) },
      async ({ client, stage, origin }) => {
        const one = await client();
        for (let i = 0; i < 5; i++) {
          expect((await one.send(i % 2 ? post("x") : get()).readResponse()).status).toBe(200);
          sockets.at(-1)?.destroy();
          await until(() => origin.open() === 0);
        }
        expect(origin.connections()).toBe(5);
        expect(stage.retried).toEqual([]);
        expect(stage.ended.every(({ outcome }) => outcome.kind === "response")).toBe(true);
      },
    );
  });

  test("that closes as the next request arrives causes no error if it is idempotent, and no POST is sent twice", () => {
    const responded = new Set<number>();
    let received = 0;
    return wireScene(
      ({ connection }, socket) => {
        received += 1;
        if (responded.has(connection)) return void socket.destroy();
        responded.add(connection);
        socket.write(ok());
      },
      async ({ client, stage }) => {
        const one = await client();
        for (let i = 0; i < 4; i++) expect((await one.send(get()).readResponse()).status).toBe(200);
        expect(received).toBe(7);
        expect(stage.retried).toEqual([]);
        expect((await one.send(post("x")).readResponse()).status).toBe(502);
        expect(received).toBe(8);
      },
    );
  });

  test("with bytes after a response is never reused", () =>
    wireScene(
      (_, socket) =>
        void socket.write(
          Buffer.concat([ok(), Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")]),
        ),
      async ({ client, origin }) => {
        const one = await client();
        for (let i = 1; i <= 3; i++) {
          expect((await one.send(get()).readResponse()).body.toString()).toBe("ok");
          expect(origin.connections()).toBe(i);
        }
      },
    ));

  test("that sends bytes while idle is closed", () =>
    wireScene(
      (_, socket) => void socket.write(ok(), () => setTimeout(() => socket.write("HTTP/1.1 200 OK\r\n"), 20)),
      async ({ client, origin }) => {
        const one = await client();
        await one.send(get()).readResponse();
        await until(() => origin.open() === 0);
        expect((await one.send(get()).readResponse()).body.toString()).toBe("ok");
      },
    ));

  test("is closed before the time that Keep-Alive announced", () =>
    wireScene(
      (_, socket) => void socket.write(respondWith("ok", ["Keep-Alive: timeout=1"])),
      async ({ client, origin }) => {
        const one = await client();
        for (let i = 1; i <= 3; i++) {
          await one.send(get()).readResponse();
          expect(origin.connections()).toBe(i);
        }
      },
    ));

  test("that is too old is closed between two requests, however busy it is, and causes no error", () =>
    wireScene(
      (_, socket) => void socket.write(ok()),
      async ({ client, origin, stage }) => {
        const one = await client();
        await until(async () => {
          expect((await one.send(get()).readResponse()).status).toBe(200);
          return origin.connections() === 4;
        }, "the third connection to be too old");
        expect(origin.requests.length).toBeGreaterThan(12);
        expect(stage.retried).toEqual([]);
        expect(stage.ended.every(({ outcome }) => outcome.kind === "response")).toBe(true);
      },
      { timeouts: { connectionAgeMs: 150 } },
    ));

  test("that becomes too old during a response finishes it and is closed then; an idle one is closed at once", () => {
    let finish = () => {};
    return wireScene(
      ({ target }, socket) => {
        if (target !== "/long") return void socket.write(ok());
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nold ");
        finish = () => void socket.write("is");
      },
      async ({ client, origin, stage }) => {
        const long = await client();
        long.send(get("/long"));
        await until(() => origin.requests.length === 1);
        expect((await (await client()).send(get()).readResponse()).status).toBe(200);
        await until(() => origin.open() === 1, "the idle connection to be closed");
        finish();
        expect((await long.readResponse()).body.toString()).toBe("old is");
        await until(() => origin.open() === 0, "the busy connection to be closed after its response");
        expect(stage.ended.map(({ outcome }) => outcome.kind)).toEqual(["response", "response"]);
      },
      { timeouts: { connectionAgeMs: 200 } },
    );
  });

  test("that does not open in time is abandoned and closed when it opens late; the number of such connects is limited", async () => {
    const waiting: ConnectHandler[] = [];
    let terminated = 0;
    const hanging: Sockets = { ...nodeSockets, connect: (_, _host, handler) => void waiting.push(handler) };
    const set = await startEngine(wireEngineOver(hanging), {
      ports: [9],
      timeouts: { connectMs: 100 },
      retries: 0,
    });
    const expectation = await Promise.all(Array.from({ length: 8 }, () => sendRequest(set.port, get())));
    for (const response of expectation) {
      expect(response.status).toBe(504);
      expect(response.body.toString()).toContain("connect_timeout");
    }
    expect(waiting.length).toBe(8);
    expect((await sendRequest(set.port, get())).status).toBe(504);
    expect(waiting.length).toBe(8);
    const late: WireSocket = {
      write: () => -1,
      pause() {},
      resume() {},
      shutdown() {},
      end() {},
      terminate: () => void (terminated += 1),
    };
    for (const handler of waiting.slice(0, 2)) {
      handler.opened(late);
      handler.closed(undefined);
    }
    waiting[2]?.refused("ETIMEDOUT");
    expect(terminated).toBeGreaterThanOrEqual(2);
    await Promise.all([
      sendRequest(set.port, get()),
      sendRequest(set.port, get()),
      sendRequest(set.port, get()),
    ]);
    expect(waiting.length).toBe(11);
    expect(set.pool.upstreams[0]?.inFlight).toBe(0);
    expect(set.ended.every(({ outcome }) => outcome.kind === "failure" && outcome.phase === "connect")).toBe(
      true,
    );
    set.close();
  });

  test("whose body stalls resets the client", () =>
    wireScene(
      (_, socket) => void socket.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"),
      async ({ client, stage, origin }) => {
        const one = await client();
        one.send(get());
        await until(() => one.isClosed);
        expect(one.isReset).toBe(true);
        expect(stage.ended[0]?.outcome).toMatchObject({ phase: "body", reason: "body_timeout" });
        await until(() => origin.open() === 0);
      },
      { timeouts: { bodyIdleMs: 200 } },
    ));

  test("whose chunks are malformed resets the client", () =>
    wireScene(
      (_, socket) =>
        void socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", () =>
          setTimeout(() => socket.write("xyz"), 20),
        ),
      async ({ client, stage }) => {
        const one = await client();
        one.send(get());
        await until(() => one.isClosed);
        expect(one.isReset).toBe(true);
        expect(stage.ended[0]?.outcome).toMatchObject({ phase: "body", reason: "answer_refused" });
      },
    ));

  test("that resets within a response without length does not complete it", () =>
    wireScene(
      (_, socket) =>
        void socket.write("HTTP/1.1 200 OK\r\n\r\nhello", () =>
          setTimeout(() => socket.resetAndDestroy(), 20),
        ),
      async ({ client, stage }) => {
        const one = await client();
        one.send(get());
        await until(() => one.isClosed);
        expect(one.isReset).toBe(true);
        expect(stage.ended[0]?.outcome).toMatchObject({ phase: "body", reason: "body_truncated" });
      },
    ));

  test("gets a body of up to 64 KiB again after a failure, but no larger one", async () => {
    const bad = await startOrigin((_, socket) => void socket.resetAndDestroy());
    const good = await startOrigin(({ body }, socket) => void socket.write(respondWith(`${body.length}`)));
    const set = await startEngine(wireEngine, { ports: [bad.port, good.port] });
    const put = (length: number) =>
      `PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n${"x".repeat(length)}`;
    const statuses: number[] = [];
    for (const length of [60_000, 60_000, 1_000_000, 1_000_000]) {
      const client = await RawClient.connect(set.port);
      const response = await client.send(put(length)).readResponse();
      statuses.push(response.status);
      if (response.status === 200) expect(response.body.toString()).toBe(String(length));
      client.destroy();
    }
    expect(statuses.slice(0, 2)).toEqual([200, 200]);
    expect(statuses.slice(2).sort()).toEqual([200, 502]);
    set.close();
    await Promise.all([bad.close(), good.close()]);
  });

  test("passes interim responses on before the body was sent", () =>
    wireScene(
      {
        respond: ({ body }, socket) => void socket.write(respondWith(body)),
        onHead: (_, socket) => (socket.write("HTTP/1.1 100 Continue\r\n\r\n"), false),
      },
      async ({ client }) => {
        const one = await client();
        one.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
        expect((await one.readResponse()).status).toBe(100);
        expect((await one.send("hello").readResponse()).body.toString()).toBe("hello");
      },
    ));
});

describe("a tunnel", () => {
  const upgrade = "Connection: Upgrade\r\nUpgrade: echo\r\n";
  const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";

  test("passes bytes both ways from the first one on, and the end of each direction", () => {
    let ended = false;
    return wireScene(
      {
        respond: () => {},
        onHead(_, socket) {
          socket.write(`${switching}hi `);
          socket.on("data", (chunk) => socket.write(chunk));
          socket.on("end", () => (ended = true));
          return true;
        },
      },
      async ({ client, stage }) => {
        const one = await client();
        one.send(`${get("/", upgrade)}early `);
        expect((await one.readResponse()).status).toBe(101);
        one.send("late");
        await until(() => one.received.toString() === "hi early late", "the echo");
        expect(stage.listener.active()).toBe(1);
        one.socket.end();
        await until(() => ended && one.isEnded);
        await until(() => stage.ended.length === 1 && stage.listener.active() === 0);
        expect(stage.ended[0]).toMatchObject({ status: 101, outcome: { kind: "response" } });
      },
    );
  });

  test("keeps the client's direction open when the upstream has finished", () => {
    let got = "";
    return wireScene(
      {
        respond: () => {},
        onHead(_, socket) {
          socket.removeAllListeners("end");
          socket.on("data", (chunk) => (got += chunk.toString()));
          socket.write(switching);
          socket.end("bye");
          return true;
        },
      },
      async ({ client, stage }) => {
        const one = await client();
        one.socket.allowHalfOpen = true;
        one.send(get("/", upgrade));
        await until(() => one.isEnded);
        one.send("after");
        await until(() => got === "after", "the other half");
        one.socket.end();
        await until(() => stage.ended.length === 1);
      },
    );
  });

  test("ends when it is idle", () =>
    wireScene(
      { respond: () => {}, onHead: (_, socket) => (socket.write(switching), true) },
      async ({ client, stage, origin }) => {
        const one = await client();
        one.send(get("/", upgrade));
        await until(() => one.isEnded);
        await until(() => origin.open() === 0);
        expect(stage.ended[0]?.outcome.kind).toBe("response");
      },
      { timeouts: { tunnelIdleMs: 200 } },
    ));

  test("counts as active in a drain until it ends", () =>
    wireScene(
      { respond: () => {}, onHead: (_, socket) => (socket.write(switching), true) },
      async ({ client, stage }) => {
        const one = await client();
        await one.send(get("/", upgrade)).readResponse();
        let isDrained = false;
        const drained = stage.listener.drain().then(() => (isDrained = true));
        await until(() =>
          RawClient.connect(stage.port).then(
            (late) => (late.destroy(), false),
            () => true,
          ),
        );
        expect(isDrained).toBe(false);
        one.destroy();
        await drained;
      },
    ));

  test("does not start if the upstream declines: the next request is read as a request", () =>
    wireScene(
      ({ target }, socket) => void socket.write(respondWith(target)),
      async ({ client }) => {
        const one = await client();
        one.send(get("/1", upgrade) + get("/2"));
        expect((await one.readResponse()).body.toString()).toBe("/1");
        expect((await one.readResponse()).body.toString()).toBe("/2");
      },
    ));
});
