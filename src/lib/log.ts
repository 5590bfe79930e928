/** What the process says about itself, on standard error. LogTape does the work: it has no dependencies and runs everywhere. */

import { ansiColorFormatter, configureSync, getConsoleSink, getLogger, jsonLinesFormatter } from "@logtape/logtape";

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

export type LogFields = Readonly<Record<string, unknown>>;
export type LogLevel = "debug" | "info" | "warning" | "error";

/** Chooses form and lowest level once, at the start. Coloured text is for people, JSON lines for collectors. */
export function configureLog(setting: { readonly json: boolean; readonly level: LogLevel }): void {
  const formatter = setting.json ? jsonLinesFormatter : ansiColorFormatter;
  configureSync({
    reset: true,
    sinks: { stderr: getConsoleSink({ formatter, levelMap: allToStandardError }) },
    loggers: [
      { category: "evenkeel", lowestLevel: setting.level, sinks: ["stderr"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["stderr"] },
    ],
  });
}

const allToStandardError = { trace: "error", debug: "error", info: "error", warning: "error", error: "error", fatal: "error" } as const;

/** A log whose lines name the part of the house that speaks. */
export function logOf(part: string): Log {
  const logger = getLogger(["evenkeel", part]);
  const line = (message: string, fields: LogFields | undefined) => (fields ? `${escapeBraces(message)} ${placeholders(fields)}` : escapeBraces(message));
  return {
    debug: (message, fields) => logger.debug(line(message, fields), { ...fields }),
    info: (message, fields) => logger.info(line(message, fields), { ...fields }),
    warn: (message, fields) => logger.warn(line(message, fields), { ...fields }),
    error: (message, fields) => logger.error(line(message, fields), { ...fields }),
  };
}

/** Braces in a message would be taken for placeholders. */
function escapeBraces(text: string): string {
  return text.replace(/[{}]/g, "$&$&");
}

function placeholders(fields: LogFields): string {
  return Object.keys(fields)
    .filter((name) => fields[name] !== undefined)
    .map((name) => `${name}={${name}}`)
    .join(" ");
}
