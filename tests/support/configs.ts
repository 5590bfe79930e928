/** Short notation for configurations: "main: a b;weight=2 | api: c" has two pools. Addresses are derived from the names. */

import type { Config, PoolConfig } from "../../src/config/config.ts";
import type { RouteFile } from "../../src/config/route-schema.ts";
import { routeConfigsOf } from "../../src/config/routes.ts";
import type { UpstreamSpec } from "../../src/pool/upstream.ts";
import type { Intent } from "../../src/state/intent.ts";
import { parsed } from "../cli/fake.ts";

export const hostOf = (id: string) => `10.0.0.${id.charCodeAt(0) - 96}`;

export function specOf(entry: string): UpstreamSpec {
  const [name = "", ...options] = entry.split(";");
  const [id = "", host = hostOf(id)] = name.split("@");
  const weight = Number(options.find((option) => option.startsWith("weight="))?.slice(7) ?? 1);
  return {
    id,
    address: { protocol: "http", hostname: host, port: 80 },
    weight,
    backup: options.includes("backup"),
  };
}

/** Settings that are not given have their defaults. */
export function configOf(
  pools: string,
  change: Partial<Config> = {},
  poolChange: Partial<PoolConfig> = {},
): Config {
  const base = parsed("proxy", { argv: "proxy --upstreams http://10.0.0.9" }).config;
  const [model] = base.pools as [PoolConfig];
  const named = pools.split(" | ").map((text): PoolConfig => {
    const [name = "", list = ""] = text.split(": ");
    return { ...model, ...poolChange, name, upstreams: list.split(" ").map(specOf) };
  });
  return { ...base, pools: named, routes: routeConfigs([{ pool: named[0]?.name ?? "" }]), ...change };
}

/** Routes as a file would have them. */
export function routeConfigs(routes: readonly RouteFile[]): Config["routes"] {
  return routeConfigsOf({ routes: [...routes] }, "main", new Map());
}

/** "main: a;weight=2" from a configuration: the inverse of {@link configOf}. */
export function poolsIn({ pools }: Config): string {
  const entry = ({ id, address, weight, backup }: UpstreamSpec) =>
    [
      address.hostname === hostOf(id) ? id : `${id}@${address.hostname}`,
      ...(weight === 1 ? [] : [`weight=${weight}`]),
      ...(backup ? ["backup"] : []),
    ].join(";");
  return pools.map(({ name, upstreams }) => `${name}: ${upstreams.map(entry).join(" ")}`).join(" | ");
}

const meta = { by: "ann", at: 1, why: "because" };

/** Parses "added main/c;weight=2", "removed main/a", "weight a 5" or "mode a draining". */
export function intentOf(text: string): Intent {
  const [kind = "", what = "", value = ""] = text.split(" ");
  if (kind === "weight") return { ...meta, kind, upstream: what, weight: Number(value) };
  if (kind === "mode") return { ...meta, kind, upstream: what, mode: value as "draining" };
  const [pool = "", entry = ""] = what.split("/");
  const spec = specOf(entry);
  if (kind === "added") return { ...meta, kind, upstream: spec.id, pool, spec };
  return { ...meta, kind: "removed", upstream: spec.id, pool, address: spec.address };
}
