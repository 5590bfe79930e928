/** A demo backend on a free port, with latency, randomness and timers controlled by the test. */

import {
  type Backend,
  type BackendOptions,
  type BackendTools,
  startBackend,
} from "../../src/backend/backend.ts";
import type { Schedule } from "../../src/lib/clock.ts";
import { runtime } from "../../src/runtime/bun.ts";
import { ask } from "../runtime/clients.ts";

export interface Fixture {
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

/** Calls `run` with a backend that has no latency and no failures unless `options` sets them; then closes it. */
export async function withBackend(
  options: Partial<BackendOptions>,
  tools: Partial<BackendTools>,
  run: (fixture: Fixture) => Promise<void>,
): Promise<void> {
  const backend = await startBackend({ ...quick, ...options }, runtime, tools);
  const url = `http://127.0.0.1:${backend.port}`;
  const fetchPath = (path: string, init?: RequestInit) => ask(url + path, init);
  const fetchJson = async (path: string, init?: RequestInit) => (await fetchPath(path, init)).json();
  try {
    await run({ backend, url, ask: fetchPath, askJson: fetchJson });
  } finally {
    backend.close();
  }
}

/** Timers that a test fires. */
export interface ManualTimers {
  readonly schedule: Schedule;
  /** Delays of the pending timers, in milliseconds, oldest first. */
  waiting(): number[];
  /** Fires the oldest timer with this delay. Throws if no timer has it. */
  fire(delayMs: number): void;
}

export function manualTimers(): ManualTimers {
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
