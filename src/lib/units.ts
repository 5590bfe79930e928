/** Parses and formats durations ("250ms", "30s", "1h") as milliseconds, and sizes ("64KiB", "10MB") as bytes. */

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** Regular expression of what {@link parseDuration} accepts, for messages and schemas. */
export const durationPattern = "^\\d+(\\.\\d+)?(ms|s|m|h)$";

/** Milliseconds of "250ms", "1.5s", "2m" or "1h"; a bare "0" is zero; anything else is undefined. */
export function parseDuration(text: string): number | undefined {
  if (text === "0") return 0;
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  if (!match) return undefined;
  return Number(match[1]) * (unitMs[match[2] ?? ""] ?? Number.NaN);
}

/** The shortest exact text for a number of milliseconds: 90000 → "90s", 3600000 → "1h". */
export function formatDuration(durationMs: number): string {
  if (durationMs === 0) return "0";
  for (const unit of ["h", "m", "s"]) {
    const size = unitMs[unit] ?? 1;
    if (durationMs % size === 0 && (unit === "s" || durationMs / size < 60))
      return `${durationMs / size}${unit}`;
  }
  return `${durationMs}ms`;
}

const unitBytes: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1_000,
  MB: 1_000_000,
  GB: 1_000_000_000,
  KiB: 1_024,
  MiB: 1_048_576,
  GiB: 1_073_741_824,
};

/** Regular expression of what {@link parseSize} accepts, for messages and schemas. */
export const sizePattern = "^\\d+(\\.\\d+)?(B|KB|MB|GB|KiB|MiB|GiB)$";

/** Whole bytes of "0B", "64KiB" or "1.5MB"; anything else is undefined. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)([KMG]?i?B)$/.exec(text);
  const unit = unitBytes[match?.[2] ?? ""];
  return match && unit !== undefined ? Math.floor(Number(match[1]) * unit) : undefined;
}

/** The shortest exact text for a number of bytes: 65536 → "64KiB", 10000000 → "10MB". */
export function formatSize(bytes: number): string {
  if (bytes === 0) return "0B";
  for (const unit of ["GiB", "GB", "MiB", "MB", "KiB", "KB"]) {
    const size = unitBytes[unit] ?? 1;
    if (bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return `${bytes}B`;
}
