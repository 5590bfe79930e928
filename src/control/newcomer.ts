/** An upstream that somebody wants to add: read by the rules of the configuration file, all problems at once, and what is kept of it. */

import type { Config } from "../config/config.ts";
import { nameOf, quote, sentenceOf } from "../config/problem.ts";
import { upstreamSchema } from "../config/pool-schema.ts";
import type { UpstreamFile } from "../config/schema.ts";
import { faultsIn } from "../config/shape.ts";
import { upstreamOf } from "../config/upstreams.ts";
import { isLoopback } from "../lib/loopback.ts";
import { originOf, type UpstreamSpec } from "../pool/upstream.ts";
import type { Forgotten, Intent, Said } from "../state/intent.ts";
import { type Denied, denied } from "./control.ts";
import { forgetting, type Intents } from "./intents.ts";

/**
 * @param given as the file would have it: url, name, weight, backup, tls without ca
 * @param wanted what it must not clash with
 * @param pool where it is to be
 */
export function readNewcomer(given: unknown, wanted: Config, pool: string): UpstreamSpec | Denied {
  const problems = faultsIn(upstreamSchema, given).map(({ path, why, value, isKey }) =>
    sentenceOf({
      action: `use ${nameOf(path) || "this upstream"}`,
      why,
      ...(isKey ? {} : { received: quote(value) }),
    }),
  );
  if (problems.length > 0) {
    return { ...denied(422, "upstream_invalid", problems.join("; ")), problems };
  }
  const { tls, ...rest } = given as UpstreamFile;
  if (tls && !/^https:/i.test(rest.url)) {
    return denied(
      422,
      "upstream_invalid",
      `Cannot use tls: it means nothing for ${rest.url}, which is not https`,
    );
  }
  if (tls?.ca !== undefined) {
    const why = "files are named in the configuration alone, as upstreamTls of the pool";
    return denied(422, "upstream_invalid", `Cannot use tls.ca: ${why}`);
  }
  // What it does not say itself is not kept: it follows its pool, also when that changes.
  const verify = wanted.pools.find(({ name }) => name === pool)?.upstreamTls?.verify ?? true;
  const spec = upstreamOf({ ...rest, ...(tls && { tls: { verify, ...tls } }) }, undefined, new Map());
  const namesake = wanted.pools.find(({ upstreams }) => upstreams.some(({ id }) => id === spec.id));
  if (namesake) {
    return denied(
      409,
      "upstream_exists",
      `Cannot add ${spec.id}: pool ${namesake.name} has one of that name`,
    );
  }
  const { hostname, port } = spec.address;
  if (isLoopback(hostname) && port === wanted.listen.port) {
    return denied(
      422,
      "upstream_invalid",
      `Cannot add ${originOf(spec.address)}: this balancer listens there itself`,
    );
  }
  return spec;
}

export interface Joining {
  readonly pool: string;
  readonly spec: UpstreamSpec;
  /** Whether it was told how much it weighs. */
  readonly isWeighed: boolean;
  readonly said: Omit<Said, "upstream">;
}

/** What has to be kept for it to belong; a refusal if the configuration uses its name for another one. */
export function changesFor(
  { pool, spec, isWeighed, said }: Joining,
  { pools }: Config,
  intents: Pick<Intents, "of">,
): readonly (Intent | Forgotten)[] | Denied {
  const { id, weight } = spec;
  const isConfigured = pools.some(({ upstreams }) => upstreams.some((configured) => configured.id === id));
  const named = { upstream: id, ...said };
  if (!isConfigured) return [...forgetting(id), { kind: "added", pool, spec, ...named }];
  // What was removed and comes back as it was configured needs no intent of its own.
  const removed = intents.of("removed", id);
  if (removed?.pool !== pool || originOf(removed.address) !== originOf(spec.address)) {
    const message = `Cannot add ${id}: the configuration uses the name for another one`;
    return denied(409, "upstream_exists", message);
  }
  return isWeighed ? [...forgetting(id), { kind: "weight", weight, ...named }] : forgetting(id);
}
