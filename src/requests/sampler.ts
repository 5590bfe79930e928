/** Decides which requests are stored: all while traffic is low; else a sample, and the failed and slow ones within limits. */

import type { Clock } from "../lib/clock.ts";
import { rateLimit } from "../lib/rate.ts";
import { type EndedExchange, isTunnel, type RecordSink, type RequestRecord } from "../proxy/record.ts";

/** Requests stored each second regardless of their outcome. */
const sampledPerSecond = 50;

/** Additional failed, refused or retried requests: in an outage all requests fail, and a record costs a microsecond or two. */
const failedPerSecond = 200;

/** Additional requests that took longer than the limit. */
const slowPerSecond = 50;

/** Number of slowest requests that are stored, and the period that they come from. */
export const slowSpanMs = 600_000;
export const maxSlow = 100;

/** Calls `accept` for each request to store. */
export class RequestSampler implements RecordSink {
  readonly wantsChoices = true;
  readonly #clock: Clock;
  readonly #accept: (record: RequestRecord) => void;
  readonly #passSample: () => number | undefined;
  readonly #passFailed: () => number | undefined;
  readonly #passSlow: () => number | undefined;
  readonly #slowMs: number;
  /** Durations and clock times of the slowest requests, longest first. */
  #slow: { readonly durationMs: number; readonly at: number }[] = [];
  /** Minimum duration, exclusive, to be one of them. */
  #floorMs = 0;
  #cleanedAt = 0;
  /** Requests that were not sampled. */
  skipped = 0;

  /** @param slowMs a request that took as long as this is wanted, within a limit */
  constructor(clock: Clock, accept: (record: RequestRecord) => void, slowMs = Number.POSITIVE_INFINITY) {
    this.#clock = clock;
    this.#accept = accept;
    this.#passSample = rateLimit(sampledPerSecond, clock);
    this.#passFailed = rateLimit(failedPerSecond, clock);
    this.#passSlow = rateLimit(slowPerSecond, clock);
    this.#slowMs = slowMs;
  }

  wants(): boolean {
    if (this.#passSample() !== undefined) return true;
    this.skipped += 1;
    return false;
  }

  wantsSlow(durationMs: number): boolean {
    return durationMs > this.#floorMs || (durationMs >= this.#slowMs && this.#passSlow() !== undefined);
  }

  wantsFailed(): boolean {
    return this.#passFailed() !== undefined;
  }

  accept({ record }: EndedExchange): void {
    if (!isTunnel(record)) this.#recordSlow(record.durationMs);
    this.#accept(record);
  }

  #recordSlow(durationMs: number): void {
    const now = this.#clock();
    if (now - this.#cleanedAt > slowSpanMs / maxSlow) {
      this.#cleanedAt = now;
      this.#slow = this.#slow.filter(({ at }) => now - at < slowSpanMs);
    } else if (durationMs <= this.#floorMs) return;
    const index = this.#slow.findIndex((other) => other.durationMs < durationMs);
    this.#slow.splice(index < 0 ? this.#slow.length : index, 0, { durationMs, at: now });
    this.#slow.length = Math.min(this.#slow.length, maxSlow);
    this.#floorMs = this.#slow.length < maxSlow ? 0 : (this.#slow.at(-1)?.durationMs ?? 0);
  }
}
