/** What engines must do when a request is hedged with a second attempt. */

import { expect } from "bun:test";
import type { Socket } from "node:net";

import type { Engine } from "../../src/engine/engine.ts";
import { abortAttempts, rescueWaiting } from "../../src/pool/attempt-control.ts";
import { respondWith, type Origin, startOrigin } from "../support/origin.ts";
import { sendRequest, RawClient } from "../support/raw-client.ts";
import { type EngineFixture, startEngine, type EngineFixtureOptions } from "../support/engine-fixture.ts";
import { until } from "../support/wait.ts";

/** Two upstreams that respond when the test writes. The policy picks the first one. */
interface HedgeSetup {
  readonly fixture: EngineFixture;
  readonly first: HoldingOrigin;
  readonly second: HoldingOrigin;
}

interface HoldingOrigin {
  readonly origin: Origin;
  /** Connections whose requests wait for a response. */
  readonly pending: Socket[];
}

const get = (target = "/") => `GET ${target} HTTP/1.1\r\nHost: shop.example\r\n\r\n`;

async function startHoldingOrigin(): Promise<HoldingOrigin> {
  const pending: Socket[] = [];
  return { origin: await startOrigin((_, socket) => void pending.push(socket)), pending };
}

async function withHedging(
  engine: Engine,
  run: (setup: HedgeSetup) => Promise<void>,
  options: Partial<EngineFixtureOptions> = {},
): Promise<void> {
  const [first, second] = [await startHoldingOrigin(), await startHoldingOrigin()];
  const ports = [first, second].map(({ origin }) => origin.port);
  const fixture = await startEngine(engine, {
    ports,
    policy: "first",
    hedgeAfterMs: 30,
    retries: 0,
    ...options,
  });
  try {
    await run({ fixture, first, second });
    await until(
      () => fixture.pool.upstreams.every(({ inFlight }) => inFlight === 0),
      "no attempt to be left",
    );
    expect(fixture.bugs).toEqual([]);
  } finally {
    fixture.close();
    for (const { origin } of [first, second]) await origin.close();
  }
}

const bothPending = ({ first, second }: HedgeSetup) =>
  until(() => first.pending.length === 1 && second.pending.length === 1, "two attempts to wait");

/** The outcomes of the attempts on the first and on the second upstream. */
const outcomesOf = ({ fixture, first, second }: HedgeSetup) =>
  [first, second].map(({ origin }) =>
    fixture.ended
      .filter(({ upstream }) => upstream.endsWith(`:${origin.port}`))
      .map(({ outcome }) => outcome),
  );

const superseded = { kind: "cancelled", isSuperseded: true } as const;
const responded = { kind: "response" } as const;

