/** Requests that got an answer of ours before any attempt: the part of a pool's traffic that no upstream's meter knows of. */

import { Histogram } from "./histogram.ts";
import { RollingTraffic, type RollingTrafficState } from "./rolling-traffic.ts";

/** The same as it travels between processes. */
export interface RejectedCounters {
  readonly requests: number;
  readonly errors: number;
  readonly recent: RollingTrafficState;
}

export class RejectedTraffic {
  requests = 0;
  /** Those that were answered with 5xx. */
  errors = 0;
  /** Empty: nobody waited for the head of an upstream's answer. */
  readonly firstByte = new Histogram();
  readonly recent: RollingTraffic;

  /** @param now clock time, milliseconds */
  constructor(now: number) {
    this.recent = new RollingTraffic(now, this.firstByte);
  }

  count(status: number, now: number): void {
    const isError = status >= 500;
    this.requests += 1;
    if (isError) this.errors += 1;
    this.recent.record(isError, now);
  }

  get counts(): RejectedCounters {
    return { requests: this.requests, errors: this.errors, recent: this.recent.picture };
  }

  clear(): void {
    this.requests = this.errors = 0;
    this.recent.clear();
  }

  add({ requests, errors, recent }: RejectedCounters): void {
    this.requests += requests;
    this.errors += errors;
    this.recent.add(recent);
  }
}
