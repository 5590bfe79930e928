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

interface Scene extends SilentOrigins {
  readonly stage: EngineFixture;
}

const get = "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n";
const handshake = `GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${btoa("0123456789abcdef")}\r\n\r\n`;

/** Throws once, after the exchange has done what it was asked to: whoever asked never hears of the attempt. */
function throwAfter(exchange: Exchange, step: Step, fault: { isLeft: boolean }): Exchange {
  const { [step]: does } = exchange;
  const throwing = (...given: unknown[]) => {
    const done = Reflect.apply(does, exchange, given);
    if (!fault.isLeft) return done;
    fault.isLeft = false;
    throw new Error("a bug for the test");
  };
  return Object.assign(exchange, { [step]: throwing });
}

/** Two origins that answer with what they are told, once they are told, behind an engine that has a bug at one step. */
async function play(
  engine: Engine,
  step: Step,
  act: (scene: Scene) => Promise<void>,
  options: Partial<EngineFixtureOptions> = {},
): Promise<void> {
  const { origins, pending: stuck } = await startSilentOrigins(2);
  const fault = { isLeft: true };
  const faulty: Engine = {
    name: engine.name,
    listen: (usual) => engine.listen({ ...usual, exchange: () => throwAfter(usual.exchange(), step, fault) }),
  };
  const ports = origins.map(({ port }) => port);
  const set = await startEngine(faulty, { ports, policy: "first", ...options });
  try {
    await act({ stage: set, origins, pending: stuck });
    const { upstreams } = set.pool;
    await until(() => upstreams.every(({ inFlight }) => inFlight === 0), "nothing to be left in flight");
    expect(set.bugs.map(String)).toEqual(["Error: a bug for the test"]);
    stuck.length = 0;
    const next = sendRequest(set.port, get);
    await until(() => stuck.length === 1, "the next request");
    stuck[0]?.write(respondWith("well"));
    expect((await next).body.toString()).toBe("well");
    await until(() => set.records.length === 2, "the records of both");
    expect(set.records.map(({ status }) => status)).toEqual([500, 200]);
  } finally {
    set.close();
    for (const origin of origins) await origin.close();
  }
}

const isBlamed = ({ stage }: Scene) => stage.ended.some(({ outcome }) => outcome.kind === "failure");

/** Throws when it is first asked; then it always names the first. */
function throwingOnce(): Policy {
  let isLeft = true;
  return {
    pick(fit) {
      const [first] = fit;
      if (!isLeft && first) return first;
      isLeft = false;
      throw new Error("a bug for the test");
    },
  };
}

export const faultLaws: Readonly<Record<string, (engine: Engine) => Promise<void>>> = {
  "answers 500 to a bug before an attempt is sent, and blames no upstream": (engine) =>
    play(engine, "next", async (scene) => {
      expect((await sendRequest(scene.stage.port, get)).status).toBe(500);
      expect(isBlamed(scene)).toBe(false);
      expect(scene.pending).toEqual([]);
    }),

  "answers 500 to a bug between two attempts, and blames only the one that failed": (engine) =>
    play(engine, "retryAfter", async ({ stage, pending: stuck }) => {
      const asked = sendRequest(stage.port, get);
      await until(() => stuck.length === 1, "the first attempt");
      stuck[0]?.destroy();
      expect((await asked).status).toBe(500);
      expect(stage.ended.map(({ outcome }) => outcome.kind)).toEqual(["failure", "cancelled"]);
    }),

  "answers 500 to a bug in the middle of an answer that is tried elsewhere": (engine) =>
    play(
      engine,
      "responseReceived",
      async (scene) => {
        const asked = sendRequest(scene.stage.port, get);
        await until(() => scene.pending.length === 1, "the first attempt");
        scene.pending[0]?.write(respondWith("busy", [], "503 Busy"));
        expect((await asked).status).toBe(500);
        expect(isBlamed(scene)).toBe(false);
      },
      { destination: { retryStatuses: new Set([503]) } },
    ),

  "answers 500 to a bug while two attempts are under way, and drops both": (engine) =>
    play(
      engine,
      "responseReceived",
      async (scene) => {
        const { stage, pending: stuck, origins } = scene;
        const asked = sendRequest(stage.port, get);
        await until(() => stuck.length === 2, "both attempts");
        stuck[0]?.write(respondWith("bad", [], "502 Bad"));
        expect((await asked).status).toBe(500);
        expect(stage.ended.every(({ outcome }) => outcome.kind !== "failure")).toBe(true);
        const isDropped = () => origins.some((origin) => origin.open() === 0);
        await until(isDropped, "the connection that nobody waits for");
      },
      { hedgeAfterMs: 20 },
    ),

  "answers 500 to a WebSocket handshake that meets a bug": (engine) =>
    play(engine, "next", async (scene) => {
      const client = await RawClient.connect(scene.stage.port);
      expect((await client.send(handshake).readResponse()).status).toBe(500);
      client.destroy();
      expect(isBlamed(scene)).toBe(false);
    }),

  "answers 500 to a bug as a request's turn in the queue comes, and serves those behind it": async (
    engine,
  ) => {
    const { origins, pending: stuck } = await startSilentOrigins(1);
    const queue = { maxWaiting: 9, timeoutMs: 60_000, whenNoneFit: false, maxInFlight: 1 };
    const set = await startEngine(engine, { ports: origins.map(({ port }) => port), queue });
    try {
      const first = sendRequest(set.port, get);
      await until(() => stuck.length === 1, "the first request");
      const unlucky = sendRequest(set.port, get);
      await until(() => set.queued() === 1, "the second to wait");
      const behind = sendRequest(set.port, get);
      await until(() => set.queued() === 2, "the third to wait");
      set.pool.setPolicy(throwingOnce());
      stuck[0]?.write(respondWith("first"));
      expect((await first).body.toString()).toBe("first");
      expect((await unlucky).status).toBe(500);
      await until(() => stuck.length === 2, "the turn of the one behind");
      stuck[1]?.write(respondWith("behind"));
      expect((await behind).body.toString()).toBe("behind");
      expect(set.bugs.map(String)).toEqual(["Error: a bug for the test"]);
      await until(() => set.records.length === 3, "the records of all");
      expect(set.records.map(({ status }) => status)).toEqual([200, 500, 200]);
      expect(set.pool.upstreams.map(({ inFlight }) => inFlight)).toEqual([0]);
    } finally {
      set.close();
      for (const origin of origins) await origin.close();
    }
  },
};
