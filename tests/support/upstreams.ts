/** Upstreams named a, b, c … for tests of the domain. */

import { Upstream, type UpstreamLimits } from "../../src/pool/upstream.ts";

export const testLimits = { rise: 2, fall: 3 };

export function upstreamOf(
  id: string,
  weight = 1,
  backup = false,
  limits: UpstreamLimits = testLimits,
): Upstream {
  const address = { protocol: "http", hostname: "127.0.0.1", port: 1 } as const;
  return new Upstream({ id, address, weight, backup }, limits);
}

/** Creates one upstream for each weight. */
export function upstreamsOf(weights: readonly number[], limits: UpstreamLimits = testLimits): Upstream[] {
  return weights.map((weight, index) => upstreamOf(String.fromCharCode(97 + index), weight, false, limits));
}

/** The number of picks of each id. */
export function countsOf(picked: readonly Upstream[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { id } of picked) counts[id] = (counts[id] ?? 0) + 1;
  return counts;
}
