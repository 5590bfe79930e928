/** Reads and checks the certificates and keys that a configuration names. Problems never contain their content. */

import {
  type CertificateEntry,
  type CertificateReader,
  type FileProblem,
  readEntry,
} from "../tls/certificate-files.ts";
import {
  type CertificateFacts,
  certificatesProblem,
  privateKeyProblem,
  readPair,
  withoutKey,
} from "../tls/certificate-pair.ts";
import { acmeCaPathsIn } from "./acme.ts";
import { isNameIn } from "../tls/listener-tls.ts";
import type { Config, ConfiguredCertificate } from "./config.ts";
import type { Path, Problem } from "./problem.ts";
import { listenerPathsIn } from "./listener-checks.ts";
import { type ConfigSources, entriesOf, valueAt } from "./sources.ts";
import { readReferencedFile } from "./yaml-file.ts";

export interface Certificates {
  /** Texts of the files with authorities that are valid, by path. */
  readonly texts: ReadonlyMap<string, string>;
  readonly found: readonly ConfiguredCertificate[];
  readonly problems: readonly Problem[];
  /** Sentences without a full stop. */
  readonly warnings: readonly string[];
}

/** Reads every PEM file of an unchecked configuration. Values that are no paths are skipped; the schema rejects them. */
export function readCertificates(sources: ConfigSources, reader: CertificateReader): Certificates {
  const texts = new Map<string, string>();
  const problems: Problem[] = [];
  const found: ConfiguredCertificate[] = [];
  const warnings: string[] = [];
  // Each file is read and parsed once: thousands of upstreams may name the same.
  const checked = new Map<string, CheckedFile>();
  /** The text of the file at this path, if it is valid. */
  const readPem = (path: Path, kind: keyof typeof problemIn): string | undefined => {
    const name = valueAt(sources.value, path);
    if (typeof name !== "string" || name.trim() === "") return undefined;
    const file = checked.get(`${kind} ${name}`) ?? checkFile(name, kind, reader);
    checked.set(`${kind} ${name}`, file);
    if ("why" in file) problems.push(sources.problemOf({ path, why: file.why, value: name }));
    else texts.set(name, file.text);
    return "why" in file ? undefined : file.text;
  };
  for (const pair of pairPathsIn(sources.value)) {
    const cert = readPem(pair.cert, "certificate");
    const key = readPem(pair.key, "key");
    if (cert === undefined || key === undefined) continue;
    const read = readPair({ cert, key, source: String(valueAt(sources.value, pair.cert)) });
    if (!("why" in read)) {
      // Upstreams see it, and no client.
      if (pair.at[0] !== "pools") found.push({ ...withoutKey(read), setting: sources.subjectOf(pair.cert) });
    } else {
      const why = `${read.why} in ${sources.subjectOf(pair.cert)}`;
      problems.push(sources.problemOf({ path: pair.key, why, value: valueAt(sources.value, pair.key) }));
    }
  }
  for (const path of folderPathsIn(sources.value)) {
    const folder = valueAt(sources.value, path);
    if (typeof folder !== "string" || folder.trim() === "") continue;
    const setting = sources.subjectOf(path);
    const inside = readEntry({ folder }, reader);
    const unreadable = inside.problems.find((problem) => problem.path === folder);
    if (unreadable) problems.push(sources.problemOf({ path, why: unreadable.why, value: folder }));
    else warnings.push(...inside.problems.map((problem) => folderWarning(setting, problem)));
    found.push(...inside.pairs.map((pair) => ({ ...withoutKey(pair), setting })));
  }
  const caPaths = [
    ...caPathsIn(sources.value),
    ...clientCaPathsIn(sources.value),
    ...acmeCaPathsIn(sources.value),
  ];
  for (const path of caPaths) readPem(path, "certificate");
  return { texts, found, problems: [...incompletePairs(sources), ...problems], warnings };
}

/** "certificates[1].folder: /etc/tls/a.key: there is no a.crt or .pem beside it" */
function folderWarning(setting: string, { path, why }: FileProblem): string {
  return `${setting}: ${path}: ${why}`;
}

type CheckedFile = { readonly text: string } | { readonly why: string };

/** Why a text is not what it should contain. */
const problemIn = { certificate: certificatesProblem, key: privateKeyProblem };

