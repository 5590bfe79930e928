/** Monitors the expiry of the listener certificates: one event and one log line at each stage. */

import { type Cancel, repeat, type Schedule, type WallClock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { CertificateSnapshot } from "../snapshot/snapshot.ts";
import {
  type CertificateStage,
  type CertificateStatus,
  certificateStatus,
  describeExpiry,
  type ListenerCertificate,
  stageOf,
} from "../tls/expiry.ts";
import type { EventLog } from "./event-log.ts";

export interface CertificateMonitorOptions {
  /** The certificates in use until the process ends. A renewed file takes effect only after a restart. */
  readonly certificates: readonly ListenerCertificate[];
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
  /** The stage recorded last. */
  readonly #stages = new Map<ListenerCertificate, CertificateStage>();
  #cancel: Cancel | undefined;

  constructor(options: CertificateMonitorOptions) {
    this.#options = options;
  }

  /** Undefined if the listener serves plain HTTP. */
  get snapshot(): readonly CertificateSnapshot[] | undefined {
    const { certificates, wallClock } = this.#options;
    if (certificates.length === 0) return undefined;
    const now = wallClock();
    return certificates.map((certificate) => ({
      ...certificate,
      status: certificateStatus(stageOf(certificate, now)),
    }));
  }

  /** Checks now, then every minute. The first check logs nothing: the configuration's warnings have done so already. */
  start(): void {
    const { certificates, schedule } = this.#options;
    if (certificates.length === 0) return;
    for (const certificate of certificates) this.#recordStage(certificate);
    this.#cancel = repeat(schedule, checkIntervalMs, () => {
      for (const certificate of certificates) if (this.#recordStage(certificate)) this.#log(certificate);
    });
  }

  stop(): void {
    this.#cancel?.();
  }

  /** Adds an event if the stage changed. @returns whether it changed */
  #recordStage(certificate: ListenerCertificate): boolean {
    const { eventLog, wallClock } = this.#options;
    const now = wallClock();
    const before = this.#stages.get(certificate);
    const stage = stageOf(certificate, now);
    this.#stages.set(certificate, stage);
    if (stage === (before ?? "valid")) return false;
    const [from, to] = [before === undefined ? "" : certificateStatus(before), certificateStatus(stage)];
    const detail = [certificate.path, describeExpiry(certificate, now)].filter(Boolean).join(" ");
    const common = { pool: null, upstream: null, reason: "time", by: "balancer" } as const;
    eventLog.add({ kind: "certificate", ...common, from: from === to ? "" : from, to, detail });
    return true;
  }

  #log(certificate: ListenerCertificate): void {
    const { log, wallClock } = this.#options;
    const { listener, path, expiresAt } = certificate;
    const status = certificateStatus(stageOf(certificate, wallClock()));
    const fields = { listener, path, expiresAt: new Date(expiresAt).toISOString() };
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
