/** The last points of one series in memory: numbers in columns, so that thousands of series have room. */

import type { Point } from "./point.ts";

/** Numbers of a point besides its time. */
const width = 10;

/** Takes 48 bytes a point; a value is exact to seven digits. */
export class PointRing {
  readonly #capacity: number;
  readonly #at: Float64Array;
  /** Not a number stands for null. */
  readonly #values: Float32Array;
  #written = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#at = new Float64Array(capacity);
    this.#values = new Float32Array(capacity * width);
  }

  push(point: Point): void {
    const slot = this.#written % this.#capacity;
    this.#at[slot] = point.at;
    const values = this.#values;
    const first = slot * width;
    values[first] = point.spanMs;
    values[first + 1] = point.requests;
    values[first + 2] = point.errors;
    values[first + 3] = point.retries;
    values[first + 4] = point.rescues;
    values[first + 5] = point.queued;
    values[first + 6] = point.inFlight;
    values[first + 7] = point.p50Ms ?? Number.NaN;
    values[first + 8] = point.p95Ms ?? Number.NaN;
    values[first + 9] = point.p99Ms ?? Number.NaN;
    this.#written += 1;
  }

  /** Those that ended after this moment, oldest first. */
  after(at: number): readonly Point[] {
    const points: Point[] = [];
    const count = Math.min(this.#written, this.#capacity);
    for (let back = 1; back <= count; back++) {
      const slot = (this.#written - back) % this.#capacity;
      if ((this.#at[slot] ?? 0) <= at) break;
      points.push(this.#pointIn(slot));
    }
    return points.reverse();
  }

  #pointIn(slot: number): Point {
    const value = (index: number) => this.#values[slot * width + index] ?? Number.NaN;
    const orNull = (given: number) => (Number.isNaN(given) ? null : given);
    return {
      at: this.#at[slot] ?? 0,
      spanMs: value(0),
      requests: value(1),
      errors: value(2),
      retries: value(3),
      rescues: value(4),
      queued: value(5),
      inFlight: value(6),
      p50Ms: orNull(value(7)),
      p95Ms: orNull(value(8)),
      p99Ms: orNull(value(9)),
    };
  }
}
