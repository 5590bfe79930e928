/** What one listener presents to its TLS clients. Consulted at each handshake, because certificates change while it runs. */

import type { CertificatePair } from "./certificate-pair.ts";
import { type ClientIdentity, clientIdentityOf } from "./client-certificate.ts";
import type { CertificateStore } from "./certificate-store.ts";

/** The default is first. */
export const tlsVersions = ["1.2", "1.3"] as const;
export type TlsVersion = (typeof tlsVersions)[number];

/** SSL_OP_NO_TLSv1_2. */
const withoutTls12 = 0x0800_0000;

/** The versions as options of Bun's listeners, which ignore `minVersion`. */
export function bunVersionsOf({ minVersion }: { readonly minVersion: TlsVersion }): {
  readonly secureOptions?: number;
} {
  return minVersion === "1.3" ? { secureOptions: withoutTls12 } : {};
}

export const clientVerifications = ["required", "optional"] as const;
export type ClientVerification = (typeof clientVerifications)[number];

/** How certificates of clients are verified. */
export interface ClientCertificates {
  /** PEM text of the trusted authorities. */
  readonly ca: string;
  readonly verify: ClientVerification;
  /** Whether upstreams get the client's certificate in Client-Cert (RFC 9440). */
  readonly forward: boolean;
  /** The names for which they are verified, *.example.com too; undefined for all. */
  readonly hosts?: readonly string[];
}

/** Whether a list has this name, or its wildcard (one label, RFC 6125 section 6.4.3). In lower case. */
export function isNameIn(name: string, names: readonly string[]): boolean {
  if (names.includes(name)) return true;
  const dot = name.indexOf(".");
  return dot > 0 && names.includes(`*${name.slice(dot)}`);
}

/** What the runtime says of the certificate of a client. */
export interface ShownCertificate {
  readonly der: Uint8Array | undefined;
  readonly isVerified: boolean;
  readonly why: string;
}

/** @returns why a handshake is refused because of the client's certificate; the identity of the client, if it has one */
export function judgeClient(
  options: ClientCertificates,
  serverName: string | undefined,
  { der, isVerified, why }: ShownCertificate,
): { readonly refusal?: string; readonly client?: ClientIdentity } {
  const { hosts, verify } = options;
  if (hosts && !(serverName !== undefined && isNameIn(serverName.toLowerCase(), hosts))) return {};
  if (der === undefined) return verify === "required" ? { refusal: "no client certificate" } : {};
  if (!isVerified) return { refusal: `client certificate: ${why}` };
  try {
    return { client: clientIdentityOf(der) };
  } catch (error) {
    // Its encoding is one that the runtime accepts and we do not.
    return { refusal: `client certificate: ${String(error)}` };
  }
}

export interface ListenerTls {
  readonly minVersion: TlsVersion;
  readonly clientCertificates?: ClientCertificates;
  /** All certificates, for a runtime that cannot ask at each handshake. */
  readonly all: readonly CertificatePair[];
  /** The certificate for a handshake; undefined refuses it. @param serverName the name that the client sent (SNI) */
  certificateFor(serverName: string | undefined): CertificatePair | undefined;
  /** Whether there may be challenges: then each handshake has to be looked at before it begins. */
  readonly answersChallenges: boolean;
  /** For a client that selected acme-tls/1 (RFC 8737). */
  alpnChallenge(serverName: string): CertificatePair | undefined;
  /** Calls `listener` after certificates have changed. @returns a function that ends this */
  onChange(listener: () => void): () => void;
}

export interface ListenerTlsOptions {
  readonly minVersion: TlsVersion;
  /** The name whose certificate is for clients without a name, or with one that no certificate covers. */
  readonly defaultName?: string;
  /** The source of the listener's own certificate: its default, and preferred for the names that it is for. */
  readonly ownSource?: string;
  /** Whether the handshakes of such clients are refused. */
  readonly strictSni: boolean;
  readonly answersChallenges?: boolean;
  readonly clientCertificates?: ClientCertificates;
}

export class StoredListenerTls implements ListenerTls {
  readonly minVersion: TlsVersion;
  readonly answersChallenges: boolean;
  readonly clientCertificates?: ClientCertificates;
  readonly #store: CertificateStore;
  readonly #strictSni: boolean;
  readonly #defaultName: string | undefined;
  readonly #ownSource: string | undefined;

  constructor(store: CertificateStore, options: ListenerTlsOptions) {
    this.#store = store;
    this.minVersion = options.minVersion;
    this.answersChallenges = options.answersChallenges ?? false;
    this.#strictSni = options.strictSni;
    this.#defaultName = options.defaultName;
    this.#ownSource = options.ownSource;
    if (options.clientCertificates) this.clientCertificates = options.clientCertificates;
  }

  get all(): readonly CertificatePair[] {
    return this.#store.all;
  }

  certificateFor(serverName: string | undefined): CertificatePair | undefined {
    const own = this.#ownSource === undefined ? undefined : this.#store.fromSource(this.#ownSource);
    const found = serverName ? this.#store.forName(serverName, own) : undefined;
    if (found || this.#strictSni) return found;
    const named = this.#defaultName === undefined ? undefined : this.#store.forName(this.#defaultName);
    return named ?? own ?? this.#store.default;
  }

  alpnChallenge(serverName: string): CertificatePair | undefined {
    return this.#store.alpnChallenge(serverName);
  }

  onChange(listener: () => void): () => void {
    return this.#store.onChange(listener);
  }
}
