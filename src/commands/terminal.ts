/** Where a command's words go, and what it may do there: the process gives it, so that no command touches the process. */

import { styleText } from "node:util";

export interface Terminal {
  /** To standard output. */
  write(text: string): void;
  /** To standard error, a line. */
  warn(line: string): void;
  /** Somebody looks: colours and refreshing in place make sense. */
  readonly isInteractive: boolean;
  readonly hasColour: boolean;
  /** How large it is now; undefined where there is no end to it. */
  size(): { readonly columns: number; readonly rows: number } | undefined;
}

/** How a process that asked something ends: done, not reached, misuse or refused, nobody answers. */
export type ExitCode = 0 | 1 | 2 | 3;

/** One line that cannot move the cursor, ring the bell or pretend to be another one: whatever it came from. */
export function plainText(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ");
}

// Rows as columns of a terminal: ten lines, for which a library would be more to look after than to write.

export interface Cell {
  readonly text: string;
  readonly tone?: "green" | "yellow" | "red" | "dim" | "bold";
}

export interface ColumnsOptions {
  /** Numbers of the columns that are numbers, from 0. */
  readonly right: readonly number[];
  readonly hasColour: boolean;
  /** No line is longer. */
  readonly width?: number | undefined;
}

const gap = "  ";

/** The last column is as long as it is, and cut where the terminal ends. */
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
      const whole = right.includes(column) ? space + text : isEnd ? text : text + space;
      const shown = whole.slice(0, left);
      left -= shown.length + gap.length;
      return tone && hasColour ? styleText(tone, shown, { validateStream: false }) : shown;
    });
    return padded.join(gap).trimEnd();
  });
}
