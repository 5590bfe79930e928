/** Waiting for conditions instead of for time. */

/** Resolves as soon as `condition` holds, checked every few milliseconds; rejects after `limitMs`. */
export async function until(
  condition: () => unknown,
  what = "the condition",
  limitMs = 5_000,
): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > deadline)
      throw new Error(`Cannot go on: ${what} did not hold within ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
