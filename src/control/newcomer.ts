/** Reads an upstream that somebody wants to add: the same rules as in the configuration file, all problems at once. */

import type { Config } from "../config/config.ts";
import { nameOf, quote, sentenceOf } from "../config/problem.ts";
import { upstreamSchema } from "../config/pool-schema.ts";
import type { UpstreamFile } from "../config/schema.ts";
import { faultsIn } from "../config/shape.ts";
import { upstreamOf } from "../config/upstreams.ts";
import { isLoopback } from "../lib/loopback.ts";
import { originOf, type UpstreamSpec } from "../pool/upstream.ts";
import { type Denied, denied } from "./control.ts";

/**
 * @param given as the file would have it: url, name, weight, backup
 * @param wanted what it must not clash with
 */
export function readNewcomer(given: unknown, wanted: Config): UpstreamSpec | Denied {
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
  const spec = upstreamOf(given as UpstreamFile);
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
