/** Accounts, leases and certificates of a fleet in its store. Private keys are sealed with the key of the fleet. */

import {
  type AcmeSharing,
  type HostLease,
  LeaseLostError,
  type SharedCertificate,
  type SharedFailure,
} from "../acme/acme-sharing.ts";
import { OrderFailure } from "../acme/failure.ts";
import { directoryLabel } from "../acme/settings.ts";
import type { StoredAccount, StoredOrder } from "../acme/storage.ts";
import { type Cancel, repeat, type Schedule } from "../lib/clock.ts";
import { areStrings, asArray, asRecord, parseJson } from "../lib/json.ts";
import type { CertificatePair } from "../tls/certificate-pair.ts";
import {
  offerScript,
  readScript,
  releaseScript,
  renewScript,
  takeScript,
  writeScript,
} from "./acme-scripts.ts";
import type { Seal } from "./seal.ts";
import { type FleetStore, FleetStoreError } from "./store.ts";

export interface LeaseTimes {
  /** Without being prolonged, a lease ends after this. */
  readonly lifeMs: number;
  readonly renewMs: number;
}

const leaseTimes: LeaseTimes = { lifeMs: 30_000, renewMs: 10_000 };

export interface AcmeStoreOptions {
  readonly store: Pick<FleetStore, "eval" | "get" | "set" | "publish">;
  readonly seal: Seal;
  /** Of this balancer. */
  readonly name: string;
  readonly schedule: Schedule;
  readonly times?: LeaseTimes;
}

/** Messages of this channel say that there is something to look at. */
export const acmeChannel = "acme";

export const hostKey = (host: string) => `acme:host:${host}`;
const leaseKey = (host: string) => `acme:lease:${host}`;
const accountKey = (directory: string) => `acme:account:${directoryLabel(directory)}`;
const fenceKey = "acme:fence";

const unreadable = (what: string) =>
  new OrderFailure(
    "fleet_failed",
    `the ${what} in the store of the fleet cannot be read: it was sealed with another key, or is damaged`,
  );

export class AcmeStore implements Pick<AcmeSharing, "lease" | "account" | "saveAccount"> {
  readonly #options: AcmeStoreOptions;
  readonly #times: LeaseTimes;

  constructor(options: AcmeStoreOptions) {
    this.#options = options;
    this.#times = options.times ?? leaseTimes;
  }

  async lease(host: string): Promise<HostLease | undefined> {
    const { store, name } = this.#options;
    const keys = [leaseKey(host), fenceKey, hostKey(host)];
    let reply: readonly unknown[];
    try {
      reply = asArray(await store.eval(takeScript, keys, [name, this.#times.lifeMs]));
    } catch (error) {
      if (error instanceof FleetStoreError) return undefined;
      throw error;
    }
    const [fence, order, failure, ageMs, certificate] = reply;
    if (typeof fence !== "string") return undefined;
    const held = new StoredLease(host, `${fence} ${name}`, fence, this.#options, this.#times);
    try {
      // An unreadable order is begun again; another certificate than the fleet's would be ordered for nothing.
      const shared = this.#certificateIn(host, certificate);
      if (certificate !== "" && !shared) throw unreadable(`certificate of ${host}`);
      return held.with({
        order: this.#orderIn(host, order),
        failure: failureIn(failure, ageMs),
        certificate: shared,
      });
    } catch (error) {
      await held.release();
      throw error;
    }
  }

  async account(directory: string, own: StoredAccount): Promise<StoredAccount> {
    const { store, seal, schedule } = this.#options;
    const key = accountKey(directory);
    const sealed = seal.close(key, JSON.stringify(own));
    await patiently(schedule, () => store.set(key, sealed, { ifAbsent: true }));
    const text = seal.open(key, (await patiently(schedule, () => store.get(key))) ?? "");
    const { key: accountKeyText, url, email } = asRecord(parseJson(text ?? ""));
    if (typeof accountKeyText !== "string") throw unreadable("account");
    return {
      key: accountKeyText,
      ...(typeof url === "string" && { url }),
      ...(typeof email === "string" && { email }),
    };
  }

  async saveAccount(directory: string, account: StoredAccount): Promise<void> {
    const { store, seal } = this.#options;
    const key = accountKey(directory);
    // It was registered: with the store away, the next order does that again with the same key.
    await store.set(key, seal.close(key, JSON.stringify(account))).catch(() => {});
  }

  /** Undefined if there is none that can be read. */
  async certificate(host: string): Promise<SharedCertificate | undefined> {
    return this.#certificateIn(host, await this.#options.store.eval(readScript, [hostKey(host)], []));
  }

  /** Puts a certificate into a store that has none, or an older one. */
  async offer(host: string, pair: CertificatePair, directory: string): Promise<void> {
    const { cert, key, validFrom, fingerprint } = pair;
    const sealed = this.#options.seal.close(hostKey(host), JSON.stringify({ cert, key, directory }));
    await this.#options.store.eval(offerScript, [hostKey(host)], [validFrom, fingerprint, sealed]);
  }

  #certificateIn(host: string, sealed: unknown): SharedCertificate | undefined {
    const text = typeof sealed === "string" ? this.#options.seal.open(hostKey(host), sealed) : undefined;
    const { cert, key, directory } = asRecord(parseJson(text ?? ""));
    if (!areStrings([cert, key, directory])) return undefined;
    return { cert: String(cert), key: String(key), directory: String(directory) };
  }

  #orderIn(host: string, sealed: unknown): StoredOrder | undefined {
    const text =
      typeof sealed === "string" ? this.#options.seal.open(`${hostKey(host)} order`, sealed) : undefined;
    const { url, directory, key } = asRecord(parseJson(text ?? ""));
    if (!areStrings([url, directory, key])) return undefined;
    return { url: String(url), directory: String(directory), key: String(key) };
  }
}

const [maxTries, retryMs] = [5, 500];

/** A moment without the store must not cost the minute after which a failed order is repeated. */
export async function patiently<Reply>(schedule: Schedule, call: () => Promise<Reply>): Promise<Reply> {
  for (let tries = 1; ; tries++) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof FleetStoreError)) throw error;
      if (tries >= maxTries)
        throw new OrderFailure("fleet_failed", `the store of the fleet: ${error.message}`);
    }
    await new Promise<void>((resolve) => void schedule(retryMs, resolve));
  }
}

