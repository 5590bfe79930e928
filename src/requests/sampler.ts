/** Decides which requests are kept: all of a quiet balancer's, of a busy one's those that tell something, and samples. */

import type { Clock } from "../lib/clock.ts";
import { rateLimit } from "../lib/rate.ts";
import { type EndedExchange, isTunnel, type RecordSink, type RequestRecord } from "../proxy/record.ts";

/** Requests kept a second whatever comes of them: more than anybody can read. */
const sampledPerSecond = 50;

/** Failed, refused or retried ones besides: in an outage that is every one, and a record costs a microsecond or two. */
const failedPerSecond = 200;

/** The slowest ones of this long, and how many of them. */
export const slowSpanMs = 600_000;
export const maxSlow = 100;

/** `take` hears of each that is kept. */
export class RequestSampler implements RecordSink {
  readonly wantsChoices = true;
  readonly #clock: Clock;
  readonly #accept: (record: RequestRecord) => void;
  readonly #maySample: () => number | undefined;
  readonly #mayFail: () => number | undefined;
  /** Durations and clock times of those that are slowest, longest first. */
  #slow: { readonly durationMs: number; readonly at: number }[] = [];
  /** What a request has to exceed to be among them. */
  #floorMs = 0;
  #cleanedAt = 0;
  /** Requests that were not kept. */
  skipped = 0;

  constructor(clock: Clock, take: (record: RequestRecord) => void) {
    this.#clock = clock;
    this.#accept = take;
    this.#maySample = rateLimit(sampledPerSecond, clock);
    this.#mayFail = rateLimit(failedPerSecond, clock);
  }

  wants(): boolean {
    if (this.#maySample() !== undefined) return true;
    this.skipped += 1;
    return false;
  }

  wantsSlow(durationMs: number): boolean {
    return durationMs > this.#floorMs;
  }

  wantsFailed(): boolean {
    return this.#mayFail() !== undefined;
  }

  accept({ record }: EndedExchange): void {
    if (!isTunnel(record)) this.#noteSlow(record.durationMs);
    this.#accept(record);
  }

  #noteSlow(durationMs: number): void {
    const now = this.#clock();
    if (now - this.#cleanedAt > slowSpanMs / maxSlow) {
      this.#cleanedAt = now;
      this.#slow = this.#slow.filter(({ at }) => now - at < slowSpanMs);
    } else if (durationMs <= this.#floorMs) return;
    const place = this.#slow.findIndex((other) => other.durationMs < durationMs);
    this.#slow.splice(place < 0 ? this.#slow.length : place, 0, { durationMs, at: now });
    this.#slow.length = Math.min(this.#slow.length, maxSlow);
    this.#floorMs = this.#slow.length < maxSlow ? 0 : (this.#slow.at(-1)?.durationMs ?? 0);
  }
}
