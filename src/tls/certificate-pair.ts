/** A certificate chain with its private key, read from PEM text. Problems never contain the text. */

import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from "node:crypto";

/** What is known about a certificate, without its key. Times are epoch milliseconds. */
export interface CertificateFacts {
  /** Where it comes from: the path of its file, or a few words. */
  readonly source: string;
  /** DNS names in lower case, as *.example.com for a wildcard. */
  readonly names: readonly string[];
  readonly keyType: string;
  readonly validFrom: number;
  readonly expiresAt: number;
  /** SHA-256 of the certificate, hexadecimal. */
  readonly fingerprint: string;
}

export interface CertificatePair extends CertificateFacts {
  /** The certificate and its intermediate certificates as PEM. */
  readonly cert: string;
  /** The private key as PEM. Never logged, and never part of a snapshot or a response. */
  readonly key: string;
}

export interface PairProblem {
  readonly why: string;
  /** The file that the problem is in. */
  readonly in: "cert" | "key";
}

/** Checks that both texts can be used and belong together. */
export function readPair(
  given: Pick<CertificatePair, "cert" | "key" | "source">,
): CertificatePair | PairProblem {
  const { cert, key } = given;
  const certProblem = certificatesProblem(cert);
  if (certProblem !== undefined) return { why: certProblem, in: "cert" };
  const keyProblem = privateKeyProblem(key);
  if (keyProblem !== undefined) return { why: keyProblem, in: "key" };
  const certificate = certificateOf(cert) as X509Certificate;
  if (!isKeyOf(certificate, key)) return { why: "the key does not match the certificate", in: "key" };
  return { ...factsOf(certificate, given.source), cert, key };
}

export function withoutKey({
  source,
  names,
  keyType,
  validFrom,
  expiresAt,
  fingerprint,
}: CertificatePair): CertificateFacts {
  return { source, names, keyType, validFrom, expiresAt, fingerprint };
}

function factsOf(certificate: X509Certificate, source: string): CertificateFacts {
  return {
    source,
    names: namesOf(certificate),
    keyType: certificate.publicKey.asymmetricKeyType ?? "",
    validFrom: Date.parse(certificate.validFrom),
    expiresAt: Date.parse(certificate.validTo),
    fingerprint: certificate.fingerprint256.replaceAll(":", "").toLowerCase(),
  };
}

/** The DNS names of the subject alternative names; the common name only if there are none (RFC 6125 section 6.4.4). */
function namesOf({ subjectAltName = "", subject }: X509Certificate): readonly string[] {
  const alternatives = subjectAltName
    .split(", ")
    .flatMap((name) => (name.startsWith("DNS:") ? [name.slice(4).toLowerCase()] : []))
    .filter((name) => dnsNamePattern.test(name));
  if (alternatives.length > 0) return [...new Set(alternatives)];
  const commonName = /(?:^|\n)CN=(.*)/.exec(subject)?.[1]?.toLowerCase() ?? "";
  return dnsNamePattern.test(commonName) && !subjectAltName ? [commonName] : [];
}

const dnsNamePattern = /^(?:\*\.)?[a-z\d_-]+(?:\.[a-z\d_-]+)*$/;

const certificatePattern = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** Undefined if the text contains PEM certificates and all of them can be parsed. */
export function certificatesProblem(text: string): string | undefined {
  const found = text.match(certificatePattern) ?? [];
  const isReadable = found.length > 0 && found.every((pem) => certificateOf(pem) !== undefined);
  if (isReadable) return undefined;
  return found.length > 0
    ? "the file contains a damaged certificate"
    : "the file contains no PEM certificate";
}

export function privateKeyProblem(text: string): string | undefined {
  if (keyOf(text)) return undefined;
  if (/ENCRYPTED/.test(text)) return "the private key is encrypted; use one without a passphrase";
  return /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)
    ? "the file contains a damaged private key"
    : "the file contains no PEM private key";
}

/** The first certificate of a text: the server's own. Certificates of its authorities follow it. */
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
function isKeyOf(certificate: X509Certificate, key: string): boolean {
  const encoded = (publicKey: KeyObject) =>
    publicKey.export({ type: "spki", format: "der" }).toString("base64");
  const privateKey = keyOf(key);
  return privateKey !== undefined && encoded(certificate.publicKey) === encoded(createPublicKey(privateKey));
}
