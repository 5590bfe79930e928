/** The structured process log on standard error. LogTape formats it; {@link LineWriter} writes it, so that logging never blocks. */

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

/** Maximum buffered characters while the reader is slow. */
const maxWaiting = 1024 * 1024;

/** A reader that has stopped reading must not prevent the exit of the process. */
const flushTimeoutMs = 500;

const writer = new LineWriter({
  // Workers share standard error.
  file: new LineFile("stderr", true),
  clock: systemClock,
  schedule: systemSchedule,
  batchMs: 0,
  maxWaiting,
  // The log reports losses when there is room again; the metrics report them at once.
  onLoss() {},
});

/** Sets format and lowest level; call it once at start. Text is for people, JSON lines for collectors. */
export function configureLog(options: { readonly json: boolean; readonly level: LogLevel }): void {
  const formatter = options.json ? jsonLines : text;
  const write = (record: LogRecord) => writer.write(formatter(record).trimEnd());
  let reported = 0;
  const stderr: Sink = (record) => {
    const lines = writer.lost - reported;
    if (lines > 0 && writer.hasRoom) {
      reported += lines;
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

/** Call before the process exits. Resolves when all lines are written, or after half a second. */
export async function flushLog(): Promise<void> {
  await Promise.race([writer.flush(), sleep(flushTimeoutMs)]);
}

/** Log lines of this process that were lost because the reader was too slow. */
export function lostLogLines(): number {
  return writer.lost;
}

function lossRecord(before: LogRecord, lines: number): LogRecord {
  const message = "log lines lost";
  const source = { category: ["evenkeel", "log"], level: "warning" } as const;
  return { ...before, ...source, message: [message], rawMessage: message, properties: { lines } };
}

/** @param part name of the component, which every line carries as its logger */
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

/** Escapes braces, which LogTape would read as placeholders. */
function verbatim(message: string): string {
  return message.replace(/[{}]/g, "$&$&");
}
