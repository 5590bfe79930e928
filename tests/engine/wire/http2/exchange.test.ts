/** What the engine does for HTTP/1.1 it does for streams too: retries, hedges, rescues, faults, aborts, streams of events. */

import { describe, expect, test } from "bun:test";
import type { Socket } from "node:net";

import { wireEngine } from "../../../../src/engine/wire/bun.ts";
import { FaultInjection } from "../../../../src/fault/fault.ts";
import { systemClock } from "../../../../src/lib/clock.ts";
import { seededRandom } from "../../../../src/lib/random.ts";
import { abortAttempts, rescueWaiting } from "../../../../src/pool/attempt-control.ts";
import {
  type EngineFixture,
  type EngineFixtureOptions,
  startEngine,
} from "../../../support/engine-fixture.ts";
import { Http2Client, requestFields } from "../../../support/http2-client.ts";
import { type Origin, type OriginOptions, respondWith, startOrigin } from "../../../support/origin.ts";
import { until } from "../../../support/wait.ts";
import { withHttp2Scene } from "./scene.ts";

interface Pair {
  readonly fixture: EngineFixture;
  readonly client: Http2Client;
  readonly first: Origin;
  readonly second: Origin;
}

/** Two upstreams, of which the policy picks the first one. */
async function withPair(
  scripts: readonly [OriginOptions["respond"], OriginOptions["respond"]],
  run: (pair: Pair) => Promise<void>,
  options: Partial<EngineFixtureOptions> = {},
): Promise<void> {
  const [first, second] = [await startOrigin(scripts[0]), await startOrigin(scripts[1])];
  const ports = [first.port, second.port];
  const listener = { http2: true };
  const fixture = await startEngine(wireEngine, { ports, policy: "first", listener, ...options });
  const client = await Http2Client.connect(fixture.port);
  try {
    await run({ fixture, client, first, second });
    await until(() => fixture.listener.active() === 0, "no request to be left");
    await until(
      () => fixture.pool.upstreams.every(({ inFlight }) => inFlight === 0),
      "no attempt to be left",
    );
    expect(fixture.bugs).toEqual([]);
  } finally {
    client.destroy();
    fixture.close();
    await first.close();
    await second.close();
  }
}

const reset = (_: unknown, socket: Socket) => void socket.resetAndDestroy();
const hold = () => {};
const fine: OriginOptions["respond"] = ({ body }, socket) =>
  void socket.write(respondWith(`fine ${body.toString()}`));

