/** Words and numbers for titles and sentences of problems. */

import { joinList } from "../lib/list-text.ts";
import { visibleLine } from "../lib/one-line.ts";

const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** 614, 13,020 */
export function countText(count: number): string {
  return grouped.format(count);
}

/** "1 request", "13,020 requests" */
export function countedNoun(count: number, noun: string): string {
  return `${countText(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** A share: "30 %", "2.5 %", "0.02 %". */
export function percentText(share: number): string {
  const percent = share * 100;
  if (percent === 0 || percent >= 10) return `${Math.round(percent)} %`;
  return `${Number(percent.toPrecision(percent < 1 ? 1 : 2))} %`;
}

/** A share of requests, in the form that is understood fastest: "1 in 40 requests", "30 % of the requests". */
export function shareOfRequests(share: number): string {
  if (share >= 0.995) return "all requests";
  if (share >= 0.1) return `${percentText(share)} of the requests`;
  return share <= 0 ? "no request" : `1 in ${countText(roundedDivisor(1 / share))} requests`;
}

/** Two digits: 38.4 → 38, 1,234 → 1,200. */
function roundedDivisor(divisor: number): number {
  const magnitude = 10 ** Math.max(0, Math.floor(Math.log10(divisor)) - 1);
  return Math.round(divisor / magnitude) * magnitude;
}

/** "19 in 20", "9 in 10", "1 in 5": for shares of which most are lost. */
export function proportionText(share: number): string {
  const of = share > 0.925 || share < 0.075 ? 20 : 10;
  const part = Math.min(of, Math.max(1, Math.round(share * of)));
  return part === of ? "all" : `${part} in ${of}`;
}

/** Epoch milliseconds as a time of day: "14:03 UTC"; with its date if that is another day. */
export function clockText(at: number, now: number): string {
  const [date = "", time = ""] = new Date(at).toISOString().split("T");
  const clock = `${time.slice(0, 5)} UTC`;
  return Math.abs(now - at) < 20 * 3_600_000 ? clock : `${date} ${clock}`;
}

/** Epoch milliseconds as "14:21:07 UTC". */
export function secondsText(at: number): string {
  return `${new Date(at).toISOString().slice(11, 19)} UTC`;
}

/** "0.4 ms", "128 ms", "1.9 s" */
export function millisText(ms: number): string {
  if (ms < 9.95) return `${Number(ms.toFixed(1))} ms`;
  return ms < 999.5 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

/** In its largest unit: "14 s", "3 min", "5 h", "2 days". */
export function spanText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** A rate per second: "0.3", "15.5", "1,234" */
export function rateText(perSecond: number): string {
  return perSecond < 100 ? String(Number(perSecond.toFixed(1))) : countText(perSecond);
}

const maxForeign = 120;

/** Words of another program on one line, cut where they are long. */
export function foreignText(text: string): string {
  const line = visibleLine(text);
  return line.length > maxForeign ? `${line.slice(0, maxForeign - 1)}…` : line;
}

/** The first letter as a capital. */
export function sentenceCase(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

const maxNames = 3;

/** "a, b and c"; "a, b, c and 4 more" */
export function someNames(names: readonly string[]): string {
  if (names.length <= maxNames + 1) return joinList(names);
  return `${names.slice(0, maxNames).join(", ")} and ${names.length - maxNames} more`;
}

const reasonTexts: Readonly<Record<string, string | undefined>> = {
  connect_refused: "connection refused",
  connect_timeout: "no connection in time",
  connect_reset: "connection cut",
  upstream_reset: "connection cut",
  stream_refused: "stream refused",
  head_timeout: "no answer in time",
  head_invalid: "invalid answer",
  answer_refused: "answer not valid HTTP",
  rescued: "no answer",
  total_timeout: "not done within its time",
  body_timeout: "the answer stopped",
  body_truncated: "the answer ended early",
};

/** A reason word of an attempt's failure as words: "connection refused", "503". */
export function reasonWords(reason: string): string {
  const status = statusIn(reason);
  return status ?? reasonTexts[reason] ?? reason.replaceAll("_", " ");
}

/** "503" of "status_503" and of a probe's "status 503"; undefined for other words. */
export function statusIn(text: string): string | undefined {
  return /^status[_ ](\d{3})$/.exec(text)?.[1];
}

/** What the system does not give any more, by its error code: "file descriptors". */
export function shortageOf(code: string): string {
  return shortages[code] ?? "sockets";
}

const shortages: Readonly<Record<string, string | undefined>> = {
  EMFILE: "file descriptors",
  ENFILE: "file descriptors of the whole system",
  EADDRNOTAVAIL: "local ports or addresses",
  ENOBUFS: "memory for sockets",
  ENOMEM: "memory for sockets",
};

/** An error of the state file in fewer words: "no space on disk". */
export function storageText(why: string): string {
  if (/disk is full|ENOSPC|no space/i.test(why)) return "no space on disk";
  if (/read-?only|EROFS|EACCES|EPERM|permission/i.test(why)) return "no permission to write";
  if (/locked|busy/i.test(why)) return "the state file is locked";
  return foreignText(why);
}
