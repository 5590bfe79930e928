/** What an upstream did in the last minutes that one sample does not show: changes of its check, returns, and slow starts. */

import type { Status } from "../pool/upstream.ts";
import type { UpstreamSample } from "./sample.ts";

const changesMs = 10 * 60_000;

/** An upstream that is ejected so soon after it came back has failed its return. */
const failedReturnMs = 60_000;

/** A failed return counts for this long. */
const returnsMs = 15 * 60_000;

/** More changes than this are as good as this many. */
const maxChanges = 100;

/** How often, and for how long, reasons are read of an upstream whose errors matter: a window of half a minute. */
const reasonsMs = 5_000;
const maxReadings = 7;

export class UpstreamPast {
  #status: Status | undefined;
  #isFailing: boolean | undefined;
  #changes: number[] = [];
  #failedReturns: number[] = [];
  /** Clock time of its last return from an ejection. */
  #returnedAt = -Infinity;
  /** Errors by reason at the last readings, the oldest first. */
  #reasons: Readonly<Record<string, number>>[] = [];
  #reasonsAt = -Infinity;
  /** Errors by reason since the oldest reading of the last half minute; since the start after the first. The most frequent first. */
  recentReasons: readonly (readonly [reason: string, count: number])[] = [];
  /** Result of its last probe that failed; empty before the first. */
  failedProbe = "";
  /** Clock time of its last ejection. */
  #ejectedAt: number | undefined;
  seenAt = Number.NaN;
  /** Clock time at which its slow start began, however often it failed in between; undefined outside of one. */
  startingSince: number | undefined;
  /** An operator let it take requests again, and it has not passed since. */
  isReturning = false;

  /** @param now clock time, milliseconds */
  read(sample: UpstreamSample, now: number): void {
    const { status, isStarting } = sample;
    const before = this.#status;
    this.#status = status;
    this.seenAt = now;
    if (sample.probePassed === false) this.failedProbe = sample.probeDetail;
    if (isOutByOperator(status)) {
      this.#isFailing = undefined;
      this.isReturning = true;
      this.startingSince = undefined;
      return;
    }
    if (status === "passing") this.isReturning = false;
    this.#readCheck(status, now);
    this.#readReturn(sample, before, now);
    if (isStarting) this.startingSince ??= now;
    else if (status === "passing") this.startingSince = undefined;
  }

  #readCheck(status: Status, now: number): void {
    if (status === "checking") return;
    const isFailing = status === "failing";
    if (this.#isFailing !== undefined && isFailing !== this.#isFailing) this.#changes.push(now);
    this.#isFailing = isFailing;
    while (this.#changes.length > maxChanges || now - (this.#changes[0] ?? now) > changesMs)
      this.#changes.shift();
  }

  #readReturn(
    { status, ejectedAt, ejectionReason }: UpstreamSample,
    before: Status | undefined,
    now: number,
  ) {
    const isNew = ejectedAt !== undefined && ejectedAt !== this.#ejectedAt;
    this.#ejectedAt = ejectedAt ?? this.#ejectedAt;
    if (isComingBack(before) && status === "passing") this.#returnedAt = now;
    if (!isNew || before === undefined) return;
    // All but a failed trial happen to one that had come back: perhaps for less time than there is between two samples.
    if (isOut(before) && ejectionReason !== "probation_failed") this.#returnedAt = now;
    if (before !== "ejected" || this.#returnedAt === now) this.#readEjection(now);
  }

  #readEjection(now: number): void {
    if (now - this.#returnedAt <= failedReturnMs) this.#failedReturns.push(now);
    while (now - (this.#failedReturns[0] ?? now) > returnsMs) this.#failedReturns.shift();
  }

  /** Its check has not changed, no return has failed, and no slow start is under way. */
  get isSteady(): boolean {
    return this.#changes.length === 0 && this.#failedReturns.length === 0 && this.startingSince === undefined;
  }

  /** How often its check changed its verdict in the last ten minutes. */
  get checkChanges(): number {
    return this.#changes.length;
  }

  /** How often in the last quarter of an hour it was ejected within a minute of its return. */
  failedReturns(now: number): number {
    const times = this.#failedReturns;
    return times.length === 0 ? 0 : times.filter((time) => now - time <= returnsMs).length;
  }

  /** Reads the reasons of its errors. To be called once a second while they matter. @param now clock time, milliseconds */
  readReasons(sample: UpstreamSample, now: number): void {
    // Not in between, but the second reading comes at once: the first one has all since the start.
    if (this.#reasons.length > 1 && now - this.#reasonsAt < reasonsMs) return;
    this.#reasonsAt = now;
    const latest = sample.errorsByReason();
    const [oldest = {}] = this.#reasons;
    this.#reasons.push(latest);
    if (this.#reasons.length > maxReadings) this.#reasons.shift();
    const recent = Object.entries(latest)
      .map(([reason, count]) => [reason, count - (oldest[reason] ?? 0)] as const)
      .filter(([, count]) => count > 0)
      .sort(([, one], [, other]) => other - one);
    // Between the first two readings there may be no error at all: that says nothing new.
    if (recent.length > 0) this.recentReasons = recent;
  }

  forgetReasons(): void {
    if (this.#reasons.length === 0) return;
    this.#reasons = [];
    this.recentReasons = [];
  }
}

export function isOutByOperator(status: Status): boolean {
  return status === "draining" || status === "maintenance";
}

function isComingBack(status: Status | undefined): boolean {
  return isOut(status) || status === "failing";
}

function isOut(status: Status | undefined): boolean {
  return status === "ejected" || status === "probation";
}

/** The past of every upstream that exists. */
export class UpstreamPasts {
  readonly #pasts = new Map<string, UpstreamPast>();

  of(id: string): UpstreamPast {
    let past = this.#pasts.get(id);
    if (!past) this.#pasts.set(id, (past = new UpstreamPast()));
    return past;
  }

  /** Forgets upstreams that this sample did not have. @param count how many it had */
  prune(now: number, count: number): void {
    if (this.#pasts.size === count) return;
    for (const [id, { seenAt }] of this.#pasts) if (seenAt !== now) this.#pasts.delete(id);
  }
}
