/** Shows lines on a terminal, once or refreshed in place. */

import type { Terminal } from "./terminal.ts";

/** Refreshes in place without flicker: writes each line over the previous one, then clears the rest. */
export function showLines(
  linesFor: (layout: {
    readonly hasColour: boolean;
    readonly width: number | undefined;
  }) => readonly string[],
  terminal: Terminal,
  isWatched: boolean,
): void {
  const size = isWatched || terminal.isInteractive ? terminal.size() : undefined;
  const lines = linesFor({ hasColour: terminal.hasColour, width: size?.columns });
  if (!isWatched || !terminal.isInteractive) {
    terminal.write(`${lines.join("\n")}\n${isWatched ? "\n" : ""}`);
    return;
  }
  const maxLines = Math.max(2, (size?.rows ?? 24) - 1);
  const fitting =
    lines.length > maxLines
      ? [...lines.slice(0, maxLines - 1), `… ${lines.length - maxLines + 1} more lines`]
      : lines;
  terminal.write(`\x1b[H${fitting.map((line) => `${line}\x1b[K\n`).join("")}\x1b[J`);
}
