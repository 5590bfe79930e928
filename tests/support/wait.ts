/** Waits for conditions instead of fixed times. */

/**
 * Resolves when `condition` holds. Checks become rarer the longer it takes, at most a twentieth of the wait apart: a
 * check takes processor time from the program under test. Rejects after `limitMs`, which is
 * generous, since a busy machine is no fault: what must happen soon says so.
 */
export async function until(
  condition: () => unknown,
  what = "the condition",
  limitMs = 15_000,
): Promise<void> {
  const startedAt = performance.now();
  while (!(await condition())) {
    const waitedMs = performance.now() - startedAt;
    if (waitedMs > limitMs) throw new Error(`Cannot go on: ${what} did not hold within ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, Math.min(Math.max(waitedMs / 20, 5), 50)));
  }
}

/** Resolves at this time of `performance.now()`: for clients that send at a pace. */
export function untilTime(at: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, at - performance.now())));
}
