/** Changes the query of a request: cuts parameters by name, and sets others. */

import type { FilteredRequest } from "../proxy/filter.ts";
import { compileTemplate } from "./template.ts";

export interface QuerySettings {
  readonly remove?: readonly string[];
  /** In place of the parameters of these names. Values may have variables. */
  readonly set?: Readonly<Record<string, string>>;
}

/** Parameters that are kept keep their bytes and their order; others follow them. @returns with its question mark, or empty */
export type QueryChange = (query: string, request: FilteredRequest) => string;

export function createQueryChange({ remove = [], set = {} }: QuerySettings): QueryChange {
  const removed = new Set([...remove, ...Object.keys(set)]);
  const written = Object.entries(set).map(([name, source]) => ({
    start: `${encodeURIComponent(name.toWellFormed())}=`,
    value: compileTemplate(source, {
      encode: encodeValue,
      encodeText: (text) => encodeURIComponent(text.toWellFormed()),
    }),
  }));
  const constant = written.every(({ value }) => value.text !== undefined)
    ? written.map(({ start, value }) => start + (value.text ?? "")).join("&")
    : undefined;
  const writeAll = (request: FilteredRequest) => {
    let text = "";
    for (const { start, value } of written) text += (text === "" ? "" : "&") + start + value.write(request);
    return text;
  };
  return (query, request) => {
    const kept = query === "" ? undefined : withoutParameters(query, removed);
    if (written.length === 0) return kept === undefined ? "" : `?${kept}`;
    const added = constant ?? writeAll(request);
    return kept === undefined ? `?${added}` : `?${kept}&${added}`;
  };
}

/** @returns undefined if no parameter is left; one that is empty counts */
function withoutParameters(query: string, removed: ReadonlySet<string>): string | undefined {
  let kept: string | undefined;
  /** Those from here on are kept, up to the one that is looked at. */
  let keptFrom = 0;
  for (let start = 0; start <= query.length;) {
    const nameEnd = endOfName(query, start);
    const end = query.charCodeAt(nameEnd) === equals ? endOfParameter(query, nameEnd) : nameEnd;
    if (removed.has(decodedName(query.slice(start, nameEnd)))) {
      if (keptFrom < start) kept = joined(kept, query.slice(keptFrom, start - 1));
      keptFrom = end + 1;
    }
    start = end + 1;
  }
  if (keptFrom === 0) return query;
  return keptFrom <= query.length ? joined(kept, query.slice(keptFrom)) : kept;
}

function joined(first: string | undefined, second: string): string {
  return first === undefined ? second : `${first}&${second}`;
}

function endOfParameter(query: string, start: number): number {
  const end = query.indexOf("&", start);
  return end < 0 ? query.length : end;
}

const equals = 0x3d;
const ampersand = 0x26;

function endOfName(query: string, start: number): number {
  let end = start;
  for (; end < query.length; end++) {
    const code = query.charCodeAt(end);
    if (code === equals || code === ampersand) break;
  }
  return end;
}

/** As servers read it: a client may write a name with escapes. */
function decodedName(written: string): string {
  const name = written.includes("+") ? written.replaceAll("+", " ") : written;
  if (!name.includes("%")) return name;
  const bytes = name.replace(/%([\da-f]{2})/gi, (_, digits: string) =>
    String.fromCharCode(parseInt(digits, 16)),
  );
  return Buffer.from(bytes, "latin1").toString("utf8");
}

/** What a client's target contains is encoded already. */
const isOfTarget = /^(?:path|query|target)(?:\.|$)/;

/** Values of which each character stands for itself: most addresses, names and numbers. */
const isPlain = /^[\w.~!*'()-]*$/;

/** Each character of a value is one byte, as it arrived. */
function encodeValue(value: string, name: string): string {
  if (isPlain.test(value)) return value;
  const kept = isOfTarget.test(name) ? /%[\da-f]{2}|[^]/gi : /[^]/g;
  return value.replace(kept, (part) =>
    part.length > 1 || /[\w.~!*'()-]/.test(part) ? part : escapeOf(part),
  );
}

function escapeOf(character: string): string {
  return `%${(character.charCodeAt(0) & 0xff).toString(16).toUpperCase().padStart(2, "0")}`;
}
