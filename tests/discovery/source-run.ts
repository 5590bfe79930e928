/** Runs one source of members and keeps what it reports, for laws that both Bun and Deno run. */

import assert from "node:assert/strict";

import type { DiscoveryListener, DiscoverySource, SourceContext } from "../../src/discovery/source.ts";
import { createDns } from "../../src/dns/client.ts";
import { type Cancel, type Schedule, systemClock, systemSchedule } from "../../src/lib/clock.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { until } from "../support/wait.ts";

export interface SourceLaw {
  /** A sentence whose subject is the source. */
  readonly name: string;
  readonly check: () => Promise<void>;
}

/** The time of a source that runs faster than the clock: a wait of 30 s takes 30 s / speed. */
export function contextAt(speed: number, cluster: SourceContext["cluster"] = {}): SourceContext {
  const schedule: Schedule = (delayMs, task) => systemSchedule(delayMs / speed, task);
  return {
    clock: () => systemClock() * speed,
    schedule,
    random: seededRandom(7),
    dns: createDns(() => [], systemSchedule),
    cluster,
  };
}

export class SourceRun implements Disposable, DiscoveryListener {
  /** "10.0.0.1:8080 10.0.0.2:8080;terminating", "failed: why" or "absent: why", in order, without repetitions. */
  readonly reports: string[] = [];
  /** Of all answers, the latest. */
  skipped: readonly string[] = [];
  /** Reports of every kind, with repetitions. */
  count = 0;
  readonly #stop: Cancel;

  constructor(source: DiscoverySource) {
    this.#stop = source.start(this);
  }

  get last(): string {
    return this.reports.at(-1) ?? "";
  }

  answered({ members, skipped = [] }: Parameters<DiscoveryListener["answered"]>[0]): void {
    this.skipped = skipped;
    const texts = members.map(
      ({ address, isTerminating }) =>
        `${address.hostname}:${address.port}${isTerminating ? ";terminating" : ""}`,
    );
    this.#report(texts.join(" "));
  }

  failed(why: string): void {
    this.#report(`failed: ${why}`);
  }

  absent(why: string): void {
    this.#report(`absent: ${why}`);
  }

  #report(text: string): void {
    this.count += 1;
    if (text !== this.last) this.reports.push(text);
  }

  /** Resolves when the latest report is this one. */
  async reaches(text: string | RegExp, limitMs = 10_000): Promise<void> {
    const isThere = () => (typeof text === "string" ? this.last === text : text.test(this.last));
    await until(isThere, `the report ${text}`, limitMs).catch((error: unknown) => {
      assert.fail(`${String(error)}; the reports were ${JSON.stringify(this.reports.slice(-10))}`);
    });
  }

  stop(): void {
    this.#stop();
  }

  [Symbol.dispose](): void {
    this.stop();
  }
}
