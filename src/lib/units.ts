/** Durations as people write them ("250ms", "30s", "1h") and as the code counts them: milliseconds. */

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** What {@link parseDuration} accepts, for messages and schemas. */
export const durationPattern = "^\\d+(\\.\\d+)?(ms|s|m|h)$";

/** Milliseconds of "250ms", "1.5s", "2m" or "1h"; a bare "0" is zero; anything else is undefined. */
export function parseDuration(text: string): number | undefined {
  if (text === "0") return 0;
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  if (!match) return undefined;
  return Number(match[1]) * (unitMs[match[2] ?? ""] ?? Number.NaN);
}

/** The shortest exact way to write a number of milliseconds: 90000 → "90s", 3600000 → "1h". */
export function formatDuration(durationMs: number): string {
  if (durationMs === 0) return "0";
  for (const unit of ["h", "m", "s"]) {
    const size = unitMs[unit] ?? 1;
    if (durationMs % size === 0 && (unit === "s" || durationMs / size < 60))
      return `${durationMs / size}${unit}`;
  }
  return `${durationMs}ms`;
}
