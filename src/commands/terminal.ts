/** Where a command's words go, and what it may do there: the process gives it, so that no command touches the process. */

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
