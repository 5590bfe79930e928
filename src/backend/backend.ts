/** The demo upstream as a running server: something to balance over, to slow down and to stop, for trying things out. */

import {
  type Clock,
  type Schedule,
  systemClock,
  systemSchedule,
  systemWallClock,
  type WallClock,
} from "../lib/clock.ts";
import { type Random, systemRandom } from "../lib/random.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { backendApp, echoPath, Readiness } from "./app.ts";
import { describeRequest } from "./echo.ts";

export interface BackendOptions {
  /** How it names itself in its answers. */
  readonly name: string;
  readonly hostname: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** How long each answer takes, drawn evenly from this range. Health, readiness and metrics answer at once. */
  readonly latencyMs: { readonly min: number; readonly max: number };
  /** Share of answers that are 500, 0–1. */
  readonly failRate: number;
}

export interface Backend {
  readonly port: number;
  /** Turns not ready, waits until that was noticed, takes no new connections; resolves when all is answered or cut. */
  stop(): Promise<void>;
  /** Cuts everything at once. */
  close(): void;
}

/** What a test may take the place of. */
export interface BackendTools {
  readonly clock: Clock;
  readonly wallClock: WallClock;
  readonly schedule: Schedule;
  readonly random: Random;
  /** Hears of faults of ours. */
  readonly bug: (error: unknown) => void;
}

/** Between "not ready" and the last new connection: two looks of a balancer that checks each second. */
export const graceMs = 2_000;

/** How long open requests may take after that: as long as orchestrators usually wait before they kill. */
export const drainLimitMs = 30_000;

const systemTools: BackendTools = {
  clock: systemClock,
  wallClock: systemWallClock,
  schedule: systemSchedule,
  random: systemRandom,
  bug: () => {},
};

/** Rejects with the system's code where the port cannot be had. */
export async function startBackend(
  options: BackendOptions,
  runtime: Pick<Runtime, "serve">,
  given: Partial<BackendTools> = {},
): Promise<Backend> {
  const tools = { ...systemTools, ...given };
  const { schedule, wallClock, bug } = tools;
  const readiness = new Readiness();
  const leaving = new AbortController();
  let { port } = options;
  const server = () => describeRequest(options.name, port, wallClock);
  const handle = backendApp({ ...options, ...tools, readiness, leaving: leaving.signal, server });
  const listener = await runtime.serve({ ...options, handle, bug, echoPath });
  port = listener.port;
  let stopped: Promise<void> | undefined;

  async function stop(): Promise<void> {
    readiness.stop();
    await new Promise<void>((resolve) => void schedule(graceMs, resolve));
    const cancel = schedule(drainLimitMs, () => listener.close());
    leaving.abort();
    await listener.drain();
    cancel();
  }

  return {
    port,
    stop: () => (stopped ??= stop()),
    close: () => listener.close(),
  };
}
