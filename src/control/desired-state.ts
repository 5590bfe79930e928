/** The desired configuration: the configuration file plus the operator's intents. Also the registry of these intents. */

import type { Config, PoolConfig } from "../config/config.ts";
import { withPoolAddress } from "../config/upstreams.ts";
import type { Log } from "../lib/log.ts";
import type { UpstreamSpec } from "../pool/upstream.ts";
import { identityOf } from "../registry/pool-registry.ts";
import {
  type AddedIntent,
  type Aspect,
  aspectOf,
  type Intent,
  intentKey,
  type IntentRemoval,
} from "../state/intent.ts";
import type { FleetRecord, Store } from "../state/store.ts";

/** An upstream that drains before it is removed. */
export interface DepartingUpstream {
  readonly pool: string;
  readonly spec: UpstreamSpec;
}

/**
 * Weights of intents replace configured ones. Added upstreams belong to their pool, unless the configuration uses the
 * name by now. Removed upstreams are left out, unless their pool would then be empty.
 * @param leaving upstreams that still drain: they stay until their removal
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
      .map(({ spec }) => withPoolAddress(spec, pool));
    const upstreams = remaining.length + additions.length > 0 ? [...remaining, ...additions] : pool.upstreams;
    const ids = new Set(upstreams.map(({ id }) => id));
    const departing = leaving.filter((one) => one.pool === pool.name && !ids.has(one.spec.id));
    return { ...pool, upstreams: [...upstreams.map(withWeight), ...departing.map(({ spec }) => spec)] };
  });
  return { ...config, pools };
}

/**
 * Intents that the configuration makes redundant: it contains the added upstream, lacks the removed one, or has the same
 * weight.
 */
export function redundantIntents(config: Config, intents: readonly Intent[]): readonly IntentRemoval[] {
  const specs = config.pools.flatMap(({ upstreams }) => upstreams);
  const weights = new Map(specs.map(({ id, weight }) => [id, weight]));
  const identities = new Set(specs.map(identityOf));
  const isSuperseded = (intent: Intent) => {
    const { kind, upstream: id } = intent;
    if (kind === "added") return weights.has(id);
    if (kind === "removed") return !identities.has(identityOf({ id, address: intent.address }));
    return kind === "weight" && weights.get(id) === intent.weight;
  };
  return intents.filter(isSuperseded).map((intent) => ({
    kind: "forgotten",
    upstream: intent.upstream,
    aspect: aspectOf(intent),
  }));
}

function removedIdentities(intents: readonly Intent[]): ReadonlySet<string> {
  return new Set(
    intents.flatMap((intent) =>
      intent.kind === "removed" ? [identityOf({ id: intent.upstream, address: intent.address })] : [],
    ),
  );
}

/** Takes down orders for the other balancers of a fleet. */
export interface OrderJournal {
  /** @returns what the state file is to keep */
  order(changes: readonly (Intent | IntentRemoval)[]): FleetRecord;
}

/** The operator's current intents: in memory for readers, in the store for the next start. */
export class Intents {
  readonly #store: Pick<Store, "intents" | "write">;
  readonly #log: Log;
  /** One per aspect of each upstream, oldest first. */
  readonly #latest: Map<string, Intent>;
  readonly #journal: OrderJournal | undefined;

  /** @param journal present in a fleet */
  constructor(store: Pick<Store, "intents" | "write">, log: Log, journal?: OrderJournal) {
    this.#journal = journal;
    this.#store = store;
    this.#log = log;
    this.#latest = new Map(store.intents().map((intent) => [intentKey(intent), intent]));
  }

  /** Oldest first. */
  get all(): readonly Intent[] {
    return [...this.#latest.values()];
  }

  /** Undefined if there is no intent of this kind. */
  get<Kind extends Intent["kind"]>(
    kind: Kind,
    upstream: string,
  ): Extract<Intent, { kind: Kind }> | undefined {
    const aspect = kind === "added" || kind === "removed" ? "member" : kind;
    const latest = this.#latest.get(`${aspect} ${upstream}`);
    return latest?.kind === kind ? (latest as Extract<Intent, { kind: Kind }>) : undefined;
  }

  /** Makes them all that there are. */
  adopt(intents: readonly Intent[]): void {
    const keys = new Set(intents.map(intentKey));
    const gone = this.all
      .filter((intent) => !keys.has(intentKey(intent)))
      .map((intent) => ({ kind: "forgotten" as const, upstream: intent.upstream, aspect: aspectOf(intent) }));
    // Of a fleet, the journal in the state file has them already.
    this.#write([...gone, ...intents], undefined);
  }

  /**
   * The changes take effect even if the store cannot be written. A full disk must not keep an operator from draining a
   * server; losing the intent at the next restart is the smaller harm, and is reported.
   */
  write(changes: readonly (Intent | IntentRemoval)[]): void {
    if (changes.length === 0) return;
    this.#write(changes, this.#journal?.order(changes));
  }

  /** Takes over what other balancers have ordered. @param record what the state file keeps of it */
  takeOver(changes: readonly (Intent | IntentRemoval)[], record: FleetRecord): void {
    if (changes.length > 0 || record.entries.length > 0 || record.known) this.#write(changes, record);
  }

  #write(changes: readonly (Intent | IntentRemoval)[], record: FleetRecord | undefined): void {
    for (const change of changes) {
      this.#latest.delete(intentKey(change));
      if (change.kind !== "forgotten") this.#latest.set(intentKey(change), change);
    }
    try {
      if (record) this.#store.write(changes, record);
      else this.#store.write(changes);
    } catch (error) {
      this.#log.error("intent write failed", { why: String(error) });
    }
  }
}

const aspects: readonly Aspect[] = ["mode", "weight", "member"];

/** Removals of every intent that may exist for an upstream. */
export function removalsFor(
  upstream: string,
  meta: Omit<IntentRemoval, "kind" | "upstream" | "aspect"> = {},
): readonly IntentRemoval[] {
  return aspects.map((aspect) => ({ kind: "forgotten", upstream, aspect, ...meta }));
}
