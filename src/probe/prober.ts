/** When to look: keeps one check at a time going for every upstream and writes what it saw into the pool. */

import { type Cancel, type Schedule, sleep } from "../lib/clock.ts";
import type { Random } from "../lib/random.ts";
import type { Pool } from "../pool/pool.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { Probe, ProbePlan, ProbeResult } from "./probe.ts";

export interface Probed {
  readonly pool: Pool;
  readonly plan: ProbePlan;
}

export interface ProberSetting {
  readonly probed: readonly Probed[];
  readonly probe: Probe;
  readonly schedule: Schedule;
  readonly random: Random;
  /** Hears of every result, and whether it changed the verdict. */
  readonly onResult: (pool: Pool, upstream: Upstream, result: ProbeResult, changed: boolean) => void;
}

/** The start waits no longer than this for first verdicts: a black hole must not keep the rest from serving. */
const firstVerdictsMs = 3_000;

export class Prober {
  readonly #setting: ProberSetting;
  readonly #waiting = new Map<Upstream, Cancel>();
  #isStopped = false;

  constructor(setting: ProberSetting) {
    this.#setting = setting;
  }

  /** Probes everything once and goes on from there; resolves with the first verdicts, after three seconds at the latest. */
  async start(): Promise<void> {
    const first = this.#setting.probed.flatMap((probed) =>
      probed.pool.upstreams.map((upstream) => this.#look(probed, upstream)),
    );
    await Promise.race([Promise.all(first), sleep(firstVerdictsMs)]);
  }

  stop(): void {
    this.#isStopped = true;
    for (const cancel of this.#waiting.values()) cancel();
    this.#waiting.clear();
  }

  async #look(probed: Probed, upstream: Upstream): Promise<void> {
    const result = await this.#setting.probe(upstream.address, probed.plan);
    if (this.#isStopped) return;
    const changed = probed.pool.recordProbe(upstream, result.success);
    this.#setting.onResult(probed.pool, upstream, result, changed);
    const { schedule, random } = this.#setting;
    const cancel = schedule(waitMs(probed.plan, upstream, random), () => void this.#look(probed, upstream));
    this.#waiting.set(upstream, cancel);
  }
}

/** The wait until the next look: short while the verdict is about to change, and never in step with other peers. */
function waitMs(plan: ProbePlan, upstream: Upstream, random: Random): number {
  const base = upstream.streak.isChanging
    ? Math.min(plan.changingIntervalMs, plan.intervalMs)
    : plan.intervalMs;
  return base * (1 - plan.jitter + 2 * plan.jitter * random());
}
