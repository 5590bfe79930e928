/** Faults of ours that came to light: all are counted, and as many are logged as somebody can read. */

import { type Clock, systemClock } from "./clock.ts";
import type { Log, LogFields } from "./log.ts";
import { rateLimit } from "./rate.ts";

/** Of one kind, which is one error with one message. */
const linesPerSecondOfKind = 2;

/** Of all kinds: messages may differ without end. */
const linesPerSecond = 20;

/** Kinds that are told apart at one time. */
const maxKinds = 100;

export class Bugs {
  readonly #clock: Clock;
  readonly #kinds = new Map<string, () => number | undefined>();
  readonly #mayPass: () => number | undefined;
  #held = 0;
  /** Since the process began. */
  count = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#mayPass = rateLimit(linesPerSecond, clock);
  }

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
    const known = this.#kinds.get(kind);
    if (known) return known;
    if (this.#kinds.size >= maxKinds) this.#kinds.clear();
    const mayPass = rateLimit(linesPerSecondOfKind, this.#clock);
    this.#kinds.set(kind, mayPass);
    return mayPass;
  }
}

/** Whatever was thrown, as an error. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** Whatever was thrown: a report that throws itself would be another bug. */
function kindNameOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}`.slice(0, 200) : typeof error;
}

/** Of this process: an exception that nobody caught belongs to no part of it. */
export const bugs = new Bugs(systemClock);
