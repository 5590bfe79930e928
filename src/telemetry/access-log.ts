/** Writes a line for each exchange, off the request path; those that it cannot keep up with are counted. */

import type { AccessLogConfig } from "../config/config.ts";
import type { Clock, Schedule } from "../lib/clock.ts";
import { LineFile, LineWriter, pipeAtomicBytes } from "../lib/line-writer.ts";
import type { Log } from "../lib/log.ts";
import type { Random } from "../lib/random.ts";
import { rateLimit } from "../lib/rate.ts";
import type { RecordSink } from "../proxy/record.ts";
import { commonLine, jsonLine } from "./access-log-format.ts";

export interface AccessLogOptions {
  readonly config: AccessLogConfig;
  /** Other processes write to the same place. */
  readonly isShared: boolean;
  readonly clock: Clock;
  readonly schedule: Schedule;
  readonly random: Random;
  readonly log: Log;
}

export interface AccessLog {
  readonly sink: RecordSink;
  /** Lines that did not get out. */
  readonly lostLines: number;
  /** The file may have been moved away. */
  reopen(): void;
  /** Resolves when what waited is written, or cannot be. */
  close(): Promise<void>;
}

/** With three strings of this length, each character written as six, a line still fits into a pipe at once. */
const fewChars = 96;

/** Between two warnings. */
const warnEveryMs = 10_000;

/**
 * Not through LogTape, which writes the log of the process: its logger, record and sink would cost more for each request
 * than the line itself.
 */
export function openAccessLog({
  config,
  isShared,
  clock,
  schedule,
  random,
  log,
}: AccessLogOptions): AccessLog {
  const { to, format, share } = config;
  const mayWarn = rateLimit(1, () => (clock() * 1_000) / warnEveryMs);
  let untold = 0;
  const writer = new LineWriter({
    file: new LineFile(to, isShared),
    ...{ clock, schedule },
    onLoss(lines, why) {
      untold += lines;
      if (mayWarn() === undefined) return;
      log.warn("access log lines lost", { lines: untold, to, why });
      untold = 0;
    },
  });
  const lineOf = format === "json" ? jsonLine : commonLine;
  // What a pipe does not take at once could end up in the middle of another process's line.
  const maxChars = isShared && to === "stdout" ? pipeAtomicBytes - 1 : Infinity;
  return {
    sink: {
      // Failures are written in any case: they are asked for when they end.
      wants: () => share >= 1 || (share > 0 && random() < share),
      wantsSlow: () => false,
      wantsFailed: () => true,
      accept(exchange) {
        const line = lineOf(exchange);
        writer.write(line.length <= maxChars ? line : lineOf(exchange, fewChars));
      },
    },
    get lostLines() {
      return writer.lost;
    },
    reopen: () => writer.reopen(),
    close: () => writer.close(),
  };
}