const maxTextLength = 300;

function failureIn(text: unknown, ageMs: unknown): SharedFailure | undefined {
  const { failures, reason, detail, retryAfterMs } = asRecord(
    parseJson(typeof text === "string" ? text : ""),
  );
  if (typeof failures !== "number" || !Number.isSafeInteger(failures) || failures < 1) return undefined;
  if (typeof reason !== "string" || typeof detail !== "string" || typeof ageMs !== "number") return undefined;
  const retry = typeof retryAfterMs === "number" && retryAfterMs >= 0 ? { retryAfterMs } : {};
  return {
    failures,
    reason: reason.slice(0, maxTextLength),
    detail: detail.slice(0, maxTextLength),
    ageMs,
    ...retry,
  };
}

type FoundOfHost = Pick<HostLease, "order" | "failure" | "certificate">;

class StoredLease implements HostLease {
  readonly #host: string;
  readonly #content: string;
  readonly #fence: string;
  readonly #options: AcmeStoreOptions;
  readonly #ended = new AbortController();
  readonly #cancels: readonly Cancel[];
  #cancelEnd: Cancel = () => {};
  #found: FoundOfHost = { order: undefined, failure: undefined, certificate: undefined };

  constructor(host: string, content: string, fence: string, options: AcmeStoreOptions, times: LeaseTimes) {
    this.#host = host;
    this.#content = content;
    this.#fence = fence;
    this.#options = options;
    this.#cancels = [repeat(options.schedule, times.renewMs, () => void this.#renew(times.lifeMs))];
    this.#endAfter(times.lifeMs);
  }

  with(found: FoundOfHost): this {
    this.#found = found;
    return this;
  }

  get order(): StoredOrder | undefined {
    return this.#found.order;
  }

  get failure(): SharedFailure | undefined {
    return this.#found.failure;
  }

  get certificate(): SharedCertificate | undefined {
    return this.#found.certificate;
  }

  get lost(): AbortSignal {
    return this.#ended.signal;
  }

  saveOrder(order: StoredOrder | undefined): Promise<void> {
    const name = `${hostKey(this.#host)} order`;
    return this.#write({ order: order ? this.#options.seal.close(name, JSON.stringify(order)) : "" });
  }

  async saveCertificate(pair: CertificatePair, directory: string): Promise<void> {
    const { cert, key, validFrom, fingerprint } = pair;
    const { seal, store } = this.#options;
    const certificate = seal.close(hostKey(this.#host), JSON.stringify({ cert, key, directory }));
    const facts = { from: String(validFrom), mark: fingerprint };
    await this.#write({ ...facts, certificate, order: "", failure: "" });
    await store.publish(acmeChannel, "certificate").catch(() => {});
  }

  saveFailure(failure: Omit<SharedFailure, "ageMs">): Promise<void> {
    return this.#write({ failure: JSON.stringify(failure), failedAt: "now" });
  }

  async release(): Promise<void> {
    this.#stop();
    await this.#options.store.eval(releaseScript, [leaseKey(this.#host)], [this.#content]).catch(() => {});
  }

  /** What the store does not get now, it gets when the certificate is there. */
  async #write(fields: Readonly<Record<string, string>>): Promise<void> {
    const args = [this.#fence, ...Object.entries(fields).flat()];
    let reply: unknown = 1;
    try {
      reply = await this.#options.store.eval(writeScript, [hostKey(this.#host)], args);
    } catch (error) {
      if (!(error instanceof FleetStoreError)) throw error;
    }
    if (reply === 1) return;
    this.#lose();
    throw new LeaseLostError("Cannot go on with the order: another balancer orders this certificate");
  }

  async #renew(lifeMs: number): Promise<void> {
    try {
      const reply = await this.#options.store.eval(
        renewScript,
        [leaseKey(this.#host)],
        [this.#content, lifeMs],
      );
      if (reply === 1) this.#endAfter(lifeMs);
      else this.#lose();
    } catch {
      // It may be prolonged later; else it ends by its time.
    }
  }

  #endAfter(lifeMs: number): void {
    this.#cancelEnd();
    this.#cancelEnd = this.#options.schedule(lifeMs, () => this.#lose());
  }

  #lose(): void {
    this.#stop();
    this.#ended.abort();
  }

  #stop(): void {
    this.#cancelEnd();
    for (const cancel of this.#cancels) cancel();
  }
}
