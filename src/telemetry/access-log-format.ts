/** Formats an exchange as an access log line, in JSON, Common Log Format or combined format. The field names are public: see docs/access-log.md. */

import { IsoTimes } from "../lib/clock.ts";
import type { AttemptRecord, EndedExchange } from "../proxy/record.ts";

const writeTimes = new IsoTimes();
const startTimes = new IsoTimes();

/**
 * A JSON line, concatenated by hand because there is one for each request. It has no newline and is ASCII, because other
 * programs end lines at U+0085 or U+2028, and some strings are not valid UTF-8. Null means "none" or "unknown".
 * @param maxChars limit for each text that a client chooses
 */
export function jsonLine(exchange: EndedExchange, maxChars = Infinity): string {
  const { at, durationMs, attempts } = exchange;
  const last = attempts.at(-1);
  return (
    `{"@timestamp":"${writeTimes.of(at + durationMs)}","level":"INFO","message":"request","logger":"evenkeel.access"` +
    `,"time":"${startTimes.of(at)}","requestId":${quoted(exchange.requestId)},"traceId":${quoted(exchange.traceId)}` +
    `,"client":${quoted(exchange.clientAddress)},"peer":${quoted(exchange.peerAddress)},"method":${quoted(exchange.method, Math.min(maxChars, maxMethodChars))}` +
    `,"target":${quoted(exchange.target, maxChars)},"host":${quoted(exchange.host, maxChars)}` +
    `,"userAgent":${quoted(exchange.userAgent, maxChars)},"referer":${quoted(exchange.referer, maxChars)},"user":${quoted(exchange.user, maxChars)}` +
    `,"scheme":"${exchange.scheme}","listener":${quoted(exchange.listener)},"protocol":${quoted(exchange.protocol)},"route":${quoted(exchange.route)},"pool":${quoted(exchange.pool)},"upstream":${quoted(last?.upstream ?? null)}` +
    `,"attempts":${attempts.length}${attempts.length > 1 ? `,"tries":[${attempts.map(tryOf).join()}]` : ""}` +
    `,"status":${exchange.status},"reason":${quoted(reasonOf(exchange))}` +
    `,"filter":${quoted(exchange.filter)},"complaint":${quoted(exchange.complaint)},"notRetried":${quoted(exchange.notRetried)}` +
    `,"bytesIn":${exchange.bytesIn},"bytesOut":${exchange.bytesOut}` +
    `,"durationMs":${milliseconds(durationMs)},"queuedMs":${milliseconds(exchange.queuedMs)}` +
    `,"connectMs":${milliseconds(last?.connectMs ?? null)},"firstByteMs":${milliseconds(firstByteMs(exchange))}}`
  );
}

function tryOf({ upstream, status, reason, startMs, endMs }: AttemptRecord): string {
  const times = `"startMs":${milliseconds(startMs)},"durationMs":${milliseconds(endMs)}`;
  return `{"upstream":${quoted(upstream)},"status":${status},"reason":${quoted(reason)},${times}}`;
}

