/** Writes changes of alerts to the state store. Changes that cannot be written are kept until they can. */

import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import {
  type AlertChanges,
  type AlertRecord,
  type AlertRow,
  noAlerts,
  type SilenceRow,
  type ToldRow,
} from "../state/alert-record.ts";
import type { Store } from "../state/store.ts";

export interface AlertJournalOptions {
  readonly store: Pick<Store, "alerts" | "writeAlerts">;
  readonly clock: Clock;
  readonly log: Log;
}

/** A full disk is not asked each second. */
const retryMs = 10_000;

/** Null stands for a removed row. The last change of each row counts, so it is bounded as the rows are. */
export class AlertJournal {
  readonly #options: AlertJournalOptions;
  readonly #alerts = new Map<number, AlertRow | null>();
  readonly #told = new Map<
    string,
    ToldRow | (Pick<ToldRow, "receiver" | "thread"> & { readonly level: null })
  >();
  readonly #silences = new Map<string, SilenceRow | null>();
  #retryAt = -Infinity;
  #isFailing = false;

  constructor(options: AlertJournalOptions) {
    this.#options = options;
  }

  /** Empty if it cannot be read. */
  read(): AlertRecord {
    try {
      return this.#options.store.alerts();
    } catch (error) {
      this.#options.log.error("alerts could not be read", { why: String(error) });
      return noAlerts;
    }
  }

  putAlert(row: AlertRow): void {
    this.#alerts.set(row.id, row);
  }

  removeAlert(id: number): void {
    this.#alerts.set(id, null);
  }

  putTold(row: ToldRow): void {
    this.#told.set(keyOf(row), row);
  }

  removeTold({ receiver, thread }: Pick<ToldRow, "receiver" | "thread">): void {
    this.#told.set(keyOf({ receiver, thread }), { receiver, thread, level: null });
  }

  putSilence(row: SilenceRow): void {
    this.#silences.set(row.id, row);
  }

  removeSilence(id: string): void {
    this.#silences.set(id, null);
  }

  /** Drops what was not written: another process has the store. */
  forget(): void {
    this.#alerts.clear();
    this.#told.clear();
    this.#silences.clear();
  }

  /** Writes all that has changed. Never throws: what could not be written is written with a later call. */
  write(): void {
    if (this.#alerts.size + this.#told.size + this.#silences.size === 0) return;
    const { store, clock, log } = this.#options;
    const now = clock();
    if (this.#isFailing && now < this.#retryAt) return;
    try {
      store.writeAlerts(this.#changes());
      this.forget();
      this.#isFailing = false;
    } catch (error) {
      // The store tells of it too, as a problem.
      if (!this.#isFailing) log.error("alerts could not be written", { why: String(error) });
      this.#isFailing = true;
      this.#retryAt = now + retryMs;
    }
  }

  #changes(): AlertChanges {
    const told = [...this.#told.values()];
    return {
      alerts: [...this.#alerts.values()].filter((row) => row !== null),
      removedAlerts: [...this.#alerts].flatMap(([id, row]) => (row === null ? [id] : [])),
      told: told.filter((row) => row.level !== null),
      removedTold: told.filter((row) => row.level === null),
      silences: [...this.#silences.values()].filter((row) => row !== null),
      removedSilences: [...this.#silences].flatMap(([id, row]) => (row === null ? [id] : [])),
    };
  }
}

function keyOf({ receiver, thread }: Pick<ToldRow, "receiver" | "thread">): string {
  return `${receiver}\n${thread}`;
}
