/** Renders the operators' run-time changes as YAML, to be moved into the configuration file. */

import { Document, isMap, isSeq } from "yaml";
import type { Config } from "../config/config.ts";
import { upstreamTlsFileOf } from "../config/to-file.ts";
import { authorityOf, originOf } from "../net/address.ts";
import type { UpstreamSpec } from "../pool/upstream.ts";
import { identityOf } from "../registry/pool-registry.ts";
import type { Intent } from "../state/intent.ts";

/**
 * Lists the desired upstreams of every pool that differs from its configuration. Comments say who made each change and
 * why. A mode is only a comment, because the configuration file has no key for it.
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
      ? " Set at run time: these lists replace the ones in the configuration file."
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
      (intent) => intent.kind === "removed" && intent.pool === name && isAbsent(intent, upstreams),
    );
    if (removed.length > 0)
      list.comment = removed.map((intent) => ` ${intent.upstream} ${describeIntent(intent)}`).join("\n");
  }
  return document.toString({ lineWidth: 0 });
}

function isAbsent(intent: Extract<Intent, { kind: "removed" }>, upstreams: readonly UpstreamSpec[]): boolean {
  const identity = identityOf({ id: intent.upstream, address: intent.address });
  return !upstreams.some((spec) => identityOf(spec) === identity);
}

function upstreamFileOf({ id, address, weight, backup }: UpstreamSpec): object {
  return {
    url: originOf(address),
    ...(id === authorityOf(address) ? {} : { name: id }),
    weight,
    ...(backup ? { backup } : {}),
    ...(address.http2 === undefined ? {} : { http2: address.http2 }),
    ...(address.tls && { tls: upstreamTlsFileOf(address.tls) }),
  };
}

/** One line; line breaks in the operator's reason become spaces. */
function describeIntent(intent: Intent): string {
  const change =
    intent.kind === "mode" ? `mode ${intent.mode}` : intent.kind === "weight" ? "weight set" : intent.kind;
  const why = intent.why === "" ? "" : `: ${intent.why.replace(/\s+/g, " ")}`;
  return `${change} by ${intent.by} at ${new Date(intent.at).toISOString()}${why}`;
}
