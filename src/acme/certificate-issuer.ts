/** Keeps a certificate for each configured host: orders the first one, renews it in time, repeats what failed. */

import type { Cancel, Schedule, WallClock } from "../lib/clock.ts";
import type { Random } from "../lib/random.ts";
import { type CertificatePair, readPair } from "../tls/certificate-pair.ts";
import { type AcmeSharing, type HostLease, LeaseLostError, type SharedCertificate } from "./acme-sharing.ts";
import { OrderFailure, orderFailureOf, type OrderFailureReason, orderFailureReasons } from "./failure.ts";
import { ManagedHost } from "./managed-host.ts";
import { type AcmeSettings, directoryName } from "./settings.ts";
import type { AcmeStorage } from "./storage.ts";

export interface CertificateIssuerOptions {
  readonly storageAt: (folder: string) => AcmeStorage;
  /** Orders a certificate and stores it. Rejects with an {@link OrderFailure}. */
  readonly issue: (
    host: string,
    settings: AcmeSettings,
    run: { readonly signal: AbortSignal; readonly lease: HostLease | undefined },
  ) => Promise<CertificatePair>;
  /** With the other balancers of a fleet. */
  readonly sharing?: Pick<AcmeSharing, "lease"> | undefined;
  /** A certificate to show until there is a real one. */
  readonly placeholder: (host: string) => CertificatePair;
  /** Called with everything that is to be presented, after each change. */
  readonly publish: (pairs: readonly CertificatePair[]) => void;
  readonly observer: IssuerObserver;
  readonly wallClock: WallClock;
  readonly schedule: Schedule;
  readonly random: Random;
}

export interface IssuerObserver {
  /** Clients of this host get a self-signed certificate, which they reject. */
  placeholderShown(host: string): void;
  /** @param isEarly whether it is not valid yet by the clock of this machine */
  issued(order: {
    readonly host: string;
    readonly expiresAt: number;
    readonly isRenewal: boolean;
    readonly isEarly: boolean;
  }): void;
  /** Another balancer of the fleet has ordered it. */
  adopted(order: { readonly host: string; readonly expiresAt: number }): void;
  failed(order: {
    readonly host: string;
    readonly failure: OrderFailure;
    /** In a row. */
    readonly failures: number;
    readonly isRenewal: boolean;
    readonly nextAt: number;
    /** When the certificate in use ends. */
    readonly expiresAt: number | undefined;
  }): void;
}

/** One host, for people. Times are epoch milliseconds. */
export interface ManagedCertificate {
  readonly host: string;
  /** Name of the authority's directory, or its URL. */
  readonly directory: string;
  /** Null while a self-signed certificate is shown. */
  readonly expiresAt: number | null;
  /** When it is ordered or renewed. */
  readonly nextOrderAt: number;
  readonly isOrdering: boolean;
  /** Failed orders in a row. */
  readonly failures: number;
  /** Why the last order failed; null if it did not. */
  readonly failure: { readonly reason: string; readonly detail: string; readonly at: number } | null;
}

/** Orders at the same time: enough that a slow one does not delay the others, few enough for any authority. */
const maxOrders = 4;

/** The folder is read again this often, because another balancer may have renewed; and the wall clock may be set. */
const maxTickMs = 60_000;

/** When another balancer has the lock: how long until its certificate is looked for. */
const lockedRetryMs = 5_000;

export class CertificateIssuer {
  readonly #options: CertificateIssuerOptions;
  #hosts: ReadonlyMap<string, ManagedHost> = new Map();
  readonly #orders = new Map<string, number>();
  #stop = new AbortController();
  #cancelTick: Cancel | undefined;
  #isRunning = false;
  #publishedEarly = false;

  constructor(options: CertificateIssuerOptions) {
    this.#options = options;
    for (const result of ["issued", ...orderFailureReasons]) this.#orders.set(result, 0);
  }

  /** Orders by result since the start: "issued" or the reason of the failure. */
  get orders(): ReadonlyMap<string, number> {
    return this.#orders;
  }

