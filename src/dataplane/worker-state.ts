/** The state that a worker has from the control plane, and how it is applied to the pools of its process. */

import { isDeepStrictEqual } from "node:util";

import type { Config } from "../config/config.ts";
import type { NameWatcher } from "../dns/name-watcher.ts";
import { FaultInjection } from "../fault/fault.ts";
import type { FaultRegistry } from "../fault/fault-registry.ts";
import { hashString } from "../lib/hash.ts";
import { systemRandom } from "../lib/random.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { PoolRegistry } from "../registry/pool-registry.ts";
import type { StateChange, UpstreamState, WorkerIndex } from "./messages.ts";
import { changedConfig } from "./state-changes.ts";

/**
 * Delay between one worker's first probation attempt and the next worker's, milliseconds. All workers have the first
 * one's result within a few milliseconds. If the first worker has no request to try, the next one does.
 */
const probationStaggerMs = 1_000;

export interface WorkerPools {
  readonly registry: PoolRegistry;
  readonly faults: FaultRegistry;
  readonly names?: NameWatcher;
}

export interface AppliedState {
  readonly isConfigChanged: boolean;
  /** The upstreams whose state may have changed. */
  readonly upstreams: readonly Upstream[];
}

export class WorkerState {
  #config: Config | undefined;
  #isConfigChanged = false;
  /** By identity. */
  #upstreams = new Map<string, UpstreamState>();
  #changed: readonly UpstreamState[] = [];

  /** Takes a change in; {@link applyTo} follows. @param isWhole it is the first one, or replaces all before it */
  adopt(change: StateChange, isWhole: boolean): Config {
    if (isWhole) {
      this.#config = undefined;
      this.#upstreams.clear();
    }
    const config =
      change.config || !this.#config ? changedConfig(this.#config, change.config ?? none) : this.#config;
    this.#isConfigChanged = config !== this.#config;
    this.#config = config;
    for (const one of change.upstreams) this.#upstreams.set(one.upstream, one);
    this.#changed = change.upstreams;
    return config;
  }

  /**
   * Applies what was adopted last. Newer local verdicts stay. The configuration's pools and routes are only built when it has
   * changed; the states of all upstreams are applied then, because weights of operators are no part of it.
   */
  applyTo(
    { registry, faults, names }: WorkerPools,
    { index, count: of }: WorkerIndex = { index: 0, count: 1 },
  ): AppliedState {
    const isConfigChanged = this.#isConfigChanged;
    if (isConfigChanged && this.#config) {
      registry.commit(registry.prepare(this.#config));
      for (const identity of this.#upstreams.keys())
        if (!registry.locate(identity)) this.#upstreams.delete(identity);
    }
    const states = isConfigChanged ? this.#upstreams.values() : this.#changed;
    const upstreams: Upstream[] = [];
    for (const state of states) {
      const found = registry.locate(state.upstream);
      if (!found) continue;
      const { entry, upstream } = found;
      entry.pool.adjust(upstream, state);
      entry.pool.setMode(upstream, state.mode);
      if (state.hosts) names?.learn(upstream.endpoints, state.hosts);
      upstream.isDrainLate = state.isDrainLate === true;
      // Hashed, so that not always the same worker makes the first attempt.
      upstream.outlier.probationDelayMs = ((index + hashString(state.upstream)) % of) * probationStaggerMs;
      entry.pool.adoptHealth(upstream, state);
      const { fault } = state;
      if (!isDeepStrictEqual(faults.get(upstream)?.spec, fault))
        faults.set(upstream, fault && new FaultInjection(fault, systemRandom));
      upstreams.push(upstream);
    }
    return { isConfigChanged, upstreams };
  }
}

const none = { settings: {}, pools: [] };
