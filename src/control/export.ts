/** Writes what operators set at run time as configuration, so that it can be moved into the file. */

import { Document, isMap, isSeq } from "yaml";
import type { Config } from "../config/config.ts";
import { upstreamTlsFileOf } from "../config/to-file.ts";
import { type UpstreamSpec } from "../pool/upstream.ts";
import { authorityOf } from "../net/address.ts";
import { originOf } from "../net/address.ts";
import type { Intent } from "../state/intent.ts";
import { identityOf } from "../registry/pool-registry.ts";

/**
 * The upstreams of every pool that differs from its configuration, as they are wanted, with who said so and why. A mode
 * has no place in a configuration file: it stands there as a comment.
 */
export function exportYaml(config: Config, desired: Config, intents: readonly Intent[]): string {
  const changedPools = desired.pools.filter(({ name, upstreams }) => {
    const before = config.pools.find((pool) => pool.name === name)?.upstreams ?? [];
    const hasIntent = upstreams.some(({ id }) => intents.some(({ upstream }) => upstream === id));
    return hasIntent || JSON.stringify(before) !== JSON.stringify(upstreams);
  });
  const pools = changedPools.map(({ name, upstreams }) => [
    name,
    { upstreams: upstreams.map(upstreamFileOf) },
  ]);
  const document = new Document(pools.length > 0 ? { pools: Object.fromEntries(pools) } : {});
  document.commentBefore =
    pools.length > 0
      ? " What was set at run time: these lists take the place of those in the configuration file."
      : " Nothing was set at run time.";
  for (const { name, upstreams } of changedPools) {
    const list = document.getIn(["pools", name, "upstreams"]);
    if (!isSeq(list)) continue;
    for (const [index, spec] of upstreams.entries()) {
      const item: unknown = list.items[index];
      if (!isMap(item)) continue;
      item.flow = true;
      const descriptions = intents.filter(({ upstream }) => upstream === spec.id).map(describeIntent);
      if (descriptions.length > 0) item.comment = ` ${descriptions.join("; ")}`;
    }
    const removed = intents.filter(
      (intent) => intent.kind === "removed" && intent.pool === name && isGone(intent, upstreams),
    );
    if (removed.length > 0)
      list.comment = removed.map((intent) => ` ${intent.upstream} ${describeIntent(intent)}`).join("\n");
  }
  return document.toString({ lineWidth: 0 });
}

function isGone(intent: Extract<Intent, { kind: "removed" }>, upstreams: readonly UpstreamSpec[]): boolean {
  const identity = identityOf({ id: intent.upstream, address: intent.address });
  return !upstreams.some((spec) => identityOf(spec) === identity);
}

function upstreamFileOf({ id, address, weight, backup }: UpstreamSpec): object {
  return {
    url: originOf(address),
    ...(id === authorityOf(address) ? {} : { name: id }),
    weight,
    ...(backup ? { backup } : {}),
    ...(address.tls && { tls: upstreamTlsFileOf(address.tls) }),
  };
}

/** On one line, whatever the operator wrote. */
function describeIntent(intent: Intent): string {
  const change =
    intent.kind === "mode" ? `mode ${intent.mode}` : intent.kind === "weight" ? "weight set" : intent.kind;
  const why = intent.why === "" ? "" : `: ${intent.why.replace(/\s+/g, " ")}`;
  return `${change} by ${intent.by} at ${new Date(intent.at).toISOString()}${why}`;
}