  get certificates(): readonly ManagedCertificate[] {
    return [...this.#hosts.values()].map((host) => ({
      host: host.name,
      directory: directoryName(host.settings.directory),
      expiresAt: host.pair?.expiresAt ?? null,
      nextOrderAt: host.nextAt,
      isOrdering: host.isOrdering,
      failures: host.failures,
      failure: host.lastFailure ?? null,
    }));
  }

  /** Reads what is stored and publishes something for each host. Call it before clients connect, and after a reload. */
  configure(entries: readonly AcmeSettings[]): void {
    const before = this.#hosts;
    const hosts = new Map<string, ManagedHost>();
    for (const settings of entries) {
      for (const name of settings.hosts) {
        const known = before.get(name);
        const isSame = known && sameAuthority(known.settings, settings);
        const host = isSame
          ? known
          : new ManagedHost(name, settings, this.#options.storageAt(settings.storage));
        if (!isSame) this.#load(host);
        hosts.set(name, host);
      }
    }
    this.#hosts = hosts;
    for (const host of hosts.values()) this.#ensureShown(host);
    this.#publish();
    if (this.#isRunning) this.#tick();
  }

  /** Starts to order. */
  start(): void {
    if (this.#stop.signal.aborted) this.#stop = new AbortController();
    this.#isRunning = true;
    this.#tick();
  }

  /** Orders under way are broken off; they go on after the next start. */
  stop(): void {
    this.#isRunning = false;
    this.#cancelTick?.();
    this.#stop.abort();
  }

  #load(host: ManagedHost): void {
    try {
      host.load();
    } catch (error) {
      this.#failed(host, orderFailureOf(error));
    }
  }

  #ensureShown(host: ManagedHost): void {
    if (host.pair || host.placeholder) return;
    host.placeholder = this.#options.placeholder(host.name);
    this.#options.observer.placeholderShown(host.name);
  }

  #tick(): void {
    if (!this.#isRunning) return;
    const now = this.#options.wallClock();
    let isChanged = this.#publishedEarly;
    for (const host of this.#hosts.values()) {
      if (!host.isOrdering && this.#adopted(host)) isChanged = true;
    }
    if (isChanged) this.#publish();
    for (const host of this.#hosts.values()) {
      const isFull = [...this.#hosts.values()].filter(({ isOrdering }) => isOrdering).length >= maxOrders;
      if (!isFull && !host.isOrdering && host.nextAt <= now) void this.#order(host);
    }
    this.#scheduleTick();
  }

  #scheduleTick(): void {
    const { schedule, wallClock } = this.#options;
    this.#cancelTick?.();
    if (!this.#isRunning) return;
    const waiting = [...this.#hosts.values()].filter(({ isOrdering }) => !isOrdering);
    const delay = Math.min(...waiting.map(({ nextAt }) => nextAt - wallClock()), maxTickMs);
    // A host that is due and has no place waits for the end of an order.
    this.#cancelTick = schedule(Math.max(delay, 1_000), () => this.#tick());
  }

  /** Whether another balancer has stored a certificate. */
  #adopted(host: ManagedHost): boolean {
    try {
      return host.adoptStored();
    } catch {
      return false;
    }
  }

  async #order(host: ManagedHost): Promise<void> {
    const { wallClock, random, issue, observer, sharing } = this.#options;
    const isRenewal = host.pair !== undefined;
    host.isOrdering = true;
    let lock: ReturnType<AcmeStorage["lock"]>;
    let lease: HostLease | undefined;
    try {
      lock = host.storage.lock(host.name, wallClock);
      if (!lock) {
        host.nextAt = wallClock() + lockedRetryMs;
        return;
      }
      if (sharing) {
        lease = await sharing.lease(host.name);
        if (!lease) {
          host.nextAt = wallClock() + lockedRetryMs;
          return;
        }
        this.#take(host, lease);
      }
      // Another balancer may have been faster.
      if (host.adoptStored()) this.#publish();
      else host.adoptFailure(random);
      if (host.nextAt > wallClock()) return;
      const signal = lease ? AbortSignal.any([this.#stop.signal, lease.lost]) : this.#stop.signal;
      const pair = await issue(host.name, host.settings, { signal, lease });
      const skew = host.issued(pair, wallClock());
      this.#publish();
      if (skew === "ahead") throw new OrderFailure("clock_skewed", skewText);
      this.#count("issued");
      observer.issued({ host: host.name, expiresAt: pair.expiresAt, isRenewal, isEarly: skew === "behind" });
    } catch (error) {
      if (lease?.lost.aborted || error instanceof LeaseLostError) host.nextAt = wallClock() + lockedRetryMs;
      else if (!this.#stop.signal.aborted) {
        const failure = orderFailureOf(error);
        this.#failed(host, failure);
        await lease?.saveFailure(sharedFailureOf(host, failure)).catch(() => {});
      }
    } finally {
      if (lease) await lease.release();
      host.isOrdering = false;
      lock?.release();
      this.#tick();
    }
  }

  /** What the fleet knows of the host, as if this balancer had done it. */
  #take({ name, storage, pair: own }: ManagedHost, { certificate, order, failure }: HostLease): void {
    const pair = certificate && pairOf(name, certificate);
    if (certificate && pair && pair.validFrom > (own?.validFrom ?? -Infinity)) {
      storage.saveCertificate(name, pair);
      storage.saveMeta(name, { directory: certificate.directory });
    }
    if (order) storage.saveOrder(name, order);
    if (!failure) return;
    const { ageMs, ...rest } = failure;
    const failedAt = this.#options.wallClock() - ageMs;
    storage.saveMeta(name, { directory: storage.meta(name).directory, failedAt, ...rest });
  }

  /** The certificates of authorities that are in use, with their directories. */
  get held(): readonly HeldCertificate[] {
    return [...this.#hosts.values()].map(({ name, pair, storage, settings }) => ({
      host: name,
      directory: () => storage.meta(name).directory ?? settings.directory,
      ...(pair && { pair }),
    }));
  }

  /** Uses a certificate that another balancer has ordered. Nothing happens if it is not for the host. */
  adopt(name: string, certificate: SharedCertificate): void {
    const host = this.#hosts.get(name);
    const pair = pairOf(name, certificate);
    if (!host || !pair || pair.fingerprint === host.pair?.fingerprint) return;
    try {
      host.storage.saveCertificate(name, pair);
      host.storage.saveMeta(name, { directory: certificate.directory });
      if (!host.adoptStored()) return;
    } catch (error) {
      return this.#failed(host, orderFailureOf(error));
    }
    this.#publish();
    this.#options.observer.adopted({ host: name, expiresAt: pair.expiresAt });
    this.#scheduleTick();
  }

  #failed(host: ManagedHost, failure: OrderFailure): void {
    const { wallClock, random, observer } = this.#options;
    this.#count(failure.reason);
    try {
      host.failed(failure, wallClock(), random);
    } catch {
      // The folder cannot be written; what is in memory counts.
    }
    observer.failed({
      host: host.name,
      failure,
      failures: host.failures,
      isRenewal: host.pair !== undefined,
      nextAt: host.nextAt,
      expiresAt: host.pair?.expiresAt,
    });
  }

  #count(result: "issued" | OrderFailureReason): void {
    this.#orders.set(result, (this.#orders.get(result) ?? 0) + 1);
  }

  #publish(): void {
    const now = this.#options.wallClock();
    const hosts = [...this.#hosts.values()];
    const shown = hosts.map((host) => host.presented(now));
    this.#publishedEarly = shown.some((pairs) => pairs.length > 1);
    this.#options.publish(shown.flat());
  }
}

export interface HeldCertificate {
  readonly host: string;
  readonly pair?: CertificatePair;
  /** Reads it from the folder. */
  readonly directory: () => string;
}

/** Undefined for one that cannot be used for the host. */
function pairOf(host: string, { cert, key }: SharedCertificate): CertificatePair | undefined {
  const pair = readPair({ cert, key, source: host });
  return "why" in pair || !pair.names.includes(host) ? undefined : pair;
}

function sharedFailureOf({ failures }: ManagedHost, { reason, message, retryAfterMs }: OrderFailure) {
  return { failures, reason, detail: message, ...(retryAfterMs !== undefined && { retryAfterMs }) };
}

const skewText = "the new certificate is due for renewal already: the clock of this machine may be wrong";

function sameAuthority(one: AcmeSettings, other: AcmeSettings): boolean {
  const comparable = ({ hosts: _, ...rest }: AcmeSettings) => JSON.stringify(rest);
  return comparable(one) === comparable(other);
}
