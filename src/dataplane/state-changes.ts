/** What workers have to learn since the last time: the parts of the configuration, the upstreams and the challenges that changed. */

import { isDeepStrictEqual } from "node:util";

import type { HttpChallengeResponses } from "../acme/challenges.ts";
import type { Config, PoolConfig } from "../config/config.ts";
import type { FaultRegistry } from "../fault/fault-registry.ts";
import type { Upstream, UpstreamSpec } from "../pool/upstream.ts";
import { identityOf, type PoolRegistry } from "../registry/pool-registry.ts";
import type { ConfigChange, StateChange, UpstreamState } from "./messages.ts";

export interface StateSource {
  readonly registry: Pick<PoolRegistry, "pools" | "stickySecretsFor">;
  readonly faults: Pick<FaultRegistry, "get">;
  readonly challenges?: Pick<HttpChallengeResponses, "state"> | undefined;
}

/**
 * Compares the state with that of the call before. Parts that are the same object cost one comparison. So a change of one
 * upstream costs a look at each of the others, and a reload that changed nothing a comparison of the whole configuration.
 */
export class StateChanges {
  readonly #source: StateSource;
  /** The configuration that was given last, and the one that workers have: equal parts stay the same objects. */
  #given: Config | undefined;
  #secrets: readonly string[] = [];
  #config: Config | undefined;
  #upstreams = new WeakMap<Upstream, UpstreamState>();
  #challengesVersion = -1;

  constructor(source: StateSource) {
    this.#source = source;
  }

  /** What has changed since the last call; undefined if nothing has. @param given as workers have to use it */
  next(given: Config): StateChange | undefined {
    const config = this.#configChange(given);
    const upstreams = this.#upstreamChanges();
    const challenges = this.#challengesChange();
    if (!config && !challenges && upstreams.length === 0) return undefined;
    return { ...(config && { config }), upstreams, ...(challenges && { challenges }) };
  }

  /** Everything, as of the last call of `next`. */
  get all(): StateChange {
    const { registry, challenges } = this.#source;
    const config = this.#config && difference(undefined, this.#config);
    return {
      ...(config && { config }),
      upstreams: registry.pools.flatMap((pool) =>
        pool.upstreams.flatMap((upstream) => this.#upstreams.get(upstream) ?? []),
      ),
      ...(challenges && { challenges: challenges.state }),
    };
  }

  /** Includes the upstream in the next change: a worker has an older verdict of its own. */
  repeat(upstream: Upstream): void {
    this.#upstreams.delete(upstream);
  }

  #configChange(given: Config): ConfigChange | undefined {
    const secrets = this.#source.registry.stickySecretsFor(given);
    if (given === this.#given && isDeepStrictEqual(secrets, this.#secrets)) return undefined;
    [this.#given, this.#secrets] = [given, secrets];
    // A worker cannot read the state file, and all of them have to agree. It sends no alerts, so it needs none of their secrets.
    const shared = given.alerts.length > 0 ? { ...given, alerts: [] } : given;
    const config = secrets.length > 0 ? { ...shared, stickySecrets: secrets } : shared;
    const change = difference(this.#config, config);
    if (change) this.#config = this.#config ? changedConfig(this.#config, change) : config;
    return change;
  }

  #upstreamChanges(): readonly UpstreamState[] {
    const { registry, faults } = this.#source;
    const changed: UpstreamState[] = [];
    for (const pool of registry.pools) {
      // Expires ejections that are over.
      void pool.available;
      for (const upstream of pool.upstreams) {
        const fault = faults.get(upstream)?.spec;
        const sent = this.#upstreams.get(upstream);
        if (sent && isSameState(sent, upstream) && sent.fault === fault) continue;
        const { mode, weight, backup, activeHealth, outlier, endpoints } = upstream;
        const state = {
          upstream: identityOf(upstream),
          ...{ mode, weight, backup },
          ...(upstream.isDrainLate && { isDrainLate: true as const }),
          activeHealth: activeHealth.state,
          verdict: outlier.verdict,
          ...(endpoints.areFound && { hosts: endpoints.hosts }),
          ...(fault && { fault }),
        };
        this.#upstreams.set(upstream, state);
        changed.push(state);
      }
    }
    return changed;
  }

  #challengesChange() {
    const state = this.#source.challenges?.state;
    if (!state || state.version === this.#challengesVersion) return undefined;
    this.#challengesVersion = state.version;
    return state;
  }
}

/** A passive verdict that was decided at the same time is the same one. */
function isSameState(sent: UpstreamState, upstream: Upstream): boolean {
  return (
    sent.mode === upstream.mode &&
    sent.activeHealth === upstream.activeHealth.state &&
    sent.verdict.decidedAt === upstream.outlier.decidedAt &&
    sent.weight === upstream.weight &&
    sent.backup === upstream.backup &&
    (sent.hosts === upstream.endpoints.hosts || !upstream.endpoints.areFound) &&
    (sent.isDrainLate ?? false) === upstream.isDrainLate
  );
}

/** @returns undefined if both are the same */
function difference(before: Config | undefined, after: Config): ConfigChange | undefined {
  const { pools: _, ...settings } = after;
  const keys = Object.keys(settings) as (keyof typeof settings)[];
  const changed = keys.filter((key) => !isDeepStrictEqual(before?.[key], settings[key]));
  const removed = Object.keys(before ?? {}).filter((key) => !(key in after));
  const old = new Map(before?.pools.map((pool) => [pool.name, pool]));
  const pools = after.pools.filter((pool) => !isSamePool(old.get(pool.name), pool));
  const poolNames = after.pools.map(({ name }) => name);
  const isSameOrder = isDeepStrictEqual(poolNames, [...old.keys()]);
  if (changed.length + removed.length + pools.length === 0 && isSameOrder) return undefined;
  return {
    settings: Object.fromEntries(changed.map((key) => [key, settings[key]])),
    ...(removed.length > 0 && { removed }),
    pools,
    ...(!isSameOrder && { poolNames }),
  };
}

/** Weight and backup are part of an upstream's state. */
function isSamePool(one: PoolConfig | undefined, other: PoolConfig): boolean {
  if (one === other || !one) return one === other;
  const { upstreams, ...settings } = one;
  const { upstreams: otherUpstreams, ...otherSettings } = other;
  if (upstreams.length !== otherUpstreams.length || !isDeepStrictEqual(settings, otherSettings)) return false;
  return upstreams.every((spec, index) => {
    const otherSpec = otherUpstreams[index];
    return spec === otherSpec || isDeepStrictEqual(lasting(spec), otherSpec && lasting(otherSpec));
  });
}

function lasting({ weight: _, backup: __, ...spec }: UpstreamSpec) {
  return spec;
}

/** The configuration after a change; unchanged parts stay the same objects. @param before undefined for the first one */
export function changedConfig(before: Config | undefined, change: ConfigChange): Config {
  const { settings, removed = [], pools, poolNames } = change;
  const byName = new Map([...(before?.pools ?? []), ...pools].map((pool) => [pool.name, pool]));
  const names = poolNames ?? before?.pools.map(({ name }) => name) ?? [];
  const merged: Record<string, unknown> = {
    ...before,
    ...settings,
    pools: names.flatMap((name) => byName.get(name) ?? []),
  };
  for (const key of removed) delete merged[key];
  // The first change has all settings.
  return merged as unknown as Config;
}
