/** Adds up what workers counted: those that serve, and those that are gone. */

import type { Fleet } from "../control/fleet.ts";
import { identityOf } from "../control/wanted.ts";
import type { Clock } from "../lib/clock.ts";
import { Metrics } from "../metrics/metrics.ts";
import { type OwnCounts, sumOwn } from "../metrics/own-families.ts";
import { countsOf, poolCountsOf, sumInto, sumPoolInto } from "../metrics/tally.ts";
import type { Counts } from "./messages.ts";

export interface SumsSetting {
  readonly fleet: Pick<Fleet, "pools">;
  /** Where the sums are written. */
  readonly metrics: Metrics;
  readonly clock: Clock;
}

export class Sums {
  readonly #setting: SumsSetting;
  /** Of the workers that are gone. */
  readonly #past: Metrics;
  #pastOwn = sumOwn([]);

  constructor(setting: SumsSetting) {
    this.#setting = setting;
    this.#past = new Metrics(setting.clock);
  }

  /** Keeps the last counts of a worker that is gone: no counter may go back. */
  keep(counts: Counts): void {
    this.#add([counts], this.#past);
    this.#pastOwn = sumOwn([this.#pastOwn, counts.own]);
  }

  /** @param reports of all workers that serve, one each */
  own(reports: readonly Counts[]): OwnCounts {
    return sumOwn([this.#pastOwn, ...reports.map(({ own }) => own)]);
  }

  /** @param reports of all workers that serve, one each */
  write(reports: readonly Counts[]): void {
    this.#add(reports, this.#setting.metrics);
  }

  /** The past of whatever there is now, and these. */
  #add(reports: readonly Counts[], into: Metrics): void {
    const { pools } = this.#setting.fleet;
    into.lostLines = reports.reduce((sum, { lostLines }) => sum + lostLines, this.#past.lostLines);
    into.lostSpans = reports.reduce((sum, { lostSpans }) => sum + lostSpans, this.#past.lostSpans);
    const upstreams = reports.map(
      (report) => new Map(report.upstreams.map((one) => [one.upstream, one.counts])),
    );
    const named = reports.map((report) => new Map(report.pools.map((one) => [one.name, one.counts])));
    for (const upstream of pools.flatMap((pool) => pool.upstreams)) {
      const parts = upstreams.flatMap((counts) => counts.get(identityOf(upstream)) ?? []);
      sumInto(into.of(upstream), [countsOf(this.#past.of(upstream)), ...parts]);
    }
    for (const name of ["", ...pools.map((pool) => pool.name)]) {
      const parts = named.flatMap((counts) => counts.get(name) ?? []);
      sumPoolInto(into.ofPool(name), [poolCountsOf(this.#past.ofPool(name)), ...parts]);
    }
  }
}
