/** Counts the traffic of one interval as the difference of cumulative counters. */

import { Histogram } from "../metrics/histogram.ts";
import type { UpstreamMeter } from "../metrics/metrics.ts";
import type { Point } from "./point.ts";

export class IntervalCounter {
  readonly #latencies = new Histogram();
  requests = 0;
  errors = 0;
  retries = 0;
  rescues = 0;
  queued = 0;
  inFlight = 0;

  /** Adds a counter of the same interval: the sum of two upstreams of a pool. */
  addConcurrent(other: IntervalCounter): void {
    this.#count(other);
    this.queued += other.queued;
    this.inFlight += other.inFlight;
  }

  /** Adds the next interval of the same series. */
  addNext(other: IntervalCounter): void {
    this.#count(other);
    this.queued = Math.max(this.queued, other.queued);
    this.inFlight = Math.max(this.inFlight, other.inFlight);
  }

  /** Adds what a meter counted since `start`, and moves `start` to now. */
  addSince(start: IntervalStart, meter: MeasuredUpstream): void {
    if (start.meter !== meter) start.reset(meter);
    this.requests += Math.max(0, meter.requests - start.requests);
    this.errors += Math.max(0, meter.errors - start.errors);
    start.requests = meter.requests;
    start.errors = meter.errors;
    this.#latencies.addSince(start.firstByte, meter.firstByte);
  }

  /**
   * @param at end of the interval, epoch milliseconds
   * @param spanMs length of the interval
   */
  pointAt(at: number, spanMs: number): Point {
    const { requests, errors, retries, rescues, queued, inFlight } = this;
    const percentile = (share: number) => this.#latencies.percentile(share) ?? null;
    return {
      at,
      spanMs,
      requests,
      errors,
      retries,
      rescues,
      queued,
      inFlight,
      p50Ms: percentile(0.5),
      p95Ms: percentile(0.95),
      p99Ms: percentile(0.99),
    };
  }

  clear(): void {
    this.requests = 0;
    this.errors = 0;
    this.retries = 0;
    this.rescues = 0;
    this.queued = 0;
    this.inFlight = 0;
    if (this.#latencies.count > 0) this.#latencies.clear();
  }

  #count(other: IntervalCounter): void {
    this.requests += other.requests;
    this.errors += other.errors;
    this.retries += other.retries;
    this.rescues += other.rescues;
    if (other.#latencies.count > 0) this.#latencies.add(other.#latencies);
  }
}

/** The part of a meter that is read: that of an upstream, or of the rejected traffic of a pool. */
type MeasuredUpstream = Pick<UpstreamMeter, "requests" | "errors" | "firstByte">;

/** The values of a cumulative meter at the start of the interval. A meter that replaces another is read from zero. */
export class IntervalStart {
  meter: MeasuredUpstream | undefined;
  requests = 0;
  errors = 0;
  readonly firstByte = new Histogram();

  reset(meter: MeasuredUpstream): void {
    this.meter = meter;
    this.requests = 0;
    this.errors = 0;
    this.firstByte.clear();
  }
}
