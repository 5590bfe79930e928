/** One host whose certificate is ordered and renewed: what is known of it and when the next order is due. */

import type { Random } from "../lib/random.ts";
import type { CertificatePair } from "../tls/certificate-pair.ts";
import type { OrderFailure } from "./failure.ts";
import { clockSkew, renewalTime, retryDelay, retryTimeAfterRestart } from "./schedule.ts";
import type { AcmeSettings } from "./settings.ts";
import type { AcmeStorage } from "./storage.ts";

/** The last order, if it failed. Times are epoch milliseconds. */
export interface LastFailure {
  readonly reason: string;
  readonly detail: string;
  readonly at: number;
}

/**
 * ```
 *  due ──order──▶ certificate ──two thirds of its life──▶ due
 *   ▲    └─fails──▶ waits ──┐
 *   └───────────────────────┘
 * ```
 */
export class ManagedHost {
  readonly name: string;
  readonly settings: AcmeSettings;
  readonly storage: AcmeStorage;
  /** Of the authority. */
  pair: CertificatePair | undefined;
  /** The one before, while the new one is not valid yet by this machine's clock. */
  previous: CertificatePair | undefined;
  /** Shown until there is a certificate of the authority. */
  placeholder: CertificatePair | undefined;
  /** In a row. */
  failures = 0;
  lastFailure: LastFailure | undefined;
  /** When the next order is due. */
  nextAt = 0;
  isOrdering = false;
  #mark = "";

  constructor(name: string, settings: AcmeSettings, storage: AcmeStorage) {
    this.name = name;
    this.settings = settings;
    this.storage = storage;
  }

  /** What is presented to clients. */
  presented(now: number): readonly CertificatePair[] {
    const { pair, previous, placeholder } = this;
    if (!pair) return placeholder ? [placeholder] : [];
    return previous && now < pair.validFrom && now < previous.expiresAt ? [previous, pair] : [pair];
  }

  /** Reads the stored certificate and how the last order ended. Throws if the folder cannot be read. */
  load(): void {
    this.adoptStored();
    const { failures = 0, failedAt, reason = "", detail = "", retryAfterMs } = this.storage.meta(this.name);
    if (failures === 0 || failedAt === undefined) return;
    this.failures = failures;
    this.lastFailure = { reason, detail, at: failedAt };
    this.nextAt = Math.max(this.nextAt, retryTimeAfterRestart(failedAt, retryAfterMs));
  }

  /** Takes over the stored certificate if it is another one than before. @returns whether it did */
  adoptStored(): boolean {
    const mark = this.storage.certificateMark(this.name);
    if (mark === this.#mark) return false;
    this.#mark = mark;
    const stored = this.storage.certificate(this.name);
    if (!stored || stored.fingerprint === this.pair?.fingerprint) return false;
    this.#adopt(stored);
    const { directory } = this.storage.meta(this.name);
    // A certificate of the staging authority, say, is shown until there is one of the right authority.
    const isOfThisAuthority = directory === undefined || directory === this.settings.directory;
    this.nextAt = isOfThisAuthority ? renewalTime(stored, this.name) : 0;
    this.#forgetFailures();
    return true;
  }

  /** Another balancer's failure counts for this one too: the authority limits both together. @returns whether there was one */
  adoptFailure(random: Random): boolean {
    const { failures = 0, failedAt, reason = "", detail = "", retryAfterMs } = this.storage.meta(this.name);
    if (failures === 0 || failedAt === undefined || failedAt <= (this.lastFailure?.at ?? 0)) return false;
    this.failures = failures;
    this.lastFailure = { reason, detail, at: failedAt };
    this.nextAt = failedAt + retryDelay({ failures, retryAfterMs }, random);
    return true;
  }

  /** @returns what the clock makes of the certificate */
  issued(pair: CertificatePair, now: number): ReturnType<typeof clockSkew> {
    this.#adopt(pair);
    this.#mark = this.storage.certificateMark(this.name);
    const skew = clockSkew(pair, this.name, now);
    if (skew === "ahead") return skew;
    this.nextAt = renewalTime(pair, this.name);
    this.#forgetFailures();
    this.storage.saveMeta(this.name, { directory: this.settings.directory });
    return skew;
  }

  failed({ reason, message, retryAfterMs }: OrderFailure, now: number, random: Random): void {
    this.failures += 1;
    this.lastFailure = { reason, detail: message, at: now };
    this.nextAt = now + retryDelay({ failures: this.failures, retryAfterMs }, random);
    const { directory } = this.storage.meta(this.name);
    const { failures } = this;
    const meta = { directory, failures, failedAt: now, reason, detail: message, retryAfterMs };
    this.storage.saveMeta(this.name, meta);
  }

  #adopt(pair: CertificatePair): void {
    this.previous = this.pair;
    this.pair = pair;
  }

  #forgetFailures(): void {
    this.failures = 0;
    this.lastFailure = undefined;
  }
}
