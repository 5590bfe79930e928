/** Time as three small functions, so that everything above can run on a fake one. */

/** Milliseconds since some fixed moment, never going back: the shape of `performance.now`. */
export type Clock = () => number;

/** Milliseconds since the Unix epoch: the shape of `Date.now`. For people and files, never for durations. */
export type WallClock = () => number;

/** Calls `task` once after `delayMs` milliseconds, unless the returned function is called before. */
export type Schedule = (delayMs: number, task: () => void) => Cancel;

export type Cancel = () => void;

export const systemClock: Clock = () => performance.now();

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
