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
  const touched = desired.pools.filter(({ name, upstreams }) => {
    const before = config.pools.find((pool) => pool.name === name)?.upstreams ?? [];
    const isSet = upstreams.some(({ id }) => intents.some(({ upstream }) => upstream === id));
    return isSet || JSON.stringify(before) !== JSON.stringify(upstreams);
  });
  const pools = touched.map(({ name, upstreams }) => [name, { upstreams: upstreams.map(fileOf) }]);
  const document = new Document(pools.length > 0 ? { pools: Object.fromEntries(pools) } : {});
  document.commentBefore =
    pools.length > 0
      ? " What was set at run time: these lists take the place of those in the configuration file."
      : " Nothing was set at run time.";
  for (const { name, upstreams } of touched) {
    const list = document.getIn(["pools", name, "upstreams"]);
    if (!isSeq(list)) continue;
    for (const [index, spec] of upstreams.entries()) {
      const item: unknown = list.items[index];
      if (!isMap(item)) continue;
      item.flow = true;
      const said = intents.filter(({ upstream }) => upstream === spec.id).map(describe);
      if (said.length > 0) item.comment = ` ${said.join("; ")}`;
    }
    const gone = intents.filter(
      (intent) => intent.kind === "removed" && intent.pool === name && isGone(intent, upstreams),
    );
    if (gone.length > 0)
      list.comment = gone.map((intent) => ` ${intent.upstream} ${describe(intent)}`).join("\n");
  }
  return document.toString({ lineWidth: 0 });
}

function isGone(intent: Extract<Intent, { kind: "removed" }>, upstreams: readonly UpstreamSpec[]): boolean {
  const identity = identityOf({ id: intent.upstream, address: intent.address });
  return !upstreams.some((spec) => identityOf(spec) === identity);
}

function fileOf({ id, address, weight, backup }: UpstreamSpec): object {
  return {
    url: originOf(address),
    ...(id === authorityOf(address) ? {} : { name: id }),
    weight,
    ...(backup ? { backup } : {}),
    ...(address.tls && { tls: upstreamTlsFileOf(address.tls) }),
  };
}

/** On one line, whatever the operator wrote. */
function describe(intent: Intent): string {
  const what =
    intent.kind === "mode" ? `mode ${intent.mode}` : intent.kind === "weight" ? "weight set" : intent.kind;
  const why = intent.why === "" ? "" : `: ${intent.why.replace(/\s+/g, " ")}`;
  return `${what} by ${intent.by} at ${new Date(intent.at).toISOString()}${why}`;
}
