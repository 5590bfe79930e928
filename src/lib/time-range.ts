/** Moments and ranges as people write them in addresses: RFC 3339, "-1h", "now"; with a sentence for each error. */

export interface MomentRange {
  /** Epoch milliseconds. */
  readonly from: number;
  readonly to: number;
  /** Whether it ends now and moves on. */
  readonly isLive: boolean;
}

export interface RangeText {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

export interface RangeLimits {
  /** Epoch milliseconds. */
  readonly now: number;
  /** Length of a range of which only one end, or none, is given. */
  readonly defaultMs: number;
}

const unitsMs: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** The longest and the shortest range that is shown. */
const maxRangeMs = 31 * 86_400_000;
const minRangeMs = 1_000;

/** Further back there is no history. */
const maxAgeMs = 366 * 86_400_000;

/** 1970: earlier moments are mistakes, and have no number that a store takes. */
const earliestMs = 0;

/** The limit of dates (ECMAScript, "Time Values and Time Range"). */
const maxDateMs = 8.64e15;

const expectedMoment = "expected a time such as 2026-11-28T03:12:00Z, -1h or now";

/**
 * Epoch milliseconds of "now", "-90m", "-1h30m", "now-7d", an RFC 3339 time, one without seconds or without an offset, which
 * is UTC then, and a day, which is its begin. Anything else is undefined.
 */
export function parseMoment(text: string, now: number): number | undefined {
  if (text === "now") return now;
  const [, relative] = /^(?:now)?-((?:\d{1,9}[smhdw])+)$/.exec(text) ?? [];
  const moment = relative === undefined ? parseTime(text) : now - lengthOf(relative);
  return moment !== undefined && moment >= earliestMs ? moment : undefined;
}

/** Milliseconds of "1h30m"; the text has this form. */
function lengthOf(text: string): number {
  let lengthMs = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)([smhdw])/g))
    lengthMs += Number(count) * (unitsMs[unit ?? ""] ?? 0);
  return lengthMs;
}

/** RFC 3339 section 5.6, with a shorter form for people. "+" is a space where an address was written by hand. */
const timePattern =
  /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?([Zz]|[+\- ]\d\d:?\d\d)?)?$/;

function parseTime(text: string): number | undefined {
  const parts = timePattern.exec(text);
  if (!parts) return undefined;
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map((part) => Number(part ?? 0));
  const [fraction = "", offset = "Z"] = parts.slice(7);
  const time = Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second);
  const back = new Date(time);
  // Date.UTC moves what is out of range: the 30th of February is refused here.
  const isReal =
    back.getUTCMonth() === (month ?? 1) - 1 &&
    back.getUTCDate() === day &&
    back.getUTCHours() === hour &&
    back.getUTCMinutes() === minute;
  const offsetMs = offsetOf(offset);
  if (!isReal || offsetMs === undefined) return undefined;
  return time + Number(`0.${fraction || "0"}`) * 1_000 - offsetMs;
}

function offsetOf(text: string): number | undefined {
  if (/^z$/i.test(text)) return 0;
  const [hours, minutes] = [Number(text.slice(1, 3)), Number(text.slice(-2))];
  if (hours > 23 || minutes > 59) return undefined;
  return (text.startsWith("-") ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}

/**
 * The range of two ends, or a sentence with the error. With both ends fixed it stands still. Without an end, or with "now",
 * it is live.
 */
export function parseRange({ from, to }: RangeText, { now, defaultMs }: RangeLimits): MomentRange | string {
  const end = to === undefined || to === "" ? now : parseMoment(to, now);
  if (end === undefined) return sentence("to", expectedMoment, to);
  const begin = from === undefined || from === "" ? end - defaultMs : parseMoment(from, now);
  if (begin === undefined) return sentence("from", expectedMoment, from);
  if (begin >= end) return sentence("from", "expected a time before the end of the range", from ?? to);
  if (end - begin > maxRangeMs) return sentence("from", "expected a range of at most 31 days", from ?? to);
  if (now - begin > maxAgeMs) return sentence("from", "expected a time of the last year", from ?? to);
  const isLive = to === undefined || to === "" || to === "now";
  return { from: Math.round(Math.min(begin, end - minRangeMs)), to: Math.round(end), isLive };
}

/** A moment of an address, or a sentence with the error. */
export function parseMomentOf(name: string, text: string, now: number): number | string {
  const moment = parseMoment(text, now);
  return moment === undefined ? sentence(name, expectedMoment, text) : Math.round(moment);
}

/** "Cannot use from: expected … (received "x").": the text is cut, so that it cannot fill a page. */
function sentence(name: string, why: string, received: string | undefined): string {
  const text = (received ?? "").slice(0, 60);
  return `Cannot use ${name}: ${why} (received ${JSON.stringify(text)}).`;
}

/** Milliseconds of a shift such as "-7d"; undefined for anything else. */
export function parseShift(text: string): number | undefined {
  const [, length] = /^-((?:\d{1,4}[smhdw])+)$/.exec(text) ?? [];
  if (length === undefined) return undefined;
  const shiftMs = lengthOf(length);
  return shiftMs > 0 && shiftMs <= maxRangeMs ? shiftMs : undefined;
}

/** The ends of a range as an address: a live one stays relative. Whole seconds and minutes stay short. */
export function rangeQuery({ from, to, isLive }: MomentRange): Readonly<Record<"from" | "to", string>> {
  return isLive
    ? { from: `-${formatLength(to - from)}`, to: "now" }
    : { from: momentText(from), to: momentText(to) };
}

/** "2026-11-28T03:12:00Z"; the epoch for an invalid time. */
export function momentText(at: number): string {
  const text = new Date(Math.abs(at) <= maxDateMs ? Math.round(at) : 0).toISOString();
  return text.endsWith(".000Z") ? `${text.slice(0, -5)}Z` : text;
}

/** The shortest text for a length: 3600000 → "1h", 5400000 → "90m". Less than a second counts as one. */
export function formatLength(lengthMs: number): string {
  const whole = Math.max(1_000, Math.round(lengthMs / 1_000) * 1_000);
  for (const unit of ["d", "h", "m"]) {
    const size = unitsMs[unit] ?? 1;
    if (whole % size === 0) return `${whole / size}${unit}`;
  }
  return `${whole / 1_000}s`;
}
