/** What engines must do with a second attempt beside a first one: laws like the others, apart because they need a cast of their own. */

import { expect } from "bun:test";
import type { Socket } from "node:net";

import type { Engine } from "../../src/engine/engine.ts";
import { abortAttempts } from "../../src/pool/attempt-control.ts";
import { rescueWaiting } from "../../src/pool/attempt-control.ts";
import { respondWith, type Origin, startOrigin } from "../support/origin.ts";
import { sendRequest, RawClient } from "../support/raw-client.ts";
import { type EngineFixture, startEngine, type EngineFixtureOptions } from "../support/engine-fixture.ts";
import { until } from "../support/wait.ts";

/** Two upstreams that answer when told. The policy sends everything to the first one. */
interface HedgeSetup {
  readonly fixture: EngineFixture;
  readonly first: HoldingOrigin;
  readonly second: HoldingOrigin;
}

interface HoldingOrigin {
  readonly origin: Origin;
  /** Connections whose requests wait for an answer. */
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
    await until(() => fixture.pool.upstreams.every(({ inFlight }) => inFlight === 0), "nothing to be left");
    expect(fixture.bugs).toEqual([]);
  } finally {
    fixture.close();
    for (const { origin } of [first, second]) await origin.close();
  }
}

const bothPending = ({ first, second }: HedgeSetup) =>
  until(() => first.pending.length === 1 && second.pending.length === 1, "two attempts to wait");

/** Ids stand for the upstreams, in their order. */
const outcomesOf = ({ fixture, first, second }: HedgeSetup) =>
  [first, second].map(({ origin }) =>
    fixture.ended
      .filter(({ upstream }) => upstream.endsWith(`:${origin.port}`))
      .map(({ outcome }) => outcome),
  );

const superseded = { kind: "cancelled", isSuperseded: true } as const;
const responded = { kind: "response" } as const;

