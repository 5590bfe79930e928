/** What engines must do when a bug in the balancer throws during a request: respond with 500 and leave nothing in flight. */

import { expect } from "bun:test";

import type { Engine } from "../../src/engine/engine.ts";
import type { Policy } from "../../src/pool/selection.ts";
import type { Exchange } from "../../src/proxy/exchange.ts";
import { respondWith, startSilentOrigins, type SilentOrigins } from "../support/origin.ts";
import { sendRequest, RawClient } from "../support/raw-client.ts";
import { type EngineFixture, startEngine, type EngineFixtureOptions } from "../support/engine-fixture.ts";
import { until } from "../support/wait.ts";

type Step = "next" | "retryAfter" | "responseReceived" | "hedge";

interface BugSetup extends SilentOrigins {
  readonly fixture: EngineFixture;
}

const get = "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n";
const handshake = `GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${btoa("0123456789abcdef")}\r\n\r\n`;

/** Makes one step throw once, after the exchange has done it: the engine never receives the attempt. */
function throwAfter(exchange: Exchange, step: Step, bug: { isLeft: boolean }): Exchange {
  const { [step]: original } = exchange;
  const throwing = (...args: unknown[]) => {
    const result = Reflect.apply(original, exchange, args);
    if (!bug.isLeft) return result;
    bug.isLeft = false;
    throw new Error("a bug for the test");
  };
  return Object.assign(exchange, { [step]: throwing });
}

/** Runs a test with two origins that respond when the test writes, behind an engine with a bug at one step. */
async function withBug(
  engine: Engine,
  step: Step,
  run: (setup: BugSetup) => Promise<void>,
  options: Partial<EngineFixtureOptions> = {},
): Promise<void> {
  const { origins, pending } = await startSilentOrigins(2);
  const bug = { isLeft: true };
  const buggyEngine: Engine = {
    name: engine.name,
    listen: (engineOptions) =>
      engine.listen({ ...engineOptions, exchange: () => throwAfter(engineOptions.exchange(), step, bug) }),
  };
  const ports = origins.map(({ port }) => port);
  const fixture = await startEngine(buggyEngine, { ports, policy: "first", ...options });
  try {
    await run({ fixture, origins, pending });
    const { upstreams } = fixture.pool;
    await until(() => upstreams.every(({ inFlight }) => inFlight === 0), "no attempt to be left in flight");
    expect(fixture.bugs.map(String)).toEqual(["Error: a bug for the test"]);
    pending.length = 0;
    const nextResponse = sendRequest(fixture.port, get);
    // It may be hedged.
    await until(() => pending.length >= 1, "the next request");
    pending[0]?.write(respondWith("ok"));
    expect((await nextResponse).body.toString()).toBe("ok");
    await until(() => fixture.records.length === 2, "the records of both requests");
    expect(fixture.records.map(({ status }) => status)).toEqual([500, 200]);
  } finally {
    fixture.close();
    for (const origin of origins) await origin.close();
  }
}

const isBlamed = ({ fixture }: BugSetup) => fixture.ended.some(({ outcome }) => outcome.kind === "failure");

/** A policy that throws on its first pick; later picks return the first upstream. */
function throwingOnce(): Policy {
  let isLeft = true;
  return {
    pick(available) {
      const [first] = available;
      if (!isLeft && first) return first;
      isLeft = false;
      throw new Error("a bug for the test");
    },
  };
}

export const bugLaws: Readonly<Record<string, (engine: Engine) => Promise<void>>> = {
  "responds with 500 to a bug before an attempt is sent, and counts no upstream failure": (engine) =>
    withBug(engine, "next", async (setup) => {
      expect((await sendRequest(setup.fixture.port, get)).status).toBe(500);
      expect(isBlamed(setup)).toBe(false);
      expect(setup.pending).toEqual([]);
    }),

  "responds with 500 to a bug between two attempts, and counts a failure only for the failed attempt": (
    engine,
  ) =>
    withBug(engine, "retryAfter", async ({ fixture, pending }) => {
      const response = sendRequest(fixture.port, get);
      await until(() => pending.length === 1, "the first attempt");
      pending[0]?.destroy();
      expect((await response).status).toBe(500);
      expect(fixture.ended.map(({ outcome }) => outcome.kind)).toEqual(["failure", "cancelled"]);
    }),

  "responds with 500 to a bug while a response is discarded for a retry": (engine) =>
    withBug(
      engine,
      "responseReceived",
      async (setup) => {
        const response = sendRequest(setup.fixture.port, get);
        await until(() => setup.pending.length === 1, "the first attempt");
        setup.pending[0]?.write(respondWith("busy", [], "503 Busy"));
        expect((await response).status).toBe(500);
        expect(isBlamed(setup)).toBe(false);
      },
      { destination: { retryStatuses: new Set([503]) } },
    ),

  "responds with 500 to a bug while two attempts are in flight, and cancels both": (engine) =>
    withBug(
      engine,
      "responseReceived",
      async (setup) => {
        const { fixture, pending, origins } = setup;
        const response = sendRequest(fixture.port, get);
        await until(() => pending.length === 2, "both attempts");
        pending[0]?.write(respondWith("bad", [], "502 Bad"));
        expect((await response).status).toBe(500);
        expect(fixture.ended.every(({ outcome }) => outcome.kind !== "failure")).toBe(true);
        const isDropped = () => origins.some((origin) => origin.open() === 0);
        await until(isDropped, "the connection of the cancelled attempt to close");
      },
      { hedgeAfterMs: 20 },
    ),

  "responds with 500 to a WebSocket handshake that hits a bug": (engine) =>
    withBug(engine, "next", async (setup) => {
      const client = await RawClient.connect(setup.fixture.port);
      expect((await client.send(handshake).readResponse()).status).toBe(500);
      client.destroy();
      expect(isBlamed(setup)).toBe(false);
    }),

  "responds with 500 to a bug when a request leaves the queue, and serves the requests behind it": async (
    engine,
  ) => {
    const { origins, pending } = await startSilentOrigins(1);
    const queue = { maxWaiting: 9, timeoutMs: 60_000, whenNoneFit: false, maxInFlight: 1 };
    const fixture = await startEngine(engine, { ports: origins.map(({ port }) => port), queue });
    try {
      const first = sendRequest(fixture.port, get);
      await until(() => pending.length === 1, "the first request");
      const unlucky = sendRequest(fixture.port, get);
      await until(() => fixture.queued() === 1, "the second to wait");
      const behind = sendRequest(fixture.port, get);
      await until(() => fixture.queued() === 2, "the third to wait");
      fixture.pool.setPolicy(throwingOnce());
      pending[0]?.write(respondWith("first"));
      expect((await first).body.toString()).toBe("first");
      expect((await unlucky).status).toBe(500);
      await until(() => pending.length === 2, "the request behind it to be sent");
      pending[1]?.write(respondWith("behind"));
      expect((await behind).body.toString()).toBe("behind");
      expect(fixture.bugs.map(String)).toEqual(["Error: a bug for the test"]);
      await until(() => fixture.records.length === 3, "the records of all requests");
      // The slot is free before the record of the first request is written.
      expect(fixture.records.map(({ status }) => status).toSorted()).toEqual([200, 200, 500]);
      expect(fixture.pool.upstreams.map(({ inFlight }) => inFlight)).toEqual([0]);
    } finally {
      fixture.close();
      for (const origin of origins) await origin.close();
    }
  },
};
