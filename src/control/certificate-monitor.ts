/** Monitors the expiry of the certificates that listeners present: one event and one log line at each stage. */

import { type Cancel, repeat, type Schedule, type WallClock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { CertificateSnapshot } from "../snapshot/snapshot.ts";
import {
  type CertificateStage,
  type CertificateStatus,
  certificateStatus,
  describeExpiry,
  stageOf,
} from "../tls/expiry.ts";
import { type CertificateFacts, withoutKey } from "../tls/certificate-pair.ts";
import type { CertificateStore } from "../tls/certificate-store.ts";
import type { EventLog } from "./event-log.ts";

export interface CertificateMonitorOptions {
  readonly store: Pick<CertificateStore, "all" | "onChange">;
  readonly eventLog: Pick<EventLog, "add">;
  readonly log: Log;
  readonly wallClock: WallClock;
  readonly schedule: Schedule;
}

/** Short, because the wall clock may be set and a machine may sleep. */
const checkIntervalMs = 60_000;

/**
 * ```
 *  early ──▶ valid ──▶ 30 ──▶ 7 ──▶ 1 day left ──▶ expired
 * ```
 */
export class CertificateMonitor {
  readonly #options: CertificateMonitorOptions;
  /** The stage recorded last, by fingerprint. */
  #stages = new Map<string, CertificateStage>();
  #cancel: Cancel | undefined;

  constructor(options: CertificateMonitorOptions) {
    this.#options = options;
  }

  /** Undefined if there are no certificates. */
  get snapshot(): readonly CertificateSnapshot[] | undefined {
    const { store, wallClock } = this.#options;
    const { all } = store;
    if (all.length === 0) return undefined;
    const now = wallClock();
    return all.map((certificate) => ({
      ...withoutKey(certificate),
      status: certificateStatus(stageOf(certificate, now)),
    }));
  }

  /** Checks now, then every minute and after changes. The first check logs nothing: the configuration's warnings have done so already. */
  start(): void {
    const { store, schedule } = this.#options;
    this.#check(false);
    const cancelRepeat = repeat(schedule, checkIntervalMs, () => this.#check(true));
    const unfollow = store.onChange(() => this.#check(true));
    this.#cancel = () => {
      cancelRepeat();
      unfollow();
    };
  }

  #check(isLogged: boolean): void {
    const { all } = this.#options.store;
    const present = new Set(all.map(({ fingerprint }) => fingerprint));
    this.#stages = new Map([...this.#stages].filter(([fingerprint]) => present.has(fingerprint)));
    // Several entries may name one file.
    const distinct = new Map(all.map((certificate) => [certificate.fingerprint, certificate]));
    for (const certificate of distinct.values())
      if (this.#recordStage(certificate) && isLogged) this.#log(certificate);
  }

  stop(): void {
    this.#cancel?.();
  }

  /** Adds an event if the stage changed. @returns whether it changed */
  #recordStage(certificate: CertificateFacts): boolean {
    const { eventLog, wallClock } = this.#options;
    const now = wallClock();
    const before = this.#stages.get(certificate.fingerprint);
    const stage = stageOf(certificate, now);
    this.#stages.set(certificate.fingerprint, stage);
    if (stage === (before ?? "valid")) return false;
    const [from, to] = [before === undefined ? "" : certificateStatus(before), certificateStatus(stage)];
    const detail = [certificate.source, describeExpiry(certificate, now)].filter(Boolean).join(" ");
    const common = { pool: null, upstream: null, reason: "time", by: "balancer" } as const;
    eventLog.add({ kind: "certificate", ...common, from: from === to ? "" : from, to, detail });
    return true;
  }

  #log(certificate: CertificateFacts): void {
    const { log, wallClock } = this.#options;
    const { source, names, expiresAt } = certificate;
    const status = certificateStatus(stageOf(certificate, wallClock()));
    const fields = { source, names, expiresAt: new Date(expiresAt).toISOString() };
    if (status === "valid") log.info(logMessages.valid, fields);
    else log.warn(logMessages[status], fields);
  }
}

const logMessages: Readonly<Record<CertificateStatus, string>> = {
  early: "certificate not yet valid",
  valid: "certificate became valid",
  expiring: "certificate expiring",
  expired: "certificate expired",
};