export const hedgeLaws: Readonly<Record<string, (engine: Engine) => Promise<void>>> = {
  "sends a second attempt when the first keeps a request waiting, and forwards the first response": (
    engine,
  ) =>
    withHedging(engine, async (setup) => {
      const { fixture, first, second } = setup;
      const client = await RawClient.connect(fixture.port);
      client.send(get("/a"));
      await bothPending(setup);
      expect(second.origin.requests[0]?.target).toBe("/a");
      const body = "b".repeat(200_000);
      second.pending[0]?.write(respondWith(body, ["Content-Type: text/plain"]));
      const nextResponse = await client.readResponse();
      expect(nextResponse.body.toString()).toBe(body);
      await until(() => first.origin.open() === 0, "the first connection to be closed");
      await until(() => fixture.ended.length === 2, "both outcomes");
      expect(outcomesOf(setup)).toEqual([[superseded], [responded]]);
      expect([fixture.retried, fixture.hedged]).toEqual([["hedged"], ["won"]]);
      // The client's connection stays usable, and the next request is independent of the last one.
      client.send(get("/b"));
      await until(() => first.pending.length === 2, "the next request");
      first.pending[1]?.write(respondWith("at once"));
      expect((await client.readResponse()).body.toString()).toBe("at once");
      client.destroy();
    }),

  "cancels the second attempt when the first one responds after all": (engine) =>
    withHedging(engine, async (setup) => {
      const { fixture, first, second } = setup;
      const response = sendRequest(fixture.port, get());
      await bothPending(setup);
      first.pending[0]?.write(respondWith("first"));
      expect((await response).body.toString()).toBe("first");
      await until(() => second.origin.open() === 0, "the second connection to be closed");
      await until(() => fixture.ended.length === 2, "both outcomes");
      expect(outcomesOf(setup)).toEqual([[responded], [superseded]]);
      expect(fixture.hedged).toEqual(["lost"]);
    }),

  "sends at most one second attempt, and none for a POST": (engine) =>
    withHedging(
      engine,
      async ({ fixture, first, second }) => {
        const postResponse = sendRequest(
          fixture.port,
          "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 1\r\n\r\nx",
        );
        await until(() => first.pending.length === 1, "the POST to wait");
        const response = sendRequest(fixture.port, get());
        await until(() => second.pending.length === 1, "the second attempt to wait");
        const since = performance.now();
        await until(() => performance.now() - since > 150, "the time for more attempts");
        expect([first.pending.length, second.pending.length]).toEqual([2, 1]);
        for (const socket of first.pending) socket.write(respondWith("done"));
        expect((await postResponse).body.toString()).toBe("done");
        expect((await response).body.toString()).toBe("done");
      },
      { retries: 1 },
    ),

  "continues with the remaining attempt when the other one fails": async (engine) => {
    for (const survivor of ["first", "second"] as const) {
      await withHedging(engine, async (setup) => {
        const { fixture, first, second } = setup;
        const response = sendRequest(fixture.port, get());
        await bothPending(setup);
        const [failed, remaining] = survivor === "first" ? [second, first] : [first, second];
        failed.pending[0]?.resetAndDestroy();
        await until(() => fixture.ended.length === 1, "the first outcome");
        remaining.pending[0]?.write(respondWith("left"));
        expect((await response).body.toString()).toBe("left");
        await until(() => fixture.ended.length === 2, "both outcomes");
        expect(fixture.ended[0]?.outcome).toMatchObject({ kind: "failure", reason: "upstream_reset" });
        expect(fixture.hedged).toEqual([survivor === "first" ? "lost" : "won"]);
      });
    }
  },

  "responds with one error when both attempts fail": (engine) =>
    withHedging(engine, async (setup) => {
      const { fixture, first, second } = setup;
      const response = sendRequest(fixture.port, get());
      await bothPending(setup);
      first.pending[0]?.resetAndDestroy();
      await until(() => fixture.ended.length === 1, "the first outcome");
      second.pending[0]?.resetAndDestroy();
      expect((await response).status).toBe(502);
      expect(fixture.refused).toEqual(["upstream_reset"]);
      expect(fixture.ended.length).toBe(2);
    }),

  "does not forward a 503 while the other attempt may still succeed": (engine) =>
    withHedging(engine, async (setup) => {
      const { fixture, first, second } = setup;
      const response = sendRequest(fixture.port, get());
      await bothPending(setup);
      second.pending[0]?.write(respondWith("busy", [], "503 Service Unavailable"));
      await until(() => fixture.ended.length === 1, "the 503 to be read");
      // Closes: a reused connection that is reset would only be replaced.
      first.pending[0]?.end(respondWith("ok", ["Connection: close"]));
      expect((await response).body.toString()).toBe("ok");
      expect(fixture.hedged).toEqual(["lost"]);
      const next = sendRequest(fixture.port, get());
      await until(
        () => first.pending.length === 2 && second.pending.length === 2,
        "two attempts to wait again",
      );
      second.pending[1]?.write(respondWith("busy", [], "503 Service Unavailable"));
      await until(() => fixture.ended.length === 3, "the second 503 to be read");
      first.pending[1]?.resetAndDestroy();
      const nextResponse = await next;
      expect([nextResponse.status, nextResponse.body.toString()]).toEqual([503, "busy"]);
    }),

  "moves neither attempt when its upstream goes down, and fails neither when its attempts are aborted": (
    engine,
  ) =>
    withHedging(engine, async (setup) => {
      const { fixture, first, second } = setup;
      const [one, other] = fixture.pool.upstreams;
      if (!one || !other) throw new Error("two upstreams are expected");
      const response = sendRequest(fixture.port, get());
      await bothPending(setup);
      rescueWaiting(one);
      await until(() => first.origin.open() === 0, "the first connection to be closed");
      expect([one.inFlight, other.inFlight]).toEqual([0, 1]);
      second.pending[0]?.write(respondWith("second"));
      expect((await response).body.toString()).toBe("second");
      const next = sendRequest(fixture.port, get());
      await until(
        () => first.pending.length === 2 && second.pending.length === 2,
        "two attempts to wait again",
      );
      expect(abortAttempts(other)).toBe(1);
      first.pending[1]?.write(respondWith("first"));
      expect((await next).body.toString()).toBe("first");
      expect(fixture.hedged).toEqual(["won", "lost"]);
    }),

  "cancels both attempts when the client disconnects, and counts no upstream failure": (engine) =>
    withHedging(engine, async (setup) => {
      const { fixture, first, second } = setup;
      const client = await RawClient.connect(fixture.port);
      client.send(get());
      await bothPending(setup);
      client.destroy();
      await until(() => first.origin.open() + second.origin.open() === 0, "both connections to be closed");
      // The origins may see the close before the engine does.
      await until(() => outcomesOf(setup).every(({ length }) => length === 1), "both attempts to end");
      expect(outcomesOf(setup)).toEqual([[{ kind: "cancelled" }], [{ kind: "cancelled" }]]);
      expect(fixture.hedged).toEqual(["lost"]);
    }),
};
