/** Sizes as people write them ("64KiB", "10MB") and as the code counts them: bytes. */

const unitBytes: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1_000,
  MB: 1_000_000,
  GB: 1_000_000_000,
  KiB: 1_024,
  MiB: 1_048_576,
  GiB: 1_073_741_824,
};

/** What {@link parseSize} accepts, for messages and schemas. */
export const sizePattern = "^\\d+(\\.\\d+)?(B|KB|MB|GB|KiB|MiB|GiB)$";

/** Whole bytes of "0B", "64KiB" or "1.5MB"; anything else is undefined. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)([KMG]?i?B)$/.exec(text);
  const unit = unitBytes[match?.[2] ?? ""];
  return match && unit !== undefined ? Math.floor(Number(match[1]) * unit) : undefined;
}

/** The shortest exact way to write a number of bytes: 65536 → "64KiB", 10000000 → "10MB". */
export function formatSize(bytes: number): string {
  if (bytes === 0) return "0B";
  for (const unit of ["GiB", "GB", "MiB", "MB", "KiB", "KB"]) {
    const size = unitBytes[unit] ?? 1;
    if (bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return `${bytes}B`;
}
