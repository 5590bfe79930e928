/** An upstream that somebody wants to add: read by the rules of the configuration file, all problems at once, and what is kept of it. */

import type { Config } from "../config/config.ts";
import { nameOf, quote, problemSentence } from "../config/problem.ts";
import { upstreamFileSchema } from "../config/pool-schema.ts";
import type { UpstreamFile } from "../config/schema.ts";
import { schemaErrors } from "../config/schema-kit.ts";
import { toUpstreamSpec } from "../config/upstreams.ts";
import { isLoopback } from "../net/address.ts";
import { type UpstreamSpec } from "../pool/upstream.ts";
import { originOf } from "../net/address.ts";
import type { IntentRemoval, Intent, IntentMeta } from "../state/intent.ts";
import { type CommandError, commandError } from "./control.ts";
import { removalsFor, type Intents } from "./desired-state.ts";

/**
 * @param given as the file would have it: url, name, weight, backup, tls without ca
 * @param desired what it must not clash with
 * @param pool where it is to be
 */
export function parseNewUpstream(given: unknown, desired: Config, pool: string): UpstreamSpec | CommandError {
  const problems = schemaErrors(upstreamFileSchema, given).map(({ path, why, value, isKey, suggestion }) =>
    problemSentence({
      action: `use ${nameOf(path) || "this upstream"}`,
      why,
      suggestion,
      ...(isKey ? {} : { received: quote(value) }),
    }),
  );
  if (problems.length > 0) {
    return { ...commandError(422, "upstream_invalid", problems.join(" ")), problems };
  }
  const { tls, ...rest } = given as UpstreamFile;
  if (tls && !/^https:/i.test(rest.url)) {
    return commandError(
      422,
      "upstream_invalid",
      `Cannot use tls: it means nothing for ${rest.url}, which is not https`,
    );
  }
  if (tls?.ca !== undefined) {
    const why = "files are named in the configuration alone, as upstreamTls of the pool";
    return commandError(422, "upstream_invalid", `Cannot use tls.ca: ${why}`);
  }
  // What it does not say itself is not kept: it follows its pool, also when that changes.
  const verify = desired.pools.find(({ name }) => name === pool)?.upstreamTls?.verify ?? true;
  const spec = toUpstreamSpec({ ...rest, ...(tls && { tls: { verify, ...tls } }) }, undefined, new Map());
  const namesake = desired.pools.find(({ upstreams }) => upstreams.some(({ id }) => id === spec.id));
  if (namesake) {
    return commandError(
      409,
      "upstream_exists",
      `Cannot add ${spec.id}: pool ${namesake.name} has one of that name`,
    );
  }
  const { hostname, port } = spec.address;
  if (isLoopback(hostname) && port === desired.listen.port) {
    return commandError(
      422,
      "upstream_invalid",
      `Cannot add ${originOf(spec.address)}: this balancer listens there itself`,
    );
  }
  return spec;
}

export interface UpstreamAddition {
  readonly pool: string;
  readonly spec: UpstreamSpec;
  /** Whether it was told how much it weighs. */
  readonly isWeighed: boolean;
  readonly meta: Omit<IntentMeta, "upstream">;
}

/** What has to be kept for it to belong; a refusal if the configuration uses its name for another one. */
export function intentsForAddition(
  { pool, spec, isWeighed, meta: said }: UpstreamAddition,
  { pools }: Config,
  intents: Pick<Intents, "of">,
): readonly (Intent | IntentRemoval)[] | CommandError {
  const { id, weight } = spec;
  const isConfigured = pools.some(({ upstreams }) => upstreams.some((configured) => configured.id === id));
  const named = { upstream: id, ...said };
  if (!isConfigured) return [...removalsFor(id), { kind: "added", pool, spec, ...named }];
  // What was removed and comes back as it was configured needs no intent of its own.
  const removed = intents.of("removed", id);
  if (removed?.pool !== pool || originOf(removed.address) !== originOf(spec.address)) {
    const message = `Cannot add ${id}: the configuration uses the name for another one`;
    return commandError(409, "upstream_exists", message);
  }
  return isWeighed ? [...removalsFor(id), { kind: "weight", weight, ...named }] : removalsFor(id);
}