function checkFile(name: string, kind: keyof typeof problemIn, { read }: CertificateReader): CheckedFile {
  const file = readReferencedFile(name, read);
  if ("why" in file) return file;
  const why = problemIn[kind](file.text);
  return why === undefined ? file : { why };
}

interface PairPaths {
  readonly at: Path;
  readonly cert: Path;
  readonly key: Path;
}

/** Those of the listeners first: they are the first entries of `certificates` in short. */
function pairPathsIn(value: unknown): readonly PairPaths[] {
  const holders = [
    ...listenerPathsIn(value).map((listener) => [...listener, "tls"]),
    ...entriesOf(valueAt(value, ["certificates"])).map(([index]) => ["certificates", index]),
    ...upstreamTlsPathsIn(value),
  ];
  return holders.map((at) => ({ at, cert: [...at, "cert"], key: [...at, "key"] }));
}

function folderPathsIn(value: unknown): readonly Path[] {
  return entriesOf(valueAt(value, ["certificates"])).map(([index]) => ["certificates", index, "folder"]);
}

function clientCaPathsIn(value: unknown): readonly Path[] {
  return listenerPathsIn(value).map((listener) => [...listener, "tls", "clientCertificates", "ca"]);
}

/** Reports a certificate without a key, a key without a certificate, and an entry without either. */
function incompletePairs(sources: ConfigSources): readonly Problem[] {
  return pairPathsIn(sources.value).flatMap((pair) => incompletePair(sources, pair));
}

function incompletePair(
  sources: ConfigSources,
  { at, cert: certPath, key: keyPath }: PairPaths,
): readonly Problem[] {
  const [cert, key] = [valueAt(sources.value, certPath), valueAt(sources.value, keyPath)];
  const [folder, acme] = ["folder", "acme"].map((name) => valueAt(sources.value, [...at, name]));
  const isEntry = at[0] === "certificates";
  const hasFlags = at[0] === "listen";
  const hasPair = cert !== undefined || key !== undefined;
  if ([hasPair, folder !== undefined, acme !== undefined].filter(Boolean).length > 1) {
    const why = "expected only one of cert and key, folder, acme";
    return [sources.problemOf({ path: at, why, value: valueAt(sources.value, at) })];
  }
  if ((cert === undefined) === (key === undefined)) {
    if (!isEntry || cert !== undefined || folder !== undefined || acme !== undefined) return [];
    const value = valueAt(sources.value, at);
    // Of another type: the schema rejects it.
    if (typeof value !== "object" || value === null) return [];
    return [sources.problemOf({ path: at, why: "expected cert and key, folder or acme", value })];
  }
  const [path, value] = cert === undefined ? [keyPath, key] : [certPath, cert];
  const flag = (name: string, setting: string) =>
    hasFlags ? `set ${name}, or listen.tls.${setting} in the file` : `set ${setting} beside it`;
  const why =
    cert === undefined
      ? `a certificate is required too; ${flag("--tls-cert", "cert")}`
      : `a private key is required too; ${flag("--tls-key", "key")}`;
  return [sources.problemOf({ path, why, value })];
}

function caPathsIn(value: unknown): readonly Path[] {
  return upstreamTlsPathsIn(value).map((tls) => [...tls, "ca"]);
}

/** The TLS settings of pools and of their upstreams. */
function upstreamTlsPathsIn(value: unknown): readonly Path[] {
  return entriesOf(valueAt(value, ["pools"])).flatMap(([name, pool]) => [
    ["pools", name, "upstreamTls"],
    ...entriesOf(valueAt(pool, ["upstreams"])).map(([index]) => ["pools", name, "upstreams", index, "tls"]),
  ]);
}

/** Everything that certificates are read from: those of the listeners first. */
export function certificateEntriesOf({
  listeners,
  certificates,
}: Pick<Config, "listeners" | "certificates">): readonly CertificateEntry[] {
  const own = listeners.flatMap(({ tls }) => (tls?.files ? [tls.files] : []));
  return [...own, ...certificates];
}

/** Whether one of the certificates is for this name. */
export function isCovered(name: string, certificates: readonly Pick<CertificateFacts, "names">[]): boolean {
  return certificates.some(({ names }) => isNameIn(name.toLowerCase(), names));
}
