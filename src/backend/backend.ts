/** The demo server `evenkeel backend`: an upstream for experiments that can be slowed down, made to fail and stopped. */

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
import { describeServer } from "./echo.ts";

export interface BackendOptions {
  /** Name of the server in its responses. */
  readonly name: string;
  readonly hostname: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Latency of each response, uniformly distributed. Health, readiness and metrics respond at once. */
  readonly latencyMs: { readonly min: number; readonly max: number };
  /** Share of responses with status 500, 0–1. */
  readonly failRate: number;
}

export interface Backend {
  readonly port: number;
  /**
   * Becomes not ready, waits {@link graceMs} until balancers have detected it, then accepts no new connections. Resolves when
   * all requests are finished, or aborted after {@link drainLimitMs}.
   */
  stop(): Promise<void>;
  /** Aborts all requests and closes the listener at once. */
  close(): void;
}

/** Dependencies that tests replace. */
export interface BackendTools {
  readonly clock: Clock;
  readonly wallClock: WallClock;
  readonly schedule: Schedule;
  readonly random: Random;
  /** Called with unexpected exceptions. */
  readonly bug: (error: unknown) => void;
}

/** Time from not ready to the end of new connections: two probes of a balancer that probes every second. */
export const graceMs = 2_000;

/** Time for open requests after that: as long as orchestrators usually wait before they kill a process. */
export const drainLimitMs = 30_000;

const systemTools: BackendTools = {
  clock: systemClock,
  wallClock: systemWallClock,
  schedule: systemSchedule,
  random: systemRandom,
  bug: () => {},
};

/** Rejects with the system's code if it cannot listen on the port. */
export async function startBackend(
  options: BackendOptions,
  runtime: Pick<Runtime, "serve">,
  overrides: Partial<BackendTools> = {},
): Promise<Backend> {
  const tools = { ...systemTools, ...overrides };
  const { schedule, wallClock, bug } = tools;
  const readiness = new Readiness();
  const stopping = new AbortController();
  let { port } = options;
  const server = () => describeServer(options.name, port, wallClock);
  const handle = backendApp({ ...options, ...tools, readiness, stopping: stopping.signal, server });
  const listener = await runtime.serve({ ...options, handle, bug, echoPath });
  port = listener.port;
  let stopped: Promise<void> | undefined;

  async function stop(): Promise<void> {
    readiness.stop();
    await new Promise<void>((resolve) => void schedule(graceMs, resolve));
    const cancel = schedule(drainLimitMs, () => listener.close());
    stopping.abort();
    await listener.drain();
    cancel();
  }

  return {
    port,
    stop: () => (stopped ??= stop()),
    close: () => listener.close(),
  };
}
