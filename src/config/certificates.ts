/** Reads the certificates and keys that a configuration names, and says what is wrong with them, never what is in them. */

import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from "node:crypto";
import { entriesOf, type ConfigSources, valueAt } from "./sources.ts";
import { readReferencedFile, type ReadText } from "./yaml-file.ts";
import type { Path, Problem } from "./problem.ts";
import type { ListenerCertificate } from "../tls/expiry.ts";
import type { Config } from "./config.ts";

export interface Certificates {
  /** Texts of the files that could be read, by path. */
  readonly texts: ReadonlyMap<string, string>;
  readonly problems: readonly Problem[];
}

const certPath = ["listen", "tls", "cert"];
const keyPath = ["listen", "tls", "key"];

/** Works on anything: what is no path at all is refused elsewhere. */
export function readCertificates(sources: ConfigSources, read: ReadText): Certificates {
  const texts = new Map<string, string>();
  const problems: Problem[] = [];
  /** The text there, if it is one of those that are wanted. */
  const take = (path: Path, problem: (text: string) => string | undefined): string | undefined => {
    const name = valueAt(sources.value, path);
    if (typeof name !== "string" || name.trim() === "") return undefined;
    const found = readReferencedFile(name, read);
    const why = "why" in found ? found.why : problem(found.text);
    if (why !== undefined) problems.push(sources.problemOf({ path, why, value: name }));
    if ("why" in found || why !== undefined) return undefined;
    texts.set(name, found.text);
    return found.text;
  };
  const cert = take(certPath, certificatesProblem);
  const key = take(keyPath, privateKeyProblem);
  if (cert !== undefined && key !== undefined && !isPair(cert, key)) {
    const why = `it is not the key of the certificate in ${sources.subjectOf(certPath)}`;
    problems.push(sources.problemOf({ path: keyPath, why, value: valueAt(sources.value, keyPath) }));
  }
  for (const path of caPathsIn(sources.value)) take(path, certificatesProblem);
  return { texts, problems: [...halves(sources), ...problems] };
}

/** A certificate without its key, or a key without its certificate. */
function halves(sources: ConfigSources): readonly Problem[] {
  const tls = valueAt(sources.value, ["listen", "tls"]);
  if (typeof tls !== "object" || tls === null) return [];
  const [cert, key] = [valueAt(sources.value, certPath), valueAt(sources.value, keyPath)];
  if (cert !== undefined && key !== undefined) return [];
  if (cert === undefined && key === undefined) {
    return [sources.problemOf({ path: ["listen", "tls"], why: "it needs cert and key", value: tls })];
  }
  const [path, value] = cert === undefined ? [keyPath, key] : [certPath, cert];
  const missing =
    cert === undefined
      ? "a certificate (--tls-cert, or listen.tls.cert"
      : "a key (--tls-key, or listen.tls.key";
  return [sources.problemOf({ path, why: `it needs ${missing} in the file) beside it`, value })];
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

const certificatePattern = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** Undefined if the text has certificates as PEM, and all of them can be read. */
function certificatesProblem(text: string): string | undefined {
  const found = text.match(certificatePattern) ?? [];
  const isReadable = found.length > 0 && found.every((one) => certificateOf(one) !== undefined);
  if (isReadable) return undefined;
  return found.length > 0 ? "a certificate in it is damaged" : "there is no PEM certificate in it";
}

function privateKeyProblem(text: string): string | undefined {
  if (keyOf(text)) return undefined;
  if (/ENCRYPTED/.test(text)) return "it needs a key without a passphrase";
  return /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)
    ? "the key in it is damaged"
    : "there is no PEM private key in it";
}

/** The first one, which is the listener's own; those of its authorities follow. */
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

/** By the public half, which a key has as well as its certificate. */
function isPair(cert: string, key: string): boolean {
  const publicHalf = (half: KeyObject | undefined) =>
    half?.export({ type: "spki", format: "der" }).toString("base64");
  const [owner, own] = [certificateOf(cert), keyOf(key)];
  return (
    owner !== undefined &&
    own !== undefined &&
    publicHalf(owner.publicKey) === publicHalf(createPublicKey(own))
  );
}

/** Epoch milliseconds from and until which the first certificate of a text that was checked is good. */
export function validityOf(cert: string): { readonly from: number; readonly until: number } {
  const { validFrom = "", validTo = "" } = certificateOf(cert) ?? {};
  return { from: Date.parse(validFrom), until: Date.parse(validTo) };
}

/** Those of all listeners: admin API and dashboard have none. */
export function certificatesOf({ listen: { tls } }: Pick<Config, "listen">): readonly ListenerCertificate[] {
  if (!tls) return [];
  const { from, until } = validityOf(tls.cert);
  return [{ listener: "listen", path: tls.certPath, validFrom: from, expiresAt: until }];
}
