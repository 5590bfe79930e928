/** What the process says about itself, on standard error. LogTape does the work: it has no dependencies and runs everywhere. */

import {
  configureSync,
  getConfig,
  getConsoleSink,
  getJsonLinesFormatter,
  getLogger,
  getTextFormatter,
  type Sink,
} from "@logtape/logtape";

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

export type LogFields = Readonly<Record<string, unknown>>;
export type LogLevel = "debug" | "info" | "warning" | "error";

/** Chooses form and lowest level, once, at the start. Text is for people, JSON lines for collectors. */
export function configureLog(setting: { readonly json: boolean; readonly level: LogLevel }): void {
  const formatter = setting.json ? jsonLines : text;
  configureSync({
    reset: true,
    sinks: { stderr: getConsoleSink({ formatter, levelMap: allToStandardError }) },
    loggers: [
      { category: "evenkeel", lowestLevel: setting.level, sinks: ["stderr"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["stderr"] },
    ],
  });
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

/** What is said once for each request: no words, only fields. */
export type FieldLog = (fields: LogFields) => void;

/** A log with a place of its own: its lines go to this sink, and not to standard error. @param message the same in all */
export function fieldLogTo(sink: Sink, part: string, message: string): FieldLog {
  const config = getConfig();
  const others = (config?.loggers ?? []).filter(({ category }) => category[1] !== part);
  configureSync({
    reset: true,
    sinks: { ...config?.sinks, [part]: sink },
    loggers: [
      ...(config ? others : [{ category: ["logtape", "meta"], sinks: [] }]),
      { category: ["evenkeel", part], lowestLevel: "info", sinks: [part], parentSinks: "override" },
    ],
  });
  const logger = getLogger(["evenkeel", part]);
  return (fields) => logger.info(message, fields);
}

const allToStandardError = {
  trace: "error",
  debug: "error",
  info: "error",
  warning: "error",
  error: "error",
  fatal: "error",
} as const;

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
