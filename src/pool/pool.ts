/** A named group of upstreams: keeps the list of those that may serve and lets its policy choose among them. */

import type { Random } from "../lib/random.ts";
import { randomIndex } from "../lib/random.ts";
import type { Policy } from "./policy.ts";
import type { Mode, Upstream } from "./upstream.ts";

export interface PoolSpec {
  readonly name: string;
  readonly policy: Policy;
  readonly upstreams: readonly Upstream[];
  readonly random: Random;
}

export class Pool {
  readonly name: string;
  #upstreams: readonly Upstream[];
  #policy: Policy;
  readonly #random: Random;
  #fit: readonly Upstream[] | undefined;

  constructor(spec: PoolSpec) {
    this.name = spec.name;
    this.#upstreams = spec.upstreams;
    this.#policy = spec.policy;
    this.#random = spec.random;
  }

  get upstreams(): readonly Upstream[] {
    return this.#upstreams;
  }

  /** Those that may serve now. Rebuilt only after a verdict changed, so a request costs the same with 3 or 3,000. */
  get fit(): readonly Upstream[] {
    this.#fit ??= fitAmong(this.#upstreams);
    return this.#fit;
  }

  /**
   * Chooses where a request goes; undefined if nothing is left to try.
   * @param key what the request is pinned by; empty where the pool has no key
   * @param tried where it has failed already. A retry is not a turn: it asks no policy, or one dead upstream of
   *   three would push three quarters of the traffic onto one survivor.
   */
  choose(key: string, tried: readonly Upstream[]): Upstream | undefined {
    const fit = this.fit;
    if (tried.length > 0) return this.#lighterOfTwo(fit.filter((upstream) => !tried.includes(upstream)));
    return fit.length > 0 ? this.#policy.pick(fit, key) : undefined;
  }

  /** Changes who belongs to it. Whoever leaves gets nothing new; what is under way there finishes. */
  setUpstreams(upstreams: readonly Upstream[]): void {
    this.#upstreams = upstreams;
    this.#fit = undefined;
  }

  /** From the next choice on. */
  setPolicy(policy: Policy): void {
    this.#policy = policy;
  }

  /** Takes a new share and place in; true if they are new. The fit list is a new one then, so that policies see it. */
  adjust(upstream: Upstream, { weight, backup }: Pick<Upstream, "weight" | "backup">): boolean {
    if (upstream.weight === weight && upstream.backup === backup) return false;
    upstream.weight = weight;
    upstream.backup = backup;
    this.#fit = undefined;
    return true;
  }

  /** Takes the operator's intent in; true if it changed anything. */
  setMode(upstream: Upstream, mode: Mode): boolean {
    if (upstream.mode === mode) return false;
    upstream.mode = mode;
    this.#fit = undefined;
    return true;
  }

  /** Takes a probe's result in; true if the verdict changed. */
  recordProbe(upstream: Upstream, success: boolean): boolean {
    const changed = upstream.streak.record(success);
    if (changed) this.#fit = undefined;
    return changed;
  }

  #lighterOfTwo(left: readonly Upstream[]): Upstream | undefined {
    if (left.length < 2) return left[0];
    const first = randomIndex(this.#random, left.length);
    const second = (first + 1 + randomIndex(this.#random, left.length - 1)) % left.length;
    const [one, other] = [left[first] as Upstream, left[second] as Upstream];
    return one.inFlight / one.weight <= other.inFlight / other.weight ? one : other;
  }
}

/** Primaries before backups, known-good before unknown; the first group that has a member. */
function fitAmong(upstreams: readonly Upstream[]): readonly Upstream[] {
  const eligible = upstreams.filter((upstream) => upstream.mode === "ready" && upstream.weight > 0);
  for (const state of ["passing", "checking"] as const) {
    for (const backup of [false, true]) {
      const group = eligible.filter(
        (upstream) => upstream.streak.state === state && upstream.backup === backup,
      );
      if (group.length > 0) return group;
    }
  }
  return [];
}
