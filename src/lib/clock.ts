/** Time as three small functions, so that everything above can run on a fake one. */

/** Milliseconds since some fixed moment, never going back: the shape of `performance.now`. */
export type Clock = () => number;

/** Milliseconds since the Unix epoch: the shape of `Date.now`. For people and files, never for durations. */
export type WallClock = () => number;

/** Calls `task` once after `delayMs` milliseconds, unless the returned function is called before. */
export type Schedule = (delayMs: number, task: () => void) => Cancel;

export type Cancel = () => void;

/** What the system's clock says during the present turn: 0 until somebody asks, -1 outside of turns. */
let heldAt = -1;

export const systemClock: Clock = () => {
  if (heldAt > 0) return heldAt;
  const now = performance.now();
  if (heldAt === 0) heldAt = now;
  return now;
};

/**
 * From here to `endTurn` time stands still for everybody who asks {@link systemClock}: for short, synchronous work such as
 * taking in what a socket received. A request asks for the time about eight times in two such turns, and each answer costs as
 * much as looking up its route. Must be ended in a `finally`; a turn within a turn ends both.
 */
export function freezeClock(): void {
  heldAt = 0;
}

export function thawClock(): void {
  heldAt = -1;
}

export const systemWallClock: WallClock = () => Date.now();

export const systemSchedule: Schedule = (delayMs, task) => {
  const timer = setTimeout(task, delayMs);
  return () => clearTimeout(timer);
};

/**
 * Runs the task every `everyMs` milliseconds until the returned function is called. What it throws costs one turn: the next
 * one is on its way by then, or a single fault would be the end of looking.
 */
export function repeat(schedule: Schedule, everyMs: number, task: () => void): Cancel {
  const turn = () => {
    cancel = schedule(everyMs, turn);
    task();
  };
  let cancel = schedule(everyMs, turn);
  return () => cancel();
}

/** Resolves after `delayMs` milliseconds. */
export function sleep(delayMs: number): Promise<void> {
  return new Promise((resolve) => void systemSchedule(delayMs, resolve));
}

// Moments in RFC 3339, for whoever writes thousands a second: what stays within a second is made once.

const millis: readonly string[] = Array.from({ length: 1_000 }, (_, ms) => String(ms).padStart(3, "0"));

/** For moments that come more or less in order. */
export class IsoTimes {
  #second = Number.NaN;
  #beginning = "";

  /** "2026-11-24T00:12:30.250Z" @param ms epoch milliseconds, from 1970 on */
  of(ms: number): string {
    const second = Math.floor(ms / 1_000);
    if (second !== this.#second) {
      this.#second = second;
      this.#beginning = new Date(second * 1_000).toISOString().slice(0, -"000Z".length);
    }
    return `${this.#beginning}${millis[Math.floor(ms) - second * 1_000]}Z`;
  }
}