describe("a stream", () => {
  test("is retried on another upstream, with its body", () =>
    withPair([reset, fine], async ({ client, fixture }) => {
      for (let id = 1; id < 40; id += 4) {
        client.get(id);
        client
          .headers(id + 2, requestFields("PUT", "/"), false)
          .data(id + 2, "bo")
          .data(id + 2, "dy", true);
        await Promise.all([client.whole(id), client.whole(id + 2)]);
        expect([client.stream(id).body.toString(), client.stream(id + 2).body.toString()]).toEqual([
          "fine ",
          "fine body",
        ]);
      }
      expect(fixture.retried.length).toBeGreaterThan(0);
    }));

  test("gets 502 when no upstream responds", () =>
    withPair([reset, reset], async ({ client }) => {
      await client.get(1).whole(1);
      expect(client.status(1)).toBe(502);
    }));

  test("is hedged, and the first response counts", () =>
    withPair(
      [hold, fine],
      async ({ client, fixture }) => {
        expect((await client.get(1).whole(1)).body.toString()).toBe("fine ");
        expect(fixture.hedged.length).toBe(1);
      },
      { hedgeAfterMs: 30 },
    ));

  test("is rescued when its upstream goes down", () =>
    withPair([hold, fine], async ({ client, fixture, first }) => {
      client.get(1);
      await until(() => first.requests.length === 1, "the request");
      const [down] = fixture.pool.upstreams;
      if (!down) throw new Error("Cannot test: no upstream");
      fixture.pool.recordProbe(down, false);
      rescueWaiting(down);
      expect((await client.whole(1)).body.toString()).toBe("fine ");
    }));

  test("is reset when an operator aborts it in its body, and gets a status before", () =>
    withPair(
      [
        ({ target }, socket) =>
          void (target === "/body" && socket.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")),
        fine,
      ],
      async ({ client, fixture, first }) => {
        client
          .headers(1, requestFields("POST", "/head"), true)
          .headers(3, requestFields("POST", "/body"), true);
        await until(() => first.requests.length === 2 && client.stream(3).bodyBytes === 3, "the requests");
        const [upstream] = fixture.pool.upstreams;
        if (!upstream) throw new Error("Cannot test: no upstream");
        expect(abortAttempts(upstream)).toBe(2);
        await Promise.all([client.whole(1), client.whole(3)]);
        expect([client.status(1), client.stream(3).resetCode, client.stream(3).hasEnded]).toEqual([
          502,
          2,
          false,
        ]);
      },
    ));

  test("meets injected faults", () =>
    withPair([fine, fine], async ({ client, fixture }) => {
      for (const upstream of fixture.pool.upstreams)
        fixture.faults.set(
          upstream,
          new FaultInjection(
            {
              latencyMs: 20,
              errorShare: 1,
              error: "connect_refused",
              probes: false,
              until: systemClock() + 60_000,
              by: "ann",
              why: "",
            },
            seededRandom(1),
          ),
        );
      await client.get(1).whole(1);
      expect([client.status(1), client.header(1, "content-type")]).toEqual([
        502,
        "text/plain; charset=utf-8",
      ]);
    }));

  test("waits in the queue for a slot, and leaves it when it is reset", () => {
    const pending: Socket[] = [];
    return withPair(
      [(_, socket) => void pending.push(socket), (_, socket) => void pending.push(socket)],
      async ({ client, fixture }) => {
        for (const id of [1, 3, 5, 7]) client.get(id);
        await until(() => pending.length === 2 && fixture.queued() === 2, "two to wait");
        client.reset(5);
        await until(() => fixture.queued() === 1, "one to have left");
        for (const socket of pending.splice(0)) socket.write(respondWith("fine"));
        await until(() => pending.length === 1, "the last one");
        pending[0]?.write(respondWith("last"));
        expect((await client.whole(7)).body.toString()).toBe("last");
      },
      { queue: { maxWaiting: 10, timeoutMs: 5_000, whenNoneFit: true, maxInFlight: 1 } },
    );
  });

  test("is told to send its body by 100 Continue", () =>
    withHttp2Scene(
      {
        respond: fine,
        onHead: ({ header }, socket) => {
          if (header("expect") === "100-continue") socket.write("HTTP/1.1 100 Continue\r\n\r\n");
          return false;
        },
      },
      async ({ client }) => {
        const uploader = await client();
        uploader.headers(
          1,
          [...requestFields("POST", "/"), ["expect", "100-continue"], ["content-length", "4"]],
          false,
        );
        await until(() => uploader.status(1) === 100, "the interim response");
        expect((await uploader.data(1, "body", true).whole(1)).body.toString()).toBe("fine body");
        expect(uploader.stream(1).blocks.map(([status]) => status?.[1])).toEqual(["100", "200"]);
      },
    ));

  test("gets a response before its request has ended, both ways at the same time, with trailers", () =>
    withHttp2Scene(
      {
        respond: hold,
        onHead: (_, socket) => {
          socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n");
          socket.on("data", (bytes: Buffer) => {
            const text = bytes.toString("latin1");
            for (const [, data] of text.matchAll(/[0-9a-f]+\r\n([a-z]+)\r\n/g))
              socket.write(`${(data ?? "").length.toString(16)}\r\n${data}\r\n`);
            if (text.includes("0\r\n")) socket.write("0\r\nX-Sum: 42\r\n\r\n");
          });
          return true;
        },
      },
      async ({ client }) => {
        const talker = await client();
        talker.headers(1, requestFields("POST", "/"), false);
        await until(() => talker.status(1) === 200, "the head");
        for (const word of ["one", "two", "three"]) {
          const before = talker.stream(1).bodyBytes;
          talker.data(1, word);
          await until(() => talker.stream(1).bodyBytes === before + word.length, "the echo");
        }
        const stream = await talker.headers(1, [["x-trailer", "1"]]).whole(1);
        expect([stream.body.toString(), stream.blocks.at(-1)]).toEqual(["onetwothree", [["x-sum", "42"]]]);
        expect(stream.resetCode).toBe(-1);
      },
    ));

  test("gets events when they happen, one by one", () => {
    let events: Socket | undefined;
    return withHttp2Scene(
      (_, socket) => {
        events = socket;
        socket.write(
          "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
      },
      async ({ client, fixture }) => {
        const reader = await client();
        reader.get(1);
        await until(() => reader.status(1) === 200, "the head");
        for (let i = 1; i <= 5; i++) {
          events?.write("9\r\ndata: 1\n\n\r\n");
          await until(() => reader.stream(1).bodyBytes === 9 * i, "the event");
        }
        reader.reset(1);
        await until(() => fixture.listener.active() === 0, "the stream to end");
      },
    );
  });

  test("without a length ends with its upstream's connection, and a cut one is reset", () =>
    withHttp2Scene(
      ({ target }, socket) => {
        socket.write("HTTP/1.1 200 OK\r\n\r\nabc");
        setTimeout(() => (target === "/cut" ? socket.resetAndDestroy() : socket.end()), 30);
      },
      async ({ client }) => {
        const reader = await client();
        const [ended, cut] = await Promise.all([
          reader.get(1, "/end").whole(1),
          reader.get(3, "/cut").whole(3),
        ]);
        expect([ended.body.toString(), ended.hasEnded, ended.resetCode]).toEqual(["abc", true, -1]);
        expect([cut.hasEnded, cut.resetCode]).toEqual([false, 2]);
      },
    ));
});
