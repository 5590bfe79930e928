/** What is wanted: the configuration with the operator's intents laid over it. Pure, so that a table can test it. */

import type { Config, PoolConfig } from "../config/config.ts";
import { type Address, originOf, type UpstreamSpec } from "../pool/upstream.ts";
import type { AddedIntent, Forgotten, Intent, RemovedIntent } from "../state/intent.ts";

/** What makes an upstream the same one after a change: it keeps its health, its load and its connections then. */
export function identityOf({ id, address }: { readonly id: string; readonly address: Address }): string {
  return `${id} ${originOf(address)}`;
}

/** An upstream that is being emptied. */
export interface Leaving {
  readonly pool: string;
  readonly spec: UpstreamSpec;
}

/**
 * Weights that were set count instead of configured ones. Upstreams that were added belong to their pool, unless the
 * configuration uses the name by now. Those that were removed are left out, as long as that leaves their pool one.
 * @param leaving those that are being emptied before they go: they stay until then
 */
export function wantedOf(
  config: Config,
  intents: readonly Intent[],
  leaving: readonly Leaving[] = [],
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
  const weighed = (spec: UpstreamSpec) => ({ ...spec, weight: weights.get(spec.id) ?? spec.weight });
  const pools = config.pools.map((pool): PoolConfig => {
    const left = pool.upstreams.filter((spec) => !intents.some((intent) => removes(intent, spec)));
    const joined = added.filter((intent) => intent.pool === pool.name).map(({ spec }) => spec);
    const upstreams = left.length + joined.length > 0 ? [...left, ...joined] : pool.upstreams;
    const going = leaving.filter(
      (one) => one.pool === pool.name && !upstreams.some(({ id }) => id === one.spec.id),
    );
    return { ...pool, upstreams: [...upstreams.map(weighed), ...going.map(({ spec }) => spec)] };
  });
  return { ...config, pools };
}

/** Intents that a configuration has caught up with: it names what was added, or names no more what was removed. */
export function outdatedIn(config: Config, intents: readonly Intent[]): readonly Forgotten[] {
  const specs = config.pools.flatMap(({ upstreams }) => upstreams);
  return intents.flatMap((intent): readonly Forgotten[] => {
    const { kind, upstream } = intent;
    const isOutdated =
      (kind === "added" && specs.some(({ id }) => id === upstream)) ||
      (kind === "removed" && !specs.some((spec) => removes(intent, spec)));
    return isOutdated ? [{ kind: "forgotten", upstream, aspect: "member" }] : [];
  });
}

function removes(intent: Intent, spec: UpstreamSpec): intent is RemovedIntent {
  if (intent.kind !== "removed") return false;
  return identityOf({ id: intent.upstream, address: intent.address }) === identityOf(spec);
}
