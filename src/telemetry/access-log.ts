/** Writes an access log line for each exchange, off the request path. Lines that exceed the buffer are lost and counted. */

import type { AccessLogConfig } from "../config/config.ts";
import type { Clock, Schedule } from "../lib/clock.ts";
import { LineFile, LineWriter, pipeAtomicBytes } from "../lib/line-writer.ts";
import type { Log } from "../lib/log.ts";
import type { Random } from "../lib/random.ts";
import { rateLimit } from "../lib/rate.ts";
import type { RecordSink } from "../proxy/record.ts";
import { combinedLine, commonLine, jsonLine } from "./access-log-format.ts";

export interface AccessLogOptions {
  readonly config: AccessLogConfig;
  /** Whether other processes write to the same file or stream. */
  readonly isShared: boolean;
  readonly clock: Clock;
  readonly schedule: Schedule;
  readonly random: Random;
  readonly log: Log;
}

export interface AccessLog {
  readonly sink: RecordSink;
  /** Lines that were not written. */
  readonly lostLines: number;
  /** Checks whether the file was moved away, and opens a new one. */
  reopen(): void;
  /** Resolves when all buffered lines are written or lost. */
  close(): Promise<void>;
}

const lineFormats = { json: jsonLine, common: commonLine, combined: combinedLine } as const;

/** With six texts of this length, each character escaped as six, a line still fits into an atomic write to a pipe. */
export const maxSharedChars = 56;

/** Time between two warnings. */
const warnIntervalMs = 10_000;

/** Does not use LogTape, whose logger, record and sink would cost more for each request than formatting the line. */
export function openAccessLog({
  config,
  isShared,
  clock,
  schedule,
  random,
  log,
}: AccessLogOptions): AccessLog {
  const { to, format, share } = config;
  const mayWarn = rateLimit(1, () => (clock() * 1_000) / warnIntervalMs);
  let unreported = 0;
  const writer = new LineWriter({
    file: new LineFile(to, isShared),
    clock,
    schedule,
    onLoss(lines, cause) {
      unreported += lines;
      if (mayWarn() === undefined) return;
      log.warn("access log lines lost", { lines: unreported, to, why: cause });
      unreported = 0;
    },
  });
  const lineOf = lineFormats[format];
  // A longer write to a pipe could end up in the middle of a line of another process.
  const maxLineChars = isShared && to === "stdout" ? pipeAtomicBytes - 1 : Infinity;
  return {
    sink: {
      // Failures are always written: `wantsFailed` is called when they end.
      wants: () => share >= 1 || (share > 0 && random() < share),
      wantsSlow: () => false,
      wantsFailed: () => true,
      accept(exchange) {
        const line = lineOf(exchange);
        writer.write(line.length <= maxLineChars ? line : lineOf(exchange, maxSharedChars));
      },
    },
    get lostLines() {
      return writer.lost;
    },
    reopen: () => writer.reopen(),
    close: () => writer.close(),
  };
}
