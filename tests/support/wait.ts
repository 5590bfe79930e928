/** Waiting for conditions instead of for time. */

/**
 * Resolves when `condition` holds, checked every few milliseconds and, the longer it takes, the less often: looking costs
 * what is waited for its processor, and a twentieth of the wait is soon enough. Rejects after `limitMs`.
 */
export async function until(
  condition: () => unknown,
  what = "the condition",
  limitMs = 5_000,
): Promise<void> {
  const startedAt = performance.now();
  while (!(await condition())) {
    const waitedMs = performance.now() - startedAt;
    if (waitedMs > limitMs) throw new Error(`Cannot go on: ${what} did not hold within ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, Math.min(Math.max(waitedMs / 20, 5), 50)));
  }
}