export const hedgeLaws: Readonly<Record<string, (engine: Engine) => Promise<void>>> = {
  "asks a second upstream when the first keeps a request waiting, and passes on what comes first": (engine) =>
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
      await until(() => first.origin.open() === 0, "the first connection to be dropped");
      await until(() => fixture.ended.length === 2, "both ends");
      expect(outcomesOf(setup)).toEqual([[superseded], [responded]]);
      expect([fixture.retried, fixture.hedged]).toEqual([["hedged"], ["won"]]);
      // The client's connection is as good as ever, and the next request has nothing to do with the last one.
      client.send(get("/b"));
      await until(() => first.pending.length === 2, "the next request");
      first.pending[1]?.write(respondWith("at once"));
      expect((await client.readResponse()).body.toString()).toBe("at once");
      client.destroy();
    }),

  "drops the second attempt when the first one is answered after all": (engine) =>
    withHedging(engine, async (setup) => {
      const { fixture, first, second } = setup;
      const asked = sendRequest(fixture.port, get());
      await bothPending(setup);
      first.pending[0]?.write(respondWith("first"));
      expect((await asked).body.toString()).toBe("first");
      await until(() => second.origin.open() === 0, "the second connection to be dropped");
      await until(() => fixture.ended.length === 2, "both ends");
      expect(outcomesOf(setup)).toEqual([[responded], [superseded]]);
      expect(fixture.hedged).toEqual(["lost"]);
    }),

  "makes one second attempt and no more, and none for a POST": (engine) =>
    withHedging(
      engine,
      async ({ fixture, first, second }) => {
        const posted = sendRequest(
          fixture.port,
          "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 1\r\n\r\nx",
        );
        await until(() => first.pending.length === 1, "the POST to wait");
        const asked = sendRequest(fixture.port, get());
        await until(() => second.pending.length === 1, "the second attempt to wait");
        const since = performance.now();
        await until(() => performance.now() - since > 150, "time for more of them");
        expect([first.pending.length, second.pending.length]).toEqual([2, 1]);
        for (const socket of first.pending) socket.write(respondWith("done"));
        expect((await posted).body.toString()).toBe("done");
        expect((await asked).body.toString()).toBe("done");
      },
      { retries: 1 },
    ),

  "goes on with the attempt that is left when the other one fails": async (engine) => {
    for (const survivor of ["first", "second"] as const) {
      await withHedging(engine, async (setup) => {
        const { fixture, first, second } = setup;
        const asked = sendRequest(fixture.port, get());
        await bothPending(setup);
        const [failed, remaining] = survivor === "first" ? [second, first] : [first, second];
        failed.pending[0]?.resetAndDestroy();
        await until(() => fixture.ended.length === 1, "the first end");
        remaining.pending[0]?.write(respondWith("left"));
        expect((await asked).body.toString()).toBe("left");
        await until(() => fixture.ended.length === 2, "both ends");
        expect(fixture.ended[0]?.outcome).toMatchObject({ kind: "failure", reason: "upstream_reset" });
        expect(fixture.hedged).toEqual([survivor === "first" ? "lost" : "won"]);
      });
    }
  },

  "answers with an error when both attempts fail, once": (engine) =>
    withHedging(engine, async (setup) => {
      const { fixture, first, second } = setup;
      const asked = sendRequest(fixture.port, get());
      await bothPending(setup);
      first.pending[0]?.resetAndDestroy();
      await until(() => fixture.ended.length === 1, "the first end");
      second.pending[0]?.resetAndDestroy();
      expect((await asked).status).toBe(502);
      expect(fixture.refused).toEqual(["upstream_reset"]);
      expect(fixture.ended.length).toBe(2);
    }),

  "lets no answer of 503 win while the other attempt may be answered better": (engine) =>
    withHedging(engine, async (setup) => {
      const { fixture, first, second } = setup;
      const asked = sendRequest(fixture.port, get());
      await bothPending(setup);
      second.pending[0]?.write(respondWith("busy", [], "503 Service Unavailable"));
      await until(() => fixture.ended.length === 1, "the bad answer to be read");
      // A kept connection that is reset would only be replaced.
      first.pending[0]?.end(respondWith("well", ["Connection: close"]));
      expect((await asked).body.toString()).toBe("well");
      expect(fixture.hedged).toEqual(["lost"]);
      const next = sendRequest(fixture.port, get());
      await until(
        () => first.pending.length === 2 && second.pending.length === 2,
        "two attempts to wait again",
      );
      second.pending[1]?.write(respondWith("busy", [], "503 Service Unavailable"));
      await until(() => fixture.ended.length === 3, "the bad answer to be read again");
      first.pending[1]?.resetAndDestroy();
      const nextResponse = await next;
      expect([nextResponse.status, nextResponse.body.toString()]).toEqual([503, "busy"]);
    }),

  "moves neither attempt anywhere else when its upstream is found down, and fails neither when it is cut": (
    engine,
  ) =>
    withHedging(engine, async (setup) => {
      const { fixture, first, second } = setup;
      const [one, other] = fixture.pool.upstreams;
      if (!one || !other) throw new Error("there are two");
      const asked = sendRequest(fixture.port, get());
      await bothPending(setup);
      rescueWaiting(one);
      await until(() => first.origin.open() === 0, "the first connection to be dropped");
      expect([one.inFlight, other.inFlight]).toEqual([0, 1]);
      second.pending[0]?.write(respondWith("second"));
      expect((await asked).body.toString()).toBe("second");
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

  "ends both attempts, and blames nobody, when the client leaves": (engine) =>
    withHedging(engine, async (setup) => {
      const { fixture, first, second } = setup;
      const client = await RawClient.connect(fixture.port);
      client.send(get());
      await bothPending(setup);
      client.destroy();
      await until(() => first.origin.open() + second.origin.open() === 0, "both connections to be dropped");
      // The origins may see that before the engine has been told of it.
      await until(() => outcomesOf(setup).every(({ length }) => length === 1), "both attempts to end");
      expect(outcomesOf(setup)).toEqual([[{ kind: "cancelled" }], [{ kind: "cancelled" }]]);
      expect(fixture.hedged).toEqual(["lost"]);
    }),
};
