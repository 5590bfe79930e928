/** The access log's line as JSON. It is put together by hand, for there is one for each request; its names are in docs/access-log.md, and stay. */

import { IsoTimes } from "../lib/iso-times.ts";
import type { AttemptRecord, EndedExchange } from "../proxy/record.ts";
import { firstByteMs, milliseconds, maxMethodChars, reasonOf, unicodeEscape } from "./access-figures.ts";

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
