/** Clock, wall clock and timers as plain functions, so that tests can replace them; and RFC 3339 formatting. */

/** Monotonic milliseconds since a fixed moment: the shape of `performance.now`. */
export type Clock = () => number;

/** Milliseconds since the Unix epoch: the shape of `Date.now`. For display and storage, never for durations. */
export type WallClock = () => number;

/** Calls `task` once after `delayMs` milliseconds, unless the returned function is called first. */
export type Schedule = (delayMs: number, task: () => void) => Cancel;

export type Cancel = () => void;

/** The frozen time: 0 until {@link systemClock} is first read, -1 while the clock runs. */
let frozenAt = -1;

export const systemClock: Clock = () => {
  if (frozenAt > 0) return frozenAt;
  const now = performance.now();
  if (frozenAt === 0) frozenAt = now;
  return now;
};

/**
 * Freezes {@link systemClock} until {@link thawClock}, for short synchronous work such as parsing what a socket received.
 * A request reads the time about eight times in two such sections, and each read costs as much as its route lookup.
 * Call `thawClock` in a `finally`. Sections do not nest: the first `thawClock` ends all of them.
 */
export function freezeClock(): void {
  frozenAt = 0;
}

export function thawClock(): void {
  frozenAt = -1;
}

export const systemWallClock: WallClock = () => Date.now();

export const systemSchedule: Schedule = (delayMs, task) => {
  const timer = setTimeout(task, delayMs);
  return () => clearTimeout(timer);
};

/** A timer that is later than this means that the process was paused, or starved, and read no socket meanwhile. */
const pauseMs = 100;

/**
 * As `systemSchedule`, for the timeout of an answer that may have arrived while the process was paused (SIGSTOP, a moved
 * virtual machine): the lost time is given once more, at most `delayMs`, so that what arrived is read first.
 */
export const patientSchedule: Schedule = (delayMs, task) => {
  const dueAt = performance.now() + delayMs;
  let cancel = systemSchedule(delayMs, () => {
    const lostMs = performance.now() - dueAt;
    if (lostMs < pauseMs) task();
    else cancel = systemSchedule(Math.min(lostMs, delayMs), task);
  });
  return () => cancel();
};

/** Calls `task` once, after the events that are ready now: what they add can be sent in one write. */
export function afterEvents(task: () => void): void {
  setImmediate(task);
}

/**
 * Runs the task every `everyMs` milliseconds until the returned function is called. The next run is scheduled before the
 * task is called, so a task that throws does not stop the repetition.
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

const millis: readonly string[] = Array.from({ length: 1_000 }, (_, ms) => String(ms).padStart(3, "0"));

/**
 * Formats times in RFC 3339, thousands a second. It keeps the text of the current second, so it is fast only when times
 * arrive roughly in order.
 */
export class IsoTimes {
  #second = Number.NaN;
  #prefix = "";

  /** "2026-11-24T00:12:30.250Z" @param ms epoch milliseconds, from 1970 on */
  of(ms: number): string {
    const second = Math.floor(ms / 1_000);
    if (second !== this.#second) {
      this.#second = second;
      this.#prefix = new Date(second * 1_000).toISOString().slice(0, -"000Z".length);
    }
    return `${this.#prefix}${millis[Math.floor(ms) - second * 1_000]}Z`;
  }
}
