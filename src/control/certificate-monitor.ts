/** Watches how near the end of the balancer's own certificates is, and tells the record and the log at each notice, once. */

import {
  type CertificateStage,
  describeExpiry,
  type ListenerCertificate,
  stageOf,
  certificateStatus,
} from "../tls/expiry.ts";
import { type Cancel, repeat, type Schedule, type WallClock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { CertificateSnapshot } from "../snapshot/snapshot.ts";
import type { EventLog } from "./event-log.ts";

export interface CertificateMonitorOptions {
  /** Those that clients see until the process ends: another one in its file is none yet. */
  readonly certificates: readonly ListenerCertificate[];
  readonly eventLog: Pick<EventLog, "add">;
  readonly log: Log;
  readonly wallClock: WallClock;
  readonly schedule: Schedule;
}

/** Often, since the time of day may be set, and a machine may sleep. */
const checkIntervalMs = 60_000;

/**
 * ```
 *  early ──▶ valid ──▶ 30 ──▶ 7 ──▶ 1 day left ──▶ expired
 * ```
 */
export class CertificateMonitor {
  readonly #options: CertificateMonitorOptions;
  /** As last told. */
  readonly #stages = new Map<ListenerCertificate, CertificateStage>();
  #cancel: Cancel | undefined;

  constructor(options: CertificateMonitorOptions) {
    this.#options = options;
  }

  /** Undefined where clients come over plain HTTP. */
  get snapshot(): readonly CertificateSnapshot[] | undefined {
    const { certificates, wallClock } = this.#options;
    if (certificates.length === 0) return undefined;
    const now = wallClock();
    return certificates.map((certificate) => ({
      ...certificate,
      status: certificateStatus(stageOf(certificate, now)),
    }));
  }

  /** Looks now and from then on. What there is to tell now is in the log already, with the configuration's warnings. */
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

  /** Puts on record what is new. @returns whether there was something */
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
    const fields = { listener, path, expiresAt: new Date(expiresAt).toISOString() };
    const description = describeExpiry(certificate, wallClock());
    if (description === undefined) log.info("certificate is valid", fields);
    else log.warn(`certificate ${description}`, fields);
  }
}
