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
  return (query, request) => {
    const kept = query === "" ? [] : query.split("&").filter((parameter) => !removed.has(nameIn(parameter)));
    const parameters = [...kept, ...written.map(({ start, value }) => start + value.write(request))];
    return parameters.length > 0 ? `?${parameters.join("&")}` : "";
  };
}

/** As servers read it: a client may write a name with escapes. */
function nameIn(parameter: string): string {
  const equals = parameter.indexOf("=");
  const name = (equals < 0 ? parameter : parameter.slice(0, equals)).replaceAll("+", " ");
  if (!name.includes("%")) return name;
  const bytes = name.replace(/%([\da-f]{2})/gi, (_, digits: string) =>
    String.fromCharCode(parseInt(digits, 16)),
  );
  return Buffer.from(bytes, "latin1").toString("utf8");
}

/** What a client's target contains is encoded already. */
const isOfTarget = /^(?:path|query|target)(?:\.|$)/;

/** Each character of a value is one byte, as it arrived. */
function encodeValue(value: string, name: string): string {
  const kept = isOfTarget.test(name) ? /%[\da-f]{2}|[^]/gi : /[^]/g;
  return value.replace(kept, (part) =>
    part.length > 1 || /[\w.~!*'()-]/.test(part) ? part : escapeOf(part),
  );
}

function escapeOf(character: string): string {
  return `%${(character.charCodeAt(0) & 0xff).toString(16).toUpperCase().padStart(2, "0")}`;
}
