/** Shows lines on a terminal, once or refreshed in place, and what a command reads every second. */

import { sleep } from "../lib/clock.ts";
import type { CallResult, Failed } from "./admin-call.ts";
import type { ExitCode, Terminal } from "./terminal.ts";

const refreshMs = 1_000;

/** What a command reads from a balancer and shows. */
interface Readings {
  read(): Promise<Failed | CallResult>;
  /** @returns the exit code, where it is read once */
  show(value: unknown): ExitCode;
  /** A balancer that was reached before is not reached any more. */
  showFailure(failed: Failed): void;
}

/**
 * Reads and shows once; with `isWatched` every second until it is interrupted, also while the balancer is unreachable.
 * @returns the failure of a balancer that was never reached, or that refuses
 */
export async function showReadings(isWatched: boolean, readings: Readings): Promise<ExitCode | Failed> {
  for (let isReached = false; ;) {
    const response = await readings.read();
    if (response.kind === "called") {
      isReached = true;
      const exitCode = readings.show(response.value);
      if (!isWatched) return exitCode;
    } else {
      if (!isReached || response.exitCode !== unreachable) return response;
      readings.showFailure(response);
    }
    await sleep(refreshMs);
  }
}

const unreachable: ExitCode = 3;

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
