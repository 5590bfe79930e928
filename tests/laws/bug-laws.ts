/** What engines must do when a bug of ours throws in the middle of a request: 500, and nothing stays in flight. */

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

/** Throws once, after the exchange has done what it was asked to: whoever asked never hears of the attempt. */
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

/** Two origins that answer with what they are told, once they are told, behind an engine that has a bug at one step. */
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
    await until(() => upstreams.every(({ inFlight }) => inFlight === 0), "nothing to be left in flight");
    expect(fixture.bugs.map(String)).toEqual(["Error: a bug for the test"]);
    pending.length = 0;
    const nextResponse = sendRequest(fixture.port, get);
    await until(() => pending.length === 1, "the next request");
    pending[0]?.write(respondWith("well"));
    expect((await nextResponse).body.toString()).toBe("well");
    await until(() => fixture.records.length === 2, "the records of both");
    expect(fixture.records.map(({ status }) => status)).toEqual([500, 200]);
  } finally {
    fixture.close();
    for (const origin of origins) await origin.close();
  }
}

const isBlamed = ({ fixture }: BugSetup) => fixture.ended.some(({ outcome }) => outcome.kind === "failure");

/** Throws when it is first asked; then it always names the first. */
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
  "answers 500 to a bug before an attempt is sent, and blames no upstream": (engine) =>
    withBug(engine, "next", async (setup) => {
      expect((await sendRequest(setup.fixture.port, get)).status).toBe(500);
      expect(isBlamed(setup)).toBe(false);
      expect(setup.pending).toEqual([]);
    }),

  "answers 500 to a bug between two attempts, and blames only the one that failed": (engine) =>
    withBug(engine, "retryAfter", async ({ fixture, pending }) => {
      const response = sendRequest(fixture.port, get);
      await until(() => pending.length === 1, "the first attempt");
      pending[0]?.destroy();
      expect((await response).status).toBe(500);
      expect(fixture.ended.map(({ outcome }) => outcome.kind)).toEqual(["failure", "cancelled"]);
    }),

  "answers 500 to a bug in the middle of an answer that is tried elsewhere": (engine) =>
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

  "answers 500 to a bug while two attempts are under way, and drops both": (engine) =>
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
        await until(isDropped, "the connection that nobody waits for");
      },
      { hedgeAfterMs: 20 },
    ),

  "answers 500 to a WebSocket handshake that meets a bug": (engine) =>
    withBug(engine, "next", async (setup) => {
      const client = await RawClient.connect(setup.fixture.port);
      expect((await client.send(handshake).readResponse()).status).toBe(500);
      client.destroy();
      expect(isBlamed(setup)).toBe(false);
    }),

  "answers 500 to a bug as a request's turn in the queue comes, and serves those behind it": async (
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
      await until(() => pending.length === 2, "the turn of the one behind");
      pending[1]?.write(respondWith("behind"));
      expect((await behind).body.toString()).toBe("behind");
      expect(fixture.bugs.map(String)).toEqual(["Error: a bug for the test"]);
      await until(() => fixture.records.length === 3, "the records of all");
      expect(fixture.records.map(({ status }) => status)).toEqual([200, 500, 200]);
      expect(fixture.pool.upstreams.map(({ inFlight }) => inFlight)).toEqual([0]);
    } finally {
      fixture.close();
      for (const origin of origins) await origin.close();
    }
  },
};
