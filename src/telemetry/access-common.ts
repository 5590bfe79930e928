/** The access log's line in Common Log Format and then pairs. Whatever a client sends, it can end no line and forge no field. */

import type { EndedExchange } from "../proxy/record.ts";
import { firstByteMs, milliseconds, maxMethodChars, reasonOf, unicodeEscape } from "./access-figures.ts";

/**
 * Without the request's version, which is not kept. Bytes are those handed to the client's connection; times are
 * milliseconds; "-" is "none".
 * @param most characters of what a client chooses
 */
export function commonLine(exchange: EndedExchange, most = Infinity): string {
  const { attempts, status } = exchange;
  const last = attempts.at(-1);
  const method = exchange.method.slice(0, Math.min(most, maxMethodChars));
  const request = `"${escape(method)} ${escape(exchange.target.slice(0, most))}"`;
  return (
    `${bare(exchange.clientAddress)} - - [${clfTime(exchange.at)}] ${request} ${status} ${exchange.bytesOut}` +
    ` upstream=${bare(last?.upstream ?? null)} pool=${bare(exchange.pool)} attempts=${attempts.length}` +
    ` reason=${bare(reasonOf(exchange))} not_retried=${bare(exchange.notRetried)}` +
    ` duration_ms=${milliseconds(exchange.durationMs)} queued_ms=${milliseconds(exchange.queuedMs)}` +
    ` connect_ms=${milliseconds(last?.connectMs ?? null) ?? "-"}` +
    ` first_byte_ms=${milliseconds(firstByteMs(exchange)) ?? "-"} bytes_in=${exchange.bytesIn}` +
    ` scheme=${exchange.scheme} host="${escape(exchange.host.slice(0, most))}"` +
    ` id=${bare(exchange.requestId)} trace=${bare(exchange.traceId)} complaint=${quotedOrNone(exchange.complaint)}`
  );
}

function quotedOrNone(text: string | null): string {
  return text === null ? "-" : `"${escape(text)}"`;
}

/** A value that stands without quotes: names from the configuration may have spaces. */
function bare(value: string | null): string {
  return value === null || value === "" ? "-" : escape(value).replaceAll(" ", "\\x20");
}

/** What is escaped, and how, is NGINX's and Apache's way. */
const unsafeChars = /["\\]|[^ -~]/;

function escape(text: string): string {
  if (!unsafeChars.test(text)) return text;
  return text.replace(/["\\]|[^ -~]/g, (char) => {
    const code = char.charCodeAt(0);
    if (code > 0xff) return unicodeEscape(char);
    return `\\x${code.toString(16).padStart(2, "0")}`;
  });
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

let second = Number.NaN;
let secondText = "";

/** "24/Nov/2026:00:12:30 +0000", made once a second. */
function clfTime(at: number): string {
  if (Math.floor(at / 1_000) !== second) {
    second = Math.floor(at / 1_000);
    const time = new Date(at).toISOString();
    const month = months[Number(time.slice(5, 7)) - 1];
    secondText = `${time.slice(8, 10)}/${month}/${time.slice(0, 4)}:${time.slice(11, 19)} +0000`;
  }
  return secondText;
}
