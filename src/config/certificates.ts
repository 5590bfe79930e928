/** Reads and checks the certificates and keys that a configuration names. Problems never contain their content. */

import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from "node:crypto";

import type { ListenerCertificate } from "../tls/expiry.ts";
import type { Config } from "./config.ts";
import type { Path, Problem } from "./problem.ts";
import { listenerPathsIn } from "./listener-checks.ts";
import { type ConfigSources, entriesOf, valueAt } from "./sources.ts";
import { readReferencedFile, type ReadText } from "./yaml-file.ts";

export interface Certificates {
  /** Texts of the files that are valid, by path. */
  readonly texts: ReadonlyMap<string, string>;
  readonly problems: readonly Problem[];
}

/** Reads every PEM file of an unchecked configuration. Values that are no paths are skipped; the schema rejects them. */
export function readCertificates(sources: ConfigSources, read: ReadText): Certificates {
  const texts = new Map<string, string>();
  const problems: Problem[] = [];
  // Each file is read and parsed once: thousands of upstreams may name the same.
  const checked = new Map<string, CheckedFile>();
  /** The text of the file at this path, if it is valid. */
  const readPem = (path: Path, kind: keyof typeof problemIn): string | undefined => {
    const name = valueAt(sources.value, path);
    if (typeof name !== "string" || name.trim() === "") return undefined;
    const file = checked.get(`${kind} ${name}`) ?? checkFile(name, kind, read);
    checked.set(`${kind} ${name}`, file);
    if ("why" in file) problems.push(sources.problemOf({ path, why: file.why, value: name }));
    else texts.set(name, file.text);
    return "why" in file ? undefined : file.text;
  };
  for (const listener of listenerPathsIn(sources.value)) {
    const [certPath, keyPath] = pairIn(listener);
    const cert = readPem(certPath, "certificate");
    const key = readPem(keyPath, "key");
    if (cert === undefined || key === undefined || isPair(cert, key)) continue;
    const why = `the key does not match the certificate in ${sources.subjectOf(certPath)}`;
    problems.push(sources.problemOf({ path: keyPath, why, value: valueAt(sources.value, keyPath) }));
  }
  for (const path of caPathsIn(sources.value)) readPem(path, "certificate");
  return { texts, problems: [...incompletePairs(sources), ...problems] };
}

type CheckedFile = { readonly text: string } | { readonly why: string };

function checkFile(name: string, kind: keyof typeof problemIn, read: ReadText): CheckedFile {
  const found = readReferencedFile(name, read);
  if ("why" in found) return found;
  const why = problemIn[kind](found.text);
  return why === undefined ? found : { why };
}

/** Reports a certificate without a key, or a key without a certificate. */
function incompletePairs(sources: ConfigSources): readonly Problem[] {
  return listenerPathsIn(sources.value).flatMap((listener) => incompletePair(sources, listener));
}

function pairIn(listener: Path): readonly [certPath: Path, keyPath: Path] {
  return [
    [...listener, "tls", "cert"],
    [...listener, "tls", "key"],
  ];
}

function incompletePair(sources: ConfigSources, listener: Path): readonly Problem[] {
  const tlsPath = [...listener, "tls"];
  const [certPath, keyPath] = pairIn(listener);
  const tls = valueAt(sources.value, tlsPath);
  if (typeof tls !== "object" || tls === null) return [];
  const [cert, key] = [valueAt(sources.value, certPath), valueAt(sources.value, keyPath)];
  if (cert !== undefined && key !== undefined) return [];
  if (cert === undefined && key === undefined) {
    return [sources.problemOf({ path: tlsPath, why: "cert and key are required", value: tls })];
  }
  const [path, value] = cert === undefined ? [keyPath, key] : [certPath, cert];
  const why =
    cert === undefined
      ? "a certificate is required too; set --tls-cert, or listen.tls.cert in the file"
      : "a private key is required too; set --tls-key, or listen.tls.key in the file";
  return [sources.problemOf({ path, why, value })];
}

function caPathsIn(value: unknown): readonly Path[] {
  return entriesOf(valueAt(value, ["pools"])).flatMap(([name, pool]) => [
    ["pools", name, "upstreamTls", "ca"],
    ...entriesOf(valueAt(pool, ["upstreams"])).map(([index]) => [
      "pools",
      name,
      "upstreams",
      index,
      "tls",
      "ca",
    ]),
  ]);
}

/** Why a text is not what it should contain. */
const problemIn = { certificate: certificatesProblem, key: privateKeyProblem };

const certificatePattern = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** Undefined if the text contains PEM certificates and all of them can be parsed. */
function certificatesProblem(text: string): string | undefined {
  const found = text.match(certificatePattern) ?? [];
  const isReadable = found.length > 0 && found.every((pem) => certificateOf(pem) !== undefined);
  if (isReadable) return undefined;
  return found.length > 0
    ? "the file contains a damaged certificate"
    : "the file contains no PEM certificate";
}

function privateKeyProblem(text: string): string | undefined {
  if (keyOf(text)) return undefined;
  if (/ENCRYPTED/.test(text)) return "the private key is encrypted; use one without a passphrase";
  return /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)
    ? "the file contains a damaged private key"
    : "the file contains no PEM private key";
}

/** The first certificate of a text: the listener's own. Certificates of its authorities follow it. */
function certificateOf(text: string): X509Certificate | undefined {
  try {
    return new X509Certificate(text.match(certificatePattern)?.[0] ?? "");
  } catch {
    return undefined;
  }
}

function keyOf(text: string): KeyObject | undefined {
  try {
    return createPrivateKey(text);
  } catch {
    return undefined;
  }
}

/** Compares the public key that belongs to the private key with the public key in the certificate. */
function isPair(cert: string, key: string): boolean {
  const encoded = (publicKey: KeyObject) =>
    publicKey.export({ type: "spki", format: "der" }).toString("base64");
  const [certificate, privateKey] = [certificateOf(cert), keyOf(key)];
  return (
    certificate !== undefined &&
    privateKey !== undefined &&
    encoded(certificate.publicKey) === encoded(createPublicKey(privateKey))
  );
}

/** Validity of the first certificate of a checked text, in epoch milliseconds. */
function validityOf(cert: string): { readonly from: number; readonly until: number } {
  const { validFrom = "", validTo = "" } = certificateOf(cert) ?? {};
  return { from: Date.parse(validFrom), until: Date.parse(validTo) };
}

/** The certificates of all listeners. Admin API and dashboard have none. */
export function certificatesOf({ listeners }: Pick<Config, "listeners">): readonly ListenerCertificate[] {
  return listeners.flatMap(({ tls }, index) => {
    if (!tls) return [];
    const { from, until } = validityOf(tls.cert);
    const listener = listeners.length === 1 ? "listen" : `listen[${index}]`;
    return [{ listener, path: tls.certPath, validFrom: from, expiresAt: until }];
  });
}
