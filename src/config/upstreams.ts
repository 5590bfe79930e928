/** Parses the short form of upstreams, "http://10.0.0.1:8080;weight=3;backup;name=api-1", and builds upstream specs. */

import { authorityOf, type UpstreamTls } from "../net/address.ts";
import type { UpstreamSpec } from "../pool/upstream.ts";
import { defaults } from "./config.ts";
import { parseAddress } from "./network.ts";
import type { UpstreamFile } from "./upstream-schema.ts";
import { entriesOf, valueAt } from "./sources.ts";

/** The entries of a comma-separated list. */
export function splitUpstreams(text: string): readonly string[] {
  return text
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
}

/** A copy of an unchecked configuration with all upstreams in the long form. */
export function expandUpstreams(value: unknown): unknown {
  const pools = valueAt(value, ["pools"]);
  if (!isMap(value) || !isMap(pools)) return value;
  const expanded = entriesOf(pools).map(([name, pool]) => [name, expandEntries(pool, "upstreams")]);
  return { ...value, pools: Object.fromEntries(expanded) };
}

/** A copy of an unchecked map with all entries of one of its lists in the long form. */
export function expandEntries(value: unknown, key: string): unknown {
  const entries = valueAt(value, [key]);
  if (!isMap(value) || !Array.isArray(entries)) return value;
  return {
    ...value,
    [key]: entries.map((entry) => (typeof entry === "string" ? parseShortForm(entry) : entry)),
  };
}

function isMap(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Converts numbers and flags to the types of the schema. Other values stay text, for the schema to reject. */
function parseShortForm(text: string): Readonly<Record<string, unknown>> {
  const [url = "", ...options] = text.split(";").map((part) => part.trim());
  const nonEmpty = options.filter((option) => option !== "");
  const entries = nonEmpty.map((option) => {
    const [key = "", value] = option.split(/=(.*)/s);
    if (value === undefined) return [key, key === "backup" || key === "http2" ? true : ""];
    return [key, key === "weight" && /^\d+$/.test(value) ? Number(value) : value];
  });
  return { ...Object.fromEntries(entries), url };
}

/** How a pool's upstreams are connected to by default. */
export interface PoolAddress {
  readonly upstreamTls?: UpstreamTls;
  readonly http2?: boolean;
}

/**
 * @param pool its defaults; without them, what the upstream does not say follows its pool later
 * @param texts texts of the referenced files, by path
 */
export function toUpstreamSpec(
  { url, name, weight, backup, http2, tls: given }: UpstreamFile,
  pool: PoolAddress,
  texts: ReadonlyMap<string, string>,
): UpstreamSpec {
  const origin = parseAddress(url);
  const tls = origin.protocol === "https" ? upstreamTlsOf(given, pool.upstreamTls, texts) : undefined;
  const protocol = http2 ?? (pool.http2 || undefined);
  const address = {
    ...origin,
    ...(tls && { tls }),
    ...(protocol !== undefined && { http2: protocol }),
  };
  return {
    id: name ?? authorityOf(address),
    address,
    weight: weight ?? defaults.upstream.weight,
    backup: backup ?? defaults.upstream.backup,
  };
}

/** Fills what an upstream does not say about its connections with what its pool says. */
export function withPoolAddress(spec: UpstreamSpec, { upstreamTls, http2 }: PoolAddress): UpstreamSpec {
  const { address } = spec;
  const tls = address.protocol === "https" && upstreamTls && { ...upstreamTls, ...address.tls };
  return {
    ...spec,
    address: { ...(http2 && { http2 }), ...address, ...(tls && { tls }) },
  };
}

/** Merges the TLS settings of an upstream over those of its pool; undefined if neither has any. */
export function upstreamTlsOf(
  given: UpstreamFile["tls"],
  poolTls: UpstreamTls | undefined,
  texts: ReadonlyMap<string, string>,
): UpstreamTls | undefined {
  if (!given && !poolTls) return undefined;
  const { ca: caPath, cert: certPath, key: keyPath, ...settings } = given ?? {};
  const textAt = (path: string) => texts.get(path) ?? "";
  const authorities = caPath === undefined ? {} : { caPath, ca: textAt(caPath) };
  const pair =
    certPath === undefined || keyPath === undefined
      ? {}
      : { clientCertificate: { certPath, keyPath, cert: textAt(certPath), key: textAt(keyPath) } };
  return { verify: true, ...poolTls, ...settings, ...authorities, ...pair };
}
