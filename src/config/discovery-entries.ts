/** Entries of `upstreams` that name a source of members: from the file to their settings and back, and their checks. */

import {
  type DiscoveryEntry,
  formOf,
  type MemberTemplate,
  sourceKeys,
  type SourceKind,
  sourceKinds,
} from "./discovery.ts";
import { type Path, type Problem, quote } from "./problem.ts";
import { type ConfigSources, entriesOf, valueAt } from "./sources.ts";
import { upstreamKeys } from "./upstream-schema.ts";
import { type PoolAddress, upstreamTlsOf } from "./upstreams.ts";

/** The settings of an entry that may name a source. */
export type EntryFile = Partial<Record<SourceKind, unknown>> & {
  readonly protocol?: MemberTemplate["protocol"];
  readonly weight?: number;
  readonly backup?: boolean;
  readonly http2?: boolean;
  readonly tls?: Parameters<typeof upstreamTlsOf>[0];
};

/** The sources among the valid entries of a pool. */
export function discoveryEntriesOf(
  entries: readonly EntryFile[],
  pool: PoolAddress,
  texts: ReadonlyMap<string, string>,
): readonly DiscoveryEntry[] {
  return entries.flatMap((entry, position) => {
    const found = discoveryEntryOf(entry, pool, texts);
    return found ? [{ ...found, position }] : [];
  });
}

function discoveryEntryOf(
  entry: EntryFile,
  pool: PoolAddress,
  texts: ReadonlyMap<string, string>,
): Omit<DiscoveryEntry, "position"> | undefined {
  const kind = sourceKinds.find((key) => entry[key] !== undefined);
  if (!kind) return undefined;
  const { protocol = "http", weight, backup = false } = entry;
  const http2 = entry.http2 ?? (pool.http2 || undefined);
  const tls = protocol === "https" ? upstreamTlsOf(entry.tls, pool.upstreamTls, texts) : undefined;
  return {
    source: formOf(kind).settingsOf(entry[kind]),
    template: {
      protocol,
      backup,
      ...(http2 !== undefined && { http2 }),
      ...(tls && { tls }),
      ...(weight !== undefined && { weight }),
    },
  };
}

/** The entry in a file, without its TLS settings. */
export function discoveryFileOf({ source, template }: DiscoveryEntry): object {
  const { protocol, weight, backup, http2 } = template;
  return {
    [source.kind]: formOf(source.kind).fileOf(source),
    protocol,
    ...(weight !== undefined && { weight }),
    backup,
    ...(http2 !== undefined && { http2 }),
  };
}

/** Rejects entries without a source or with several, and what has no meaning beside the source of an entry. */
export function discoveryChecks(sources: ConfigSources): readonly Problem[] {
  return entriesOf(valueAt(sources.value, ["pools"])).flatMap(([pool, inside]) => {
    const owners = new Map<string, Path>();
    return entriesOf(valueAt(inside, ["upstreams"])).flatMap(([index, entry]) => {
      if (typeof entry !== "object" || entry === null || Array.isArray(entry)) return [];
      const path = ["pools", pool, "upstreams", index];
      return [...entryProblems(sources, path, entry), ...repeatedSources(sources, owners, path)];
    });
  });
}

const knownKeys: ReadonlySet<string> = new Set([...Object.keys(upstreamKeys), ...Object.keys(sourceKeys)]);

function entryProblems(sources: ConfigSources, path: Path, entry: object): readonly Problem[] {
  const given = ["url", ...sourceKinds].filter((key) => valueAt(entry, [key]) !== undefined);
  const [first, second] = given;
  if (first === undefined) {
    // A misspelt key has a problem of its own.
    if (Object.keys(entry).some((key) => !knownKeys.has(key))) return [];
    const why = `expected one of url, ${sourceKinds.join(", ")}`;
    return [sources.problemOf({ path, why, value: entry })];
  }
  if (second !== undefined) {
    const why = `an entry has either ${first} or ${second}; write two entries`;
    return [sources.problemOf({ path: [...path, second], why, value: valueAt(entry, [second]) })];
  }
  const problem = (key: string, why: string) => {
    const value = valueAt(entry, [key]);
    return value === undefined ? [] : [sources.problemOf({ path: [...path, key], why, value })];
  };
  if (first === "url") return problem("protocol", "the URL names the protocol; leave protocol out");
  const protocol = valueAt(entry, ["protocol"]) ?? "http";
  return [
    ...problem("name", "members get their names from the pool and their addresses; leave name out"),
    ...(protocol === "http" ? problem("tls", "members are reached over http; set protocol: https") : []),
  ];
}

/** A source that is written twice would report each member twice. */
function repeatedSources(sources: ConfigSources, owners: Map<string, Path>, path: Path): readonly Problem[] {
  return sourceKinds.flatMap((kind) => {
    const value = valueAt(sources.value, [...path, kind]);
    if (value === undefined) return [];
    const key = `${kind} ${JSON.stringify(value).toLowerCase()}`;
    const owner = owners.get(key);
    owners.set(key, owner ?? path);
    if (!owner) return [];
    const why = `${sources.subjectOf(owner)} already has this source (${quote(value)})`;
    return [sources.problemOf({ path: [...path, kind], why })];
  });
}
