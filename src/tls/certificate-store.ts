/** The certificates of all TLS listeners, found by the name that a client sends (SNI, RFC 6066 section 3). */

import { systemWallClock, type WallClock } from "../lib/clock.ts";
import type { CertificatePair } from "./certificate-pair.ts";

/** All certificates, as workers receive them. */
export interface StoreContent {
  readonly sources: readonly (readonly [source: string, pairs: readonly CertificatePair[]])[];
  readonly challenges: readonly (readonly [name: string, pair: CertificatePair])[];
}

export class CertificateStore {
  readonly #wallClock: WallClock;
  readonly #sources = new Map<string, readonly CertificatePair[]>();
  /** Answers to tls-alpn-01 (RFC 8737), by name. */
  readonly #challenges = new Map<string, CertificatePair>();
  /** All certificates for a name, in the order of the sources. A wildcard is found by its name with the asterisk. */
  #byName: ReadonlyMap<string, readonly CertificatePair[]> = new Map();
  #bySource: ReadonlyMap<string, CertificatePair> = new Map();
  readonly #listeners = new Set<() => void>();

  constructor(wallClock: WallClock = systemWallClock) {
    this.#wallClock = wallClock;
  }

  /** In the order in which sources were added first. */
  get all(): readonly CertificatePair[] {
    return [...this.#sources.values()].flat();
  }

  /** For clients that send no name, or one that no certificate covers. */
  get default(): CertificatePair | undefined {
    const [first] = this.all;
    const name = first?.names[0];
    // Its successor may be another entry.
    return name === undefined ? first : (this.#best(name) ?? first);
  }

  /** Replaces all certificates of one source. @param source "configuration", "acme" … */
  replace(source: string, pairs: readonly CertificatePair[]): void {
    this.#sources.set(source, pairs);
    this.#changed();
  }

  /** Sets the certificate that answers tls-alpn-01 for a name, or removes it. */
  setChallenge(name: string, pair: CertificatePair | undefined): void {
    if (pair) this.#challenges.set(name.toLowerCase(), pair);
    else this.#challenges.delete(name.toLowerCase());
    for (const listener of [...this.#listeners]) listener();
  }

  /** For a client that selected the protocol acme-tls/1. */
  alpnChallenge(serverName: string): CertificatePair | undefined {
    return this.#challenges.get(plainName(serverName));
  }

  fromSource(source: string): CertificatePair | undefined {
    return this.#bySource.get(source);
  }

  /**
   * The certificate for this name itself, else for its wildcard (one label, RFC 6125 section 6.4.3).
   * @param preferred one that is taken if it is for the name and valid now
   */
  forName(serverName: string, preferred?: CertificatePair): CertificatePair | undefined {
    const name = plainName(serverName);
    const now = this.#wallClock();
    const dot = name.indexOf(".");
    const wild = dot > 0 ? `*${name.slice(dot)}` : name;
    if (preferred && isValid(preferred, now) && preferred.names.some((one) => one === name || one === wild))
      return preferred;
    const exact = this.#best(name);
    if (exact && isValid(exact, now)) return exact;
    const wildcard = this.#best(wild);
    return wildcard && (exact === undefined || isValid(wildcard, now)) ? wildcard : exact;
  }

  /** Calls `listener` after every change. @returns a function that ends this */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  get content(): StoreContent {
    return { sources: [...this.#sources], challenges: [...this.#challenges] };
  }

  /** Takes over the content of another store. */
  adopt({ sources, challenges }: StoreContent): void {
    // What has not changed stays the same object, for which a TLS context may exist.
    const known = new Map(this.all.map((pair) => [identityOf(pair), pair]));
    this.#sources.clear();
    this.#challenges.clear();
    for (const [source, pairs] of sources)
      this.#sources.set(
        source,
        pairs.map((pair) => known.get(identityOf(pair)) ?? pair),
      );
    for (const [name, pair] of challenges) this.#challenges.set(name, pair);
    this.#changed();
  }

  /**
   * Among the valid ones, one with the kind of key that stands first in the configuration, and of these the one that ends
   * last. If none is valid, the one that ends last.
   */
  #best(name: string): CertificatePair | undefined {
    const found = this.#byName.get(name);
    if (found === undefined || found.length === 1) return found?.[0];
    const now = this.#wallClock();
    const valid = found.filter((pair) => isValid(pair, now));
    const { keyType } = valid[0] ?? {};
    const eligible = valid.length > 0 ? valid.filter((pair) => pair.keyType === keyType) : found;
    return eligible.reduce((best, pair) => (pair.expiresAt > best.expiresAt ? pair : best));
  }

  #changed(): void {
    const byName = new Map<string, CertificatePair[]>();
    for (const pair of this.all) {
      for (const name of pair.names) {
        const found = byName.get(name);
        if (found) found.push(pair);
        else byName.set(name, [pair]);
      }
    }
    this.#byName = byName;
    this.#bySource = new Map(this.all.map((pair) => [pair.source, pair]));
    for (const listener of [...this.#listeners]) listener();
  }
}

function identityOf({ source, cert, key }: CertificatePair): string {
  return `${source}\n${cert}\n${key}`;
}

/** In lower case and without a trailing dot. */
function plainName(serverName: string): string {
  const name = serverName.toLowerCase();
  return name.endsWith(".") ? name.slice(0, -1) : name;
}

function isValid({ validFrom, expiresAt }: CertificatePair, now: number): boolean {
  return validFrom <= now && now < expiresAt;
}
