/** The access log's line as JSON. It is put together by hand, for there is one for each request; its names are in docs/access-log.md, and stay. */

import { IsoTimes } from "../lib/clock.ts";
import type { AttemptRecord, EndedExchange } from "../proxy/record.ts";

const written = new IsoTimes();
const begun = new IsoTimes();

/**
 * Without the end of the line, in ASCII: other programs end lines at U+0085 or U+2028, and some strings are no UTF-8.
 * Null stands for "there was none" and "nobody can tell".
 * @param most characters of what a client chooses
 */
export function jsonLine(exchange: EndedExchange, most = Infinity): string {
  const { at, durationMs, attempts } = exchange;
  const last = attempts.at(-1);
  return (
    `{"@timestamp":"${written.of(at + durationMs)}","level":"INFO","message":"request","logger":"evenkeel.access"` +
    `,"time":"${begun.of(at)}","requestId":${quoted(exchange.requestId)},"traceId":${quoted(exchange.traceId)}` +
    `,"client":${quoted(exchange.clientAddress)},"method":${quoted(exchange.method, Math.min(most, maxMethodChars))}` +
    `,"target":${quoted(exchange.target, most)},"host":${quoted(exchange.host, most)}` +
    `,"scheme":"${exchange.scheme}","pool":${quoted(exchange.pool)},"upstream":${quoted(last?.upstream ?? null)}` +
    `,"attempts":${attempts.length}${attempts.length > 1 ? `,"tries":[${attempts.map(tryOf).join()}]` : ""}` +
    `,"status":${exchange.status},"reason":${quoted(reasonOf(exchange))}` +
    `,"complaint":${quoted(exchange.complaint)},"notRetried":${quoted(exchange.notRetried)}` +
    `,"bytesIn":${exchange.bytesIn},"bytesOut":${exchange.bytesOut}` +
    `,"durationMs":${milliseconds(durationMs)},"queuedMs":${milliseconds(exchange.queuedMs)}` +
    `,"connectMs":${milliseconds(last?.connectMs ?? null)},"firstByteMs":${milliseconds(firstByteMs(exchange))}}`
  );
}

function tryOf({ upstream, status, reason, startMs, endMs }: AttemptRecord): string {
  const times = `"startMs":${milliseconds(startMs)},"durationMs":${milliseconds(endMs)}`;
  return `{"upstream":${quoted(upstream)},"status":${status},"reason":${quoted(reason)},${times}}`;
}

/** What JSON or ASCII would write otherwise. */
const odd = /["\\]|[^ -~]/;

/** In JSON these can only stand within strings. */
const beyondAscii = /[\u007f-\uffff]/g;

function quoted(text: string | null, most = Infinity): string {
  if (text === null) return "null";
  if (text.length > most) return quoted(text.slice(0, most));
  return odd.test(text) ? JSON.stringify(text).replace(beyondAscii, unicodeEscape) : `"${text}"`;
}

// The access log's line in Common Log Format and then pairs. Whatever a client sends, it can end no line and forge no field.

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

// What both forms of an access log line tell of an exchange alike, and how: reasons, times, limits.

/** Heads may be as long as they like; a method that is longer says nothing. */
export const maxMethodChars = 64;

export function reasonOf({ reason, isClientGone }: EndedExchange): string | null {
  return reason ?? (isClientGone ? "client_gone" : null);
}

/** From the start of the exchange to the head of the last attempt's answer. */
export function firstByteMs({ attempts }: EndedExchange): number | null {
  const last = attempts.at(-1);
  return last?.headMs == null ? null : last.startMs + last.headMs;
}

/** ".5", ".25", ".001"; nothing for none. */
const fractions: readonly string[] = Array.from({ length: 1_000 }, (_, micros) =>
  micros === 0 ? "" : String(micros / 1_000).slice(1),
);

/** To the microsecond, "30.5": digits below are noise, and bytes. Taken from a table, as each line has several. */
export function milliseconds(ms: number | null): string | null {
  if (ms === null) return null;
  const micros = Math.max(0, Math.round(ms * 1_000));
  const whole = Math.floor(micros / 1_000);
  return `${whole}${fractions[micros - whole * 1_000]}`;
}

/** For characters that must not stand in a line as they are. */
export function unicodeEscape(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
