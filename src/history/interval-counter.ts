/** Counts one interval of some traffic while it runs, and says what it was when it ends. */

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

  /** Both go on at once: what two upstreams of a pool did in the same time. */
  addBeside(other: IntervalCounter): void {
    this.#count(other);
    this.queued += other.queued;
    this.inFlight += other.inFlight;
  }

  /** One follows the other: what one series did in two intervals. */
  addAfter(other: IntervalCounter): void {
    this.#count(other);
    this.queued = Math.max(this.queued, other.queued);
    this.inFlight = Math.max(this.inFlight, other.inFlight);
  }

  /** What a meter counted since the mark, which moves on. */
  addSince(mark: IntervalStart, meter: Measured): void {
    if (mark.meter !== meter) mark.reset(meter);
    this.requests += Math.max(0, meter.requests - mark.requests);
    this.errors += Math.max(0, meter.errors - mark.errors);
    mark.requests = meter.requests;
    mark.errors = meter.errors;
    this.#latencies.addSince(mark.firstByte, meter.firstByte);
  }

  /**
   * @param at epoch milliseconds at which the interval ends
   * @param spanMs how long it was
   */
  pointAt(at: number, spanMs: number): Point {
    const { requests, errors, retries, rescues, queued, inFlight } = this;
    const percentile = (share: number) => this.#latencies.percentile(share) ?? null;
    return {
      ...{ at, spanMs, requests, errors, retries, rescues, queued, inFlight },
      ...{ p50Ms: percentile(0.5), p95Ms: percentile(0.95), p99Ms: percentile(0.99) },
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

/** What a meter must have to be read: one of an upstream, or of what a pool turned away. */
type Measured = Pick<UpstreamMeter, "requests" | "errors" | "firstByte">;

/** How far a meter, which only grows, has been read. A meter that takes another's place is read from its beginning. */
export class IntervalStart {
  meter: Measured | undefined;
  requests = 0;
  errors = 0;
  readonly firstByte = new Histogram();

  reset(meter: Measured): void {
    this.meter = meter;
    this.requests = 0;
    this.errors = 0;
    this.firstByte.clear();
  }
}
