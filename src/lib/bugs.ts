/** Counts and logs unexpected exceptions. All are counted; logging is rate-limited per kind and in total. */

import { type Clock, systemClock } from "./clock.ts";
import type { Log, LogFields } from "./log.ts";
import { rateLimit } from "./rate.ts";

/** Limit for one kind: one error name with one message. */
const linesPerSecondOfKind = 2;

/** Limit for all kinds together, because the number of different messages is unbounded. */
const linesPerSecond = 20;

/** Kinds with a rate limit at one time. The table is emptied when it is full. */
const maxKinds = 100;

export class Bugs {
  readonly #clock: Clock;
  readonly #kinds = new Map<string, () => number | undefined>();
  readonly #mayPass: () => number | undefined;
  #held = 0;
  /** Bugs since the process started. */
  count = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#mayPass = rateLimit(linesPerSecond, clock);
  }

  /** Counts the error. Logs it with `heldBack`, the number of unlogged bugs before it, unless a limit is reached. */
  report(log: Pick<Log, "error">, error: unknown, fields: LogFields = {}): void {
    this.count += 1;
    const isHeld = this.#kindOf(error)() === undefined || this.#mayPass() === undefined;
    if (isHeld) {
      this.#held += 1;
      return;
    }
    log.error("bug", { ...fields, error, ...(this.#held > 0 && { heldBack: this.#held }) });
    this.#held = 0;
  }

  #kindOf(error: unknown): () => number | undefined {
    const kind = kindNameOf(error);
    const existing = this.#kinds.get(kind);
    if (existing) return existing;
    if (this.#kinds.size >= maxKinds) this.#kinds.clear();
    const mayPass = rateLimit(linesPerSecondOfKind, this.#clock);
    this.#kinds.set(kind, mayPass);
    return mayPass;
  }
}

/** Throws outside of the current call, where the process reports uncaught exceptions: for code that must go on and has no log. */
export function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

/** The thrown value as an `Error`; anything can be thrown. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** Accepts any thrown value: a report that throws would be another bug. */
function kindNameOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}`.slice(0, 200) : typeof error;
}

/** The process-wide instance, because an uncaught exception belongs to no component. */
export const bugs = new Bugs(systemClock);
