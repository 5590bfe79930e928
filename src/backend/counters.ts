/** Counters of the demo backend, as JSON for people and as Prometheus text for scrapers. */

import type { Clock } from "../lib/clock.ts";

/** The JSON form of `/metrics`. */
export interface DemoMetrics {
  /** Seconds since the start. */
  readonly uptime: number;
  /** Responses started; health, readiness, metrics and admin do not count. */
  readonly requests: number;
  /** Responses with status 500 or above. */
  readonly errors: number;
  /** Average time from request headers to response headers, milliseconds; 0 before the first request. */
  readonly avg_response_time: number;
}

export class Counters {
  readonly #clock: Clock;
  readonly #startedAt: number;
  #requests = 0;
  #errors = 0;
  #durationMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startedAt = clock();
  }

  record(durationMs: number, status: number): void {
    this.#requests += 1;
    this.#durationMs += durationMs;
    if (status >= 500) this.#errors += 1;
  }

  read(): DemoMetrics {
    return {
      uptime: thousandths((this.#clock() - this.#startedAt) / 1_000),
      requests: this.#requests,
      errors: this.#errors,
      avg_response_time: this.#requests === 0 ? 0 : thousandths(this.#durationMs / this.#requests),
    };
  }

  /** Prometheus text format 0.0.4, with durations in seconds as is conventional there. */
  text(): string {
    const { uptime, requests, errors } = this.read();
    const [prefix, response] = ["evenkeel_backend", "evenkeel_backend_response_seconds"];
    return [
      `# HELP ${prefix}_uptime_seconds Time since the start.`,
      `# TYPE ${prefix}_uptime_seconds gauge`,
      `${prefix}_uptime_seconds ${uptime}`,
      `# HELP ${prefix}_requests_total Responses, except those to health, readiness, metrics and admin requests.`,
      `# TYPE ${prefix}_requests_total counter`,
      `${prefix}_requests_total ${requests}`,
      `# HELP ${prefix}_errors_total Responses with status 500 or above.`,
      `# TYPE ${prefix}_errors_total counter`,
      `${prefix}_errors_total ${errors}`,
      `# HELP ${response} Time from request headers to response headers.`,
      `# TYPE ${response} summary`,
      `${response}_sum ${(this.#durationMs / 1_000).toFixed(6)}`,
      `${response}_count ${requests}`,
      "",
    ].join("\n");
  }
}

function thousandths(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
