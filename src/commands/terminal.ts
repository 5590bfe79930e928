/** Terminal output of commands: streams, columns and safe text. `run.ts` provides it, so that no command uses `process`. */

import { styleText } from "node:util";

export interface Terminal {
  /** Writes to standard output. */
  write(text: string): void;
  /** Writes a line to standard error. */
  warn(line: string): void;
  /** Standard output is a terminal, so the output may be refreshed in place. */
  readonly isInteractive: boolean;
  readonly hasColour: boolean;
  /** Current size; undefined if the output has no width, such as a file. */
  size(): { readonly columns: number; readonly rows: number } | undefined;
}

/** 0 success, 1 target state not reached, 2 usage error or refused, 3 balancer unreachable. */
export type ExitCode = 0 | 1 | 2 | 3;

/** Replaces control characters and line breaks, so that untrusted text can neither control the terminal nor add lines. */
export function plainText(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ");
}

export interface Cell {
  readonly text: string;
  readonly tone?: "green" | "yellow" | "red" | "dim" | "bold";
}

export interface ColumnsOptions {
  /** Indexes of the right-aligned columns. */
  readonly right: readonly number[];
  readonly hasColour: boolean;
  /** Maximum length of a line. */
  readonly width?: number | undefined;
}

const gap = "  ";

/** Renders rows as aligned columns. The last column is not padded, and cut off at the width. */
export function renderColumns(
  rows: readonly (readonly (string | Cell)[])[],
  { right, hasColour, width = Infinity }: ColumnsOptions,
): readonly string[] {
  const cells = rows.map((row) => row.map((cell) => (typeof cell === "string" ? { text: cell } : cell)));
  const texts = cells.map((row) => row.map(({ text }) => plainText(text)));
  const last = Math.max(...texts.map((row) => row.length)) - 1;
  const widths = Array.from({ length: last + 1 }, (_, column) =>
    Math.max(...texts.map((row) => row[column]?.length ?? 0)),
  );
  return cells.map((row, index) => {
    let left = width;
    const padded = row.flatMap(({ tone }: Cell, column) => {
      if (left <= 0) return [];
      const text = texts[index]?.[column] ?? "";
      const space = " ".repeat((widths[column] ?? 0) - text.length);
      const isEnd = column === last;
      const aligned = right.includes(column) ? space + text : isEnd ? text : text + space;
      const shown = aligned.slice(0, left);
      left -= shown.length + gap.length;
      return tone && hasColour ? styleText(tone, shown, { validateStream: false }) : shown;
    });
    return padded.join(gap).trimEnd();
  });
}
