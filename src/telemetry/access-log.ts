/** Writes a line for each exchange, through LogTape, off the request path; those that it cannot keep up with are counted. */

import type { AccessLogConfig } from "../config/config.ts";
import type { Clock, Schedule } from "../lib/clock.ts";
import { fieldLogTo, type Log, type LogFields } from "../lib/log.ts";
import type { Random } from "../lib/random.ts";
import { throttle } from "../lib/throttle.ts";
import type { RecordTaker } from "../proxy/record.ts";
import { accessFieldsOf } from "./access-fields.ts";
import { accessFormatters } from "./access-format.ts";
import { LineFile, mostInPipe } from "../lib/line-file.ts";
import { LineWriter } from "../lib/line-writer.ts";

export interface AccessLogSetting {
  readonly config: AccessLogConfig;
  /** Other processes write to the same place. */
  readonly isShared: boolean;
  readonly clock: Clock;
  readonly schedule: Schedule;
  readonly random: Random;
  readonly log: Log;
}

export interface AccessLog {
  readonly taker: RecordTaker;
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

/** At most one in a process: LogTape's categories are the process's. */
export function openAccessLog({
  config,
  isShared,
  clock,
  schedule,
  random,
  log,
}: AccessLogSetting): AccessLog {
  const { to, format, share } = config;
  const mayWarn = throttle(1, () => (clock() * 1_000) / warnEveryMs);
  let untold = 0;
  const writer = new LineWriter({
    file: new LineFile(to),
    ...{ clock, schedule },
    onLoss(lines, why) {
      untold += lines;
      if (mayWarn() === undefined) return;
      log.warn("access log lines lost", { lines: untold, to, why });
      untold = 0;
    },
  });
  const formatter = accessFormatters[format];
  // What a pipe does not take at once could end up in the middle of another process's line.
  const mostBytes = isShared && to === "stdout" ? mostInPipe - 1 : Infinity;
  const write = fieldLogTo(
    (record) => {
      const line = formatter(record);
      if (line.length <= mostBytes) writer.write(line);
      else writer.write(formatter({ ...record, properties: shortened(record.properties) }));
    },
    "access",
    "request",
  );
  return {
    taker: {
      // Failures are written in any case: they are asked for when they end.
      wants: () => share >= 1 || (share > 0 && random() < share),
      wantsSlow: () => false,
      wantsFailed: () => true,
      take: (record) => write({ ...accessFieldsOf(record) }),
    },
    get lostLines() {
      return writer.lost;
    },
    reopen: () => writer.reopen(),
    close: () => writer.close(),
  };
}

function shortened(fields: LogFields): LogFields {
  const cut = ["method", "target", "host"].map((name) => [name, String(fields[name]).slice(0, fewChars)]);
  return { ...fields, ...Object.fromEntries(cut) };
}
