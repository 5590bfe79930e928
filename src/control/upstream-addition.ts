/** Adding an upstream at run time: parses it by the rules of the configuration file, and derives the intents to store. */

import type { Config } from "../config/config.ts";
import { loopProblem } from "../config/cross-checks.ts";
import { upstreamFileSchema } from "../config/upstream-schema.ts";
import { unusualHostTexts } from "../config/load.ts";
import { nameOf, problemSentence, quote, withOmitted } from "../config/problem.ts";
import type { UpstreamFile } from "../config/upstream-schema.ts";
import { schemaErrors } from "../config/schema-kit.ts";
import { toUpstreamSpec } from "../config/upstreams.ts";
import { originOf } from "../net/address.ts";
import { unusualHostOf } from "../net/own-addresses.ts";
import type { UpstreamSpec } from "../pool/upstream.ts";
import type { Intent, IntentMeta, IntentRemoval } from "../state/intent.ts";
import { type CommandError, commandError } from "./control.ts";
import { type Intents, removalsFor } from "./desired-state.ts";
import type { OwnListeners } from "./own-listeners.ts";

/**
 * Reports every problem at once.
 * @param given as in the configuration file: url, name, weight, backup, tls without ca
 * @param desired the running configuration, which must not contain the name yet
 * @param pool the pool to add it to
 */
export function parseNewUpstream(
  given: unknown,
  desired: Config,
  pool: string,
  { config, listeners }: AdditionContext,
): UpstreamSpec | CommandError {
  const { errors, omitted } = schemaErrors(upstreamFileSchema, given);
  const described = errors.map(({ path, why, value, isKey, suggestion }) =>
    problemSentence({
      action: `use ${nameOf(path) || "this upstream"}`,
      why,
      suggestion,
      ...(isKey ? {} : { received: quote(value) }),
    }),
  );
  const problems = withOmitted(described, omitted);
  if (problems.length > 0) {
    return { ...commandError(422, "upstream_invalid", problems.join(" ")), problems };
  }
  const { tls, ...rest } = given as UpstreamFile;
  if (tls && !/^https:/i.test(rest.url)) {
    return commandError(
      422,
      "upstream_invalid",
      `Cannot use tls: the URL must be https (it is ${quote(rest.url)}).`,
    );
  }
  const file = (["ca", "cert", "key"] as const).find((key) => tls?.[key] !== undefined);
  if (file !== undefined) {
    const why = "only the configuration file can name certificate files. Use upstreamTls of the pool.";
    return commandError(422, "upstream_invalid", `Cannot use tls.${file}: ${why}`);
  }
  if (rest.http2 === true && config.engine === "fetch") {
    const why = "the fetch engine speaks HTTP/1.1 to upstreams";
    return commandError(422, "upstream_invalid", `Cannot use http2: ${why} (received true).`);
  }
  // Only its own TLS settings are stored: the others follow the pool, also when those change.
  const verify = desired.pools.find(({ name }) => name === pool)?.upstreamTls?.verify ?? true;
  const spec = toUpstreamSpec({ ...rest, ...(tls && { tls: { verify, ...tls } }) }, {}, new Map());
  const namesake = desired.pools.find(({ upstreams }) => upstreams.some(({ id }) => id === spec.id));
  if (namesake) {
    return commandError(
      409,
      "upstream_exists",
      `Cannot add ${spec.id}: pool ${namesake.name} already has an upstream with that name.`,
    );
  }
  const why = additionProblem(spec, config, listeners);
  return why === undefined
    ? spec
    : commandError(422, "upstream_invalid", `Cannot add ${originOf(spec.address)}: ${why}.`);
}

/** What an addition is checked against. */
export interface AdditionContext {
  /** The configuration as loaded. */
  readonly config: Config;
  readonly listeners: OwnListeners;
}

/** Through the balancer's front, clients would reach what only this machine should. Undefined for an upstream that may be added. */
export function additionProblem(
  { id, address }: UpstreamSpec,
  { pools, allowLinkLocal }: Config,
  listeners: OwnListeners,
): string | undefined {
  const own = listeners.at(address);
  if (own) return loopProblem(own.key);
  const unusual = unusualHostOf(address.hostname);
  if (unusual === undefined || (unusual === "link-local" && allowLinkLocal)) return undefined;
  // One of the file that was removed may come back.
  const isConfigured = pools.some(({ upstreams }) =>
    upstreams.some((one) => one.id === id && originOf(one.address) === originOf(address)),
  );
  return isConfigured ? undefined : unusualHostTexts[unusual];
}

export interface UpstreamAddition {
  readonly pool: string;
  readonly spec: UpstreamSpec;
  /** The request named a weight. */
  readonly hasWeight: boolean;
  readonly meta: Omit<IntentMeta, "upstream">;
}

/** The intents to store for the addition; an error if the configuration uses the name for another upstream. */
export function intentsForAddition(
  { pool, spec, hasWeight, meta }: UpstreamAddition,
  { pools }: Config,
  intents: Pick<Intents, "get">,
): readonly (Intent | IntentRemoval)[] | CommandError {
  const { id, weight } = spec;
  const isConfigured = pools.some(({ upstreams }) => upstreams.some((configured) => configured.id === id));
  const named = { upstream: id, ...meta };
  if (!isConfigured) return [...removalsFor(id, meta), { kind: "added", pool, spec, ...named }];
  // A configured upstream that was removed and comes back needs no intent, except for its weight.
  const removed = intents.get("removed", id);
  if (removed?.pool !== pool || originOf(removed.address) !== originOf(spec.address)) {
    const message = `Cannot add ${id}: the configuration already uses this name for another upstream.`;
    return commandError(409, "upstream_exists", message);
  }
  return hasWeight ? [...removalsFor(id, meta), { kind: "weight", weight, ...named }] : removalsFor(id, meta);
}
