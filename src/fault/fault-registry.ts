/** The active faults of one process: intercepts attempts, fails probes, and is the only owner of the state. */

import type { Upstream } from "../pool/upstream.ts";
import type { Probe, ProbePlan } from "../probe/probe.ts";
import type { AttemptFilter, Interception } from "../proxy/interception.ts";
import { faultDetail, type FaultInjection } from "./fault.ts";

/** At most one fault for each upstream. An upstream that is gone takes its fault along. */
export class FaultRegistry implements AttemptFilter {
  readonly #faults = new WeakMap<Upstream, FaultInjection>();
  /** Clock time at which the last of all faults ends: without one, an attempt costs one comparison. */
  #lastUntil = -Infinity;

  get(upstream: Upstream): FaultInjection | undefined {
    return this.#faults.get(upstream);
  }

  has(upstream: Upstream): boolean {
    return this.#faults.has(upstream);
  }

  /** Replaces the upstream's fault; undefined ends it. */
  set(upstream: Upstream, fault: FaultInjection | undefined): void {
    if (!fault) return void this.#faults.delete(upstream);
    this.#faults.set(upstream, fault);
    this.#lastUntil = Math.max(this.#lastUntil, fault.spec.until);
  }

  intercept(upstream: Upstream, now: number): Interception | undefined {
    return now < this.#lastUntil ? this.#faults.get(upstream)?.intercept(now) : undefined;
  }

  /** A probe that fails without being sent where a fault says that probes fail. */
  wrap(probe: Probe): (upstream: Upstream, plan: ProbePlan) => ReturnType<Probe> {
    return (upstream, plan) => {
      if (!this.#faults.get(upstream)?.spec.probes) return probe(upstream, plan);
      return Promise.resolve({ success: false, detail: faultDetail, latencyMs: 0 });
    };
  }
}
