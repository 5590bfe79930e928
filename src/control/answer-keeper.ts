/** Keeps the last answers of sources of members over a restart, for one that finds its sources silent. */

import { type Cancel, repeat, type Schedule } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { KeptMembers, Store } from "../state/store.ts";
import type { Discovery } from "./discovery.ts";

export interface AnswerKeeperOptions {
  readonly discovery: Pick<Discovery, "answers" | "onChange">;
  readonly store: Pick<Store, "keepMembers">;
  readonly schedule: Schedule;
  readonly log: Log;
}

/** Changes within this time are written together. */
const settleMs = 2_000;

/** An answer that stays the same is written again so often, so that its age is known. */
const refreshMs = 600_000;

export class AnswerKeeper {
  readonly #options: AnswerKeeperOptions;
  #cancels: readonly Cancel[] = [];
  #cancelWrite: Cancel | undefined;
  #isFailing = false;

  constructor(options: AnswerKeeperOptions) {
    this.#options = options;
  }

  start(): void {
    const { discovery, schedule } = this.#options;
    this.#cancels = [
      discovery.onChange(() => {
        this.#cancelWrite ??= schedule(settleMs, () => this.#write());
      }),
      repeat(schedule, refreshMs, () => this.#write()),
    ];
  }

  /** Writes a last time. */
  stop(): void {
    if (this.#cancels.length > 0) this.#write();
    for (const cancel of this.#cancels) cancel();
    this.#cancels = [];
  }

  #write(): void {
    this.#cancelWrite?.();
    this.#cancelWrite = undefined;
    try {
      this.#options.store.keepMembers(this.#options.discovery.answers);
      this.#isFailing = false;
    } catch (error) {
      // Said once: the next write says the same.
      if (!this.#isFailing) this.#options.log.error("discovered members not saved", { why: String(error) });
      this.#isFailing = true;
    }
  }
}

/** Older answers are not used: an address may belong to another server by then. */
const maxAgeMs = 3_600_000;

/** The answers that a start may use. @param now epoch milliseconds */
export function usableAnswers(kept: readonly KeptMembers[], now: number): readonly KeptMembers[] {
  return kept.filter(({ at }) => now - at <= maxAgeMs);
}
