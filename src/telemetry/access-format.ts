/** The two forms of an access log line. Whatever a client sends, it can end no line and forge no field. */

import type { LogRecord, TextFormatter } from "@logtape/logtape";

import type { AccessLogFormat } from "../config/telemetry-schema.ts";
import type { AccessFields } from "./access-fields.ts";

/** Without the end of the line, in ASCII: other programs end lines at U+0085 or U+2028, and some strings are no UTF-8. */
export const accessFormatters: Readonly<Record<AccessLogFormat, TextFormatter>> = {
  json: (record) => json(record).replace(beyondAscii, unicodeEscape),
  common: ({ properties }) => common(properties as unknown as AccessFields),
};

/** As LogTape's own formatter has it, which looks into every value for what cannot be here, and takes more than twice as long for it. */
function json({ timestamp, category, message, properties }: LogRecord): string {
  const head = { "@timestamp": new Date(timestamp).toISOString(), level: "INFO", message: message[0] };
  return JSON.stringify({ ...head, logger: category.join("."), ...properties });
}

/** In JSON these can only stand within strings. */
const beyondAscii = /[\u007f-\uffff]/g;

function unicodeEscape(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/**
 * Common Log Format, without the request's version, which is not kept, and then pairs. Bytes are those handed to the
 * client's connection; times are milliseconds; "-" is "none".
 */
function common(fields: AccessFields): string {
  const { client, time, method, target, status, bytesOut } = fields;
  const request = `"${escape(method)} ${escape(target)}"`;
  const pairs = [
    ["upstream", fields.upstream],
    ["pool", fields.pool],
    ["attempts", fields.attempts],
    ["reason", fields.reason],
    ["not_retried", fields.notRetried],
    ["duration_ms", fields.durationMs],
    ["queued_ms", fields.queuedMs],
    ["connect_ms", fields.connectMs],
    ["first_byte_ms", fields.firstByteMs],
    ["bytes_in", fields.bytesIn],
    ["scheme", fields.scheme],
    ["host", `"${escape(fields.host)}"`],
    ["id", fields.requestId],
    ["trace", fields.traceId],
  ] as const;
  const line = `${bare(client)} - - [${clfTime(time)}] ${request} ${status} ${bytesOut}`;
  return `${line} ${pairs.map(([name, value]) => `${name}=${name === "host" ? value : bare(value)}`).join(" ")}`;
}

/** A value that stands without quotes: names from the configuration may have spaces. */
function bare(value: string | number | null): string {
  if (value === null || value === "") return "-";
  return typeof value === "number" ? String(value) : escape(value).replaceAll(" ", "\\x20");
}

/** As NGINX and Apache do it. */
function escape(text: string): string {
  return text.replace(/["\\]|[^ -~]/g, (char) => {
    const code = char.charCodeAt(0);
    if (code > 0xff) return unicodeEscape(char);
    return `\\x${code.toString(16).padStart(2, "0")}`;
  });
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** "2026-11-24T00:12:30.250Z" → "24/Nov/2026:00:12:30 +0000" */
function clfTime(time: string): string {
  const month = months[Number(time.slice(5, 7)) - 1];
  return `${time.slice(8, 10)}/${month}/${time.slice(0, 4)}:${time.slice(11, 19)} +0000`;
}