/** Characters that are escaped in both formats. */
const unsafeChars = /["\\]|[^ -~]/;

/** In JSON these occur only in strings. */
const beyondAscii = /[\u007f-\uffff]/g;

function quoted(text: string | null, maxChars = Infinity): string {
  if (text === null) return "null";
  if (text.length > maxChars) return quoted(text.slice(0, maxChars));
  return unsafeChars.test(text) ? JSON.stringify(text).replace(beyondAscii, unicodeEscape) : `"${text}"`;
}

/**
 * A line in Common Log Format, followed by `name=value` pairs. A client cannot end the line or forge a field. The HTTP
 * version is one of the pairs. Bytes are those written to the client's connection, times are milliseconds, "-" means none.
 * @param maxChars limit for each text that a client chooses
 */
export function commonLine(exchange: EndedExchange, maxChars = Infinity): string {
  const { attempts, status } = exchange;
  const last = attempts.at(-1);
  const method = exchange.method.slice(0, Math.min(maxChars, maxMethodChars));
  const request = `"${escape(method)} ${escape(exchange.target.slice(0, maxChars))}"`;
  return (
    `${bare(exchange.clientAddress)} - ${userOf(exchange, maxChars)} [${clfTime(exchange.at)}] ${request} ${status} ${exchange.bytesOut}` +
    ` upstream=${bare(last?.upstream ?? null)} pool=${bare(exchange.pool)} attempts=${attempts.length}` +
    ` reason=${bare(reasonOf(exchange))} not_retried=${bare(exchange.notRetried)}` +
    ` duration_ms=${milliseconds(exchange.durationMs)} queued_ms=${milliseconds(exchange.queuedMs)}` +
    ` connect_ms=${milliseconds(last?.connectMs ?? null) ?? "-"}` +
    ` first_byte_ms=${milliseconds(firstByteMs(exchange)) ?? "-"} bytes_in=${exchange.bytesIn}` +
    ` scheme=${exchange.scheme} host="${escape(exchange.host.slice(0, maxChars))}"` +
    ` id=${bare(exchange.requestId)} trace=${bare(exchange.traceId)} peer=${bare(exchange.peerAddress)} complaint=${quotedOrNone(exchange.complaint)}` +
    ` listener=${bare(exchange.listener)} protocol=${bare(exchange.protocol)} route=${bare(exchange.route)} filter=${bare(exchange.filter)}` +
    ` user_agent=${quotedOrNone(exchange.userAgent, maxChars)} referer=${quotedOrNone(exchange.referer, maxChars)}`
  );
}

/** As NGINX writes it. Where the runtime's server does not tell the version, HTTP/1.1 is by far the most likely one. */
const versions = { "http/1.0": "HTTP/1.0", "http/1.1": "HTTP/1.1", h2: "HTTP/2.0", h3: "HTTP/3.0" } as const;

/**
 * A line in the combined format of NGINX and Apache, and nothing more: for programs that read exactly that.
 * @param maxChars limit for each text that a client chooses
 */
export function combinedLine(exchange: EndedExchange, maxChars = Infinity): string {
  const method = exchange.method.slice(0, Math.min(maxChars, maxMethodChars));
  const request = `${escape(method)} ${escape(exchange.target.slice(0, maxChars))} ${versions[exchange.protocol ?? "http/1.1"]}`;
  const quoted = (text: string | null) => `"${text === null ? "-" : escape(text.slice(0, maxChars))}"`;
  return (
    `${bare(exchange.clientAddress)} - ${userOf(exchange, maxChars)} [${clfTime(exchange.at)}] "${request}"` +
    ` ${exchange.status} ${exchange.bytesOut} ${quoted(exchange.referer)} ${quoted(exchange.userAgent)}`
  );
}

function userOf({ user }: EndedExchange, maxChars: number): string {
  return bare(user === null ? null : user.slice(0, maxChars));
}

function quotedOrNone(text: string | null, maxChars = Infinity): string {
  return text === null ? "-" : `"${escape(text.slice(0, maxChars))}"`;
}

/** A value without quotes. Spaces are escaped, because names from the configuration may contain them. */
function bare(value: string | null): string {
  return value === null || value === "" ? "-" : escape(value).replaceAll(" ", "\\x20");
}

/** Escapes in the way of NGINX and Apache. */
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

/** "24/Nov/2026:00:12:30 +0000"; formatted once a second. */
function clfTime(at: number): string {
  if (Math.floor(at / 1_000) !== second) {
    second = Math.floor(at / 1_000);
    const time = new Date(at).toISOString();
    const month = months[Number(time.slice(5, 7)) - 1];
    secondText = `${time.slice(8, 10)}/${month}/${time.slice(0, 4)}:${time.slice(11, 19)} +0000`;
  }
  return secondText;
}

/** Limit for the method, which may be as long as a request head. */
const maxMethodChars = 64;

function reasonOf({ reason, isClientGone }: EndedExchange): string | null {
  return reason ?? (isClientGone ? "client_gone" : null);
}

/** From the start of the exchange to the response headers of the last attempt; null without a response. */
function firstByteMs({ attempts }: EndedExchange): number | null {
  const last = attempts.at(-1);
  return last?.headMs == null ? null : last.startMs + last.headMs;
}

/** Fractions of a millisecond by microseconds: "" for 0, then ".001" to ".999" without trailing zeros. */
const fractions: readonly string[] = Array.from({ length: 1_000 }, (_, micros) =>
  micros === 0 ? "" : String(micros / 1_000).slice(1),
);

/** Rounded to the microsecond: "30.5". Uses a table of fractions, because each line has several durations. */
function milliseconds(ms: number | null): string | null {
  if (ms === null) return null;
  const micros = Math.max(0, Math.round(ms * 1_000));
  const whole = Math.floor(micros / 1_000);
  return `${whole}${fractions[micros - whole * 1_000]}`;
}

function unicodeEscape(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
