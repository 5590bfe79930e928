/** What the process says about itself, on standard error. LogTape does the work; only the writing is ours, for it must hold up nobody. */

import {
  configureSync,
  getJsonLinesFormatter,
  getLogger,
  getTextFormatter,
  type LogRecord,
  type Sink,
} from "@logtape/logtape";

import { sleep, systemClock, systemSchedule } from "./clock.ts";
import { LineFile, LineWriter } from "./line-writer.ts";

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

export type LogFields = Readonly<Record<string, unknown>>;
export type LogLevel = "debug" | "info" | "warning" | "error";

/** Characters that may wait for a reader who is slow. */
const maxWaiting = 1024 * 1024;

/** A reader who reads no more must not keep the process from ending. */
const flushWithinMs = 500;

const writer = new LineWriter({
  // Workers have the same standard error.
  file: new LineFile("stderr", true),
  ...{ clock: systemClock, schedule: systemSchedule, batchMs: 0, maxWaiting },
  // They are told once somebody reads again, and before that in the metrics.
  onLoss() {},
});

/** Chooses form and lowest level, once, at the start. Text is for people, JSON lines for collectors. */
export function configureLog(options: { readonly json: boolean; readonly level: LogLevel }): void {
  const formatter = options.json ? jsonLines : text;
  const write = (record: LogRecord) => writer.write(formatter(record).trimEnd());
  let told = 0;
  const stderr: Sink = (record) => {
    const lines = writer.lost - told;
    if (lines > 0 && writer.hasRoom) {
      told += lines;
      write(lossRecord(record, lines));
    }
    write(record);
  };
  configureSync({
    reset: true,
    sinks: { stderr },
    loggers: [
      { category: "evenkeel", lowestLevel: options.level, sinks: ["stderr"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["stderr"] },
    ],
  });
}

/** Before the process ends: resolves when what was said is written, or cannot be for now. */
export async function flushLog(): Promise<void> {
  await Promise.race([writer.flush(), sleep(flushWithinMs)]);
}

/** Lines of this process that nobody read in time. */
export function lostLogLines(): number {
  return writer.lost;
}

function lossRecord(before: LogRecord, lines: number): LogRecord {
  const said = "log lines lost";
  const place = { category: ["evenkeel", "log"], level: "warning" } as const;
  return { ...before, ...place, message: [said], rawMessage: said, properties: { lines } };
}

/** A log whose lines name the part of the house that speaks. */
export function logOf(part: string): Log {
  const logger = getLogger(["evenkeel", part]);
  return {
    debug: (message, fields) => logger.debug(verbatim(message), { ...fields }),
    info: (message, fields) => logger.info(verbatim(message), { ...fields }),
    warn: (message, fields) => logger.warn(verbatim(message), { ...fields }),
    error: (message, fields) => logger.error(verbatim(message), { ...fields }),
  };
}

const jsonLines = getJsonLinesFormatter({ properties: "flatten", categorySeparator: "." });

const text = getTextFormatter({
  timestamp: "time",
  format: ({ timestamp, level, message, record }) =>
    [timestamp, level, message, ...Object.entries(record.properties).map(pair)]
      .filter((part) => part !== "")
      .join(" "),
});

function pair([name, value]: [string, unknown]): string {
  if (value === undefined) return "";
  if (value instanceof Error) return `${name}=${value.stack ?? value.message}`;
  return `${name}=${typeof value === "string" && /^[\w.:/@-]+$/.test(value) ? value : JSON.stringify(value)}`;
}

/** Braces would be taken for placeholders. */
function verbatim(message: string): string {
  return message.replace(/[{}]/g, "$&$&");
}
