/** The short form of upstreams, "http://10.0.0.1:8080;weight=3;backup;name=api-1", and what an upstream becomes. */

import { type UpstreamSpec } from "../pool/upstream.ts";
import { authorityOf } from "../net/address.ts";
import { type UpstreamTls } from "../net/address.ts";
import { defaults } from "./config.ts";
import { entriesOf, valueAt } from "./sources.ts";
import { parseAddress } from "./network.ts";
import type { UpstreamFile } from "./schema.ts";

/** The entries of a list with commas. */
export function splitUpstreams(text: string): readonly string[] {
  return text
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
}

/** A copy of a configuration in which upstreams that were texts are maps; the rest stays, valid or not. */
export function expandUpstreams(value: unknown): unknown {
  const pools = valueAt(value, ["pools"]);
  if (!isMap(value) || !isMap(pools)) return value;
  const expanded = entriesOf(pools).map(([name, pool]) => {
    const upstreams = valueAt(pool, ["upstreams"]);
    if (!isMap(pool) || !Array.isArray(upstreams)) return [name, pool];
    return [
      name,
      { ...pool, upstreams: upstreams.map((entry) => (typeof entry === "string" ? long(entry) : entry)) },
    ];
  });
  return { ...value, pools: Object.fromEntries(expanded) };
}

function isMap(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Numbers and flags become what the schema wants; anything else stays text, for the schema to refuse. */
function long(text: string): Readonly<Record<string, unknown>> {
  const [url = "", ...options] = text.split(";").map((part) => part.trim());
  const written = options.filter((option) => option !== "");
  const entries = written.map((option) => {
    const [key = "", value] = option.split(/=(.*)/s);
    if (value === undefined) return [key, key === "backup" ? true : ""];
    return [key, key === "weight" && /^\d+$/.test(value) ? Number(value) : value];
  });
  return { ...Object.fromEntries(entries), url };
}

/**
 * @param poolTls what its pool's `https` upstreams go by
 * @param texts of the files that it names, by path
 */
export function toUpstreamSpec(
  { url, name, weight, backup, tls: given }: UpstreamFile,
  poolTls: UpstreamTls | undefined,
  texts: ReadonlyMap<string, string>,
): UpstreamSpec {
  const place = parseAddress(url);
  const tls = place.protocol === "https" ? upstreamTlsOf(given, poolTls, texts) : undefined;
  const address = { ...place, ...(tls && { tls }) };
  return {
    id: name ?? authorityOf(address),
    address,
    weight: weight ?? defaults.upstream.weight,
    backup: backup ?? defaults.upstream.backup,
  };
}

/** An upstream as it is in a pool: what it does not say of TLS, the pool says. */
export function withPoolTls(spec: UpstreamSpec, poolTls: UpstreamTls | undefined): UpstreamSpec {
  const { address } = spec;
  if (address.protocol !== "https" || !poolTls) return spec;
  return { ...spec, address: { ...address, tls: { ...poolTls, ...address.tls } } };
}

/** What an upstream says of its own, over what its pool says; undefined if neither says anything. */
export function upstreamTlsOf(
  given: UpstreamFile["tls"],
  poolTls: UpstreamTls | undefined,
  texts: ReadonlyMap<string, string>,
): UpstreamTls | undefined {
  if (!given && !poolTls) return undefined;
  const { ca: caPath, ...own } = given ?? {};
  const authorities = caPath === undefined ? {} : { caPath, ca: texts.get(caPath) ?? "" };
  return { verify: true, ...poolTls, ...own, ...authorities };
}
