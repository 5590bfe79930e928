/** What is wanted: the configuration with the operator's intents laid over it. Pure, so that a table can test it. */

import type { Config, PoolConfig } from "../config/config.ts";
import { withPoolTls } from "../config/upstreams.ts";
import type { Log } from "../lib/log.ts";
import { type UpstreamSpec } from "../pool/upstream.ts";
import {
  type AddedIntent,
  type Aspect,
  aspectOf,
  type Intent,
  intentKey,
  type IntentRemoval,
} from "../state/intent.ts";
import type { Store } from "../state/store.ts";
import { identityOf } from "../registry/pool-registry.ts";

/** An upstream that is being emptied. */
export interface DepartingUpstream {
  readonly pool: string;
  readonly spec: UpstreamSpec;
}

/**
 * Weights that were set count instead of configured ones. Upstreams that were added belong to their pool, unless the
 * configuration uses the name by now. Those that were removed are left out, as long as that leaves their pool one.
 * @param leaving those that are being emptied before they go: they stay until then
 */
export function desiredConfig(
  config: Config,
  intents: readonly Intent[],
  leaving: readonly DepartingUpstream[] = [],
): Config {
  const configured = new Set(config.pools.flatMap(({ upstreams }) => upstreams.map(({ id }) => id)));
  const weights = new Map(
    intents.flatMap((intent) =>
      intent.kind === "weight" ? [[intent.upstream, intent.weight] as const] : [],
    ),
  );
  const added = intents.filter(
    (intent): intent is AddedIntent => intent.kind === "added" && !configured.has(intent.upstream),
  );
  const removed = removedIdentities(intents);
  const withWeight = (spec: UpstreamSpec) => ({ ...spec, weight: weights.get(spec.id) ?? spec.weight });
  const pools = config.pools.map((pool): PoolConfig => {
    const remaining = pool.upstreams.filter((spec) => !removed.has(identityOf(spec)));
    const additions = added
      .filter((intent) => intent.pool === pool.name)
      .map(({ spec }) => withPoolTls(spec, pool.upstreamTls));
    const upstreams = remaining.length + additions.length > 0 ? [...remaining, ...additions] : pool.upstreams;
    const departing = leaving.filter(
      (one) => one.pool === pool.name && !upstreams.some(({ id }) => id === one.spec.id),
    );
    return { ...pool, upstreams: [...upstreams.map(withWeight), ...departing.map(({ spec }) => spec)] };
  });
  return { ...config, pools };
}

/** Intents that a configuration has caught up with: it has what was added, has no more what was removed, weighs alike. */
export function supersededIntents(config: Config, intents: readonly Intent[]): readonly IntentRemoval[] {
  const specs = config.pools.flatMap(({ upstreams }) => upstreams);
  const weights = new Map(specs.map(({ id, weight }) => [id, weight]));
  const identities = new Set(specs.map(identityOf));
  const isOutdated = (intent: Intent) => {
    const { kind, upstream: id } = intent;
    if (kind === "added") return weights.has(id);
    if (kind === "removed") return !identities.has(identityOf({ id, address: intent.address }));
    return kind === "weight" && weights.get(id) === intent.weight;
  };
  return intents.filter(isOutdated).map((intent) => ({
    ...{ kind: "forgotten", upstream: intent.upstream, aspect: aspectOf(intent) },
  }));
}

function removedIdentities(intents: readonly Intent[]): ReadonlySet<string> {
  return new Set(
    intents.flatMap((intent) =>
      intent.kind === "removed" ? [identityOf({ id: intent.upstream, address: intent.address })] : [],
    ),
  );
}

// The operator's intents as they count now: in memory for whoever asks, in the store for the time after a restart.

const aspects: readonly Aspect[] = ["mode", "weight", "member"];

export class Intents {
  readonly #store: Pick<Store, "intents" | "write">;
  readonly #log: Log;
  /** One for each aspect of each upstream, oldest first. */
  readonly #latest: Map<string, Intent>;

  constructor(store: Pick<Store, "intents" | "write">, log: Log) {
    this.#store = store;
    this.#log = log;
    this.#latest = new Map(store.intents().map((intent) => [intentKey(intent), intent]));
  }

  /** Oldest first. */
  get all(): readonly Intent[] {
    return [...this.#latest.values()];
  }

  /** Undefined if nobody said anything of this kind. */
  get<Kind extends Intent["kind"]>(
    kind: Kind,
    upstream: string,
  ): Extract<Intent, { kind: Kind }> | undefined {
    const aspect = kind === "added" || kind === "removed" ? "member" : kind;
    const latest = this.#latest.get(`${aspect} ${upstream}`);
    return latest?.kind === kind ? (latest as Extract<Intent, { kind: Kind }>) : undefined;
  }

  /**
   * From now on these count, even if the store does not take them: who cannot drain a server for want of room on a disk is in
   * a worse place than one whose order is forgotten by a restart, and is told so.
   */
  write(changes: readonly (Intent | IntentRemoval)[]): void {
    if (changes.length === 0) return;
    for (const change of changes) {
      this.#latest.delete(intentKey(change));
      if (change.kind !== "forgotten") this.#latest.set(intentKey(change), change);
    }
    try {
      this.#store.write(changes);
    } catch (error) {
      this.#log.error("intent not written", { why: String(error) });
    }
  }
}

/** Everything that may have been said about an upstream, to be forgotten. */
export function removalsFor(upstream: string): readonly IntentRemoval[] {
  return aspects.map((aspect) => ({ kind: "forgotten", upstream, aspect }));
}
