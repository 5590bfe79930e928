/** A demo backend on a free port, with latency, dice and timers in the test's hand. */

import {
  type Backend,
  type BackendOptions,
  type BackendTools,
  startBackend,
} from "../../src/backend/backend.ts";
import type { Schedule } from "../../src/lib/clock.ts";
import { runtime } from "../../src/runtime/bun.ts";
import { ask } from "../runtime/clients.ts";

export interface Scene {
  readonly backend: Backend;
  readonly url: string;
  ask(path: string, init?: RequestInit): Promise<Response>;
  askJson(path: string, init?: RequestInit): Promise<unknown>;
}

const quick: BackendOptions = {
  name: "demo",
  hostname: "127.0.0.1",
  port: 0,
  latencyMs: { min: 0, max: 0 },
  failRate: 0,
};

/** Runs `play` with a backend of no latency and no failures, but for what `setting` says; then closes it. */
export async function withBackend(
  options: Partial<BackendOptions>,
  tools: Partial<BackendTools>,
  play: (scene: Scene) => Promise<void>,
): Promise<void> {
  const backend = await startBackend({ ...quick, ...options }, runtime, tools);
  const url = `http://127.0.0.1:${backend.port}`;
  const input = (path: string, init?: RequestInit) => ask(url + path, init);
  try {
    await play({ backend, url, ask: input, askJson: async (path, init) => (await input(path, init)).json() });
  } finally {
    backend.close();
  }
}

/** Timers that run when the test says so. */
export interface HandTimers {
  readonly schedule: Schedule;
  /** Delays of those that wait, in milliseconds, oldest first. */
  waiting(): number[];
  /** Runs the oldest one with this delay. Throws if none waits. */
  fire(delayMs: number): void;
}

export function handTimers(): HandTimers {
  const timers: Array<{ delayMs: number; task: () => void }> = [];
  return {
    schedule(delayMs, task) {
      const timer = { delayMs, task };
      timers.push(timer);
      return () => {
        const index = timers.indexOf(timer);
        if (index >= 0) timers.splice(index, 1);
      };
    },
    waiting: () => timers.map(({ delayMs }) => delayMs),
    fire(delayMs) {
      const index = timers.findIndex((timer) => timer.delayMs === delayMs);
      const [timer] = index < 0 ? [] : timers.splice(index, 1);
      if (!timer) throw new Error(`Cannot fire: no timer waits for ${delayMs} ms`);
      timer.task();
    },
  };
}
