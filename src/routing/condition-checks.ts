/** The conditions of a route beyond host and path, compiled to checks of a request. */

import { addressMatcher } from "../net/address-ranges.ts";
import type { RequestHead } from "../proxy/request-head.ts";
import type { RouteConditions, ValueCondition } from "./conditions.ts";

export interface RequestCheck {
  /** For people: "method POST", "header x-beta: yes". */
  readonly text: string;
  holds(head: RequestHead): boolean;
}

/** @returns an empty list for a route that has no such conditions */
export function requestChecks(conditions: RouteConditions): readonly RequestCheck[] {
  const { methods, headers, query, cookies, clients, listeners } = conditions;
  return [
    ...(methods ? [memberCheck("method", methods, ({ method }) => method)] : []),
    ...(listeners ? [memberCheck("listener", listeners, ({ listener }) => listener)] : []),
    ...entriesOf(headers).map(([name, value]) => headerCheck(name, value)),
    ...entriesOf(query).map(([name, value]) => queryCheck(name, value)),
    ...entriesOf(cookies).map(([name, value]) => cookieCheck(name, value)),
    ...(clients ? [clientCheck(clients)] : []),
  ];
}

function entriesOf(conditions: Readonly<Record<string, ValueCondition>> = {}) {
  return Object.entries(conditions);
}

function memberCheck(
  what: string,
  allowed: readonly string[],
  valueOf: (head: RequestHead) => string,
): RequestCheck {
  const text = `${what} ${listText(allowed)}`;
  const [only] = allowed;
  if (allowed.length === 1) return { text, holds: (head) => valueOf(head) === only };
  const set = new Set(allowed);
  return { text, holds: (head) => set.has(valueOf(head)) };
}

/** Lists of ranges may be long. */
const maxListed = 4;

function listText(values: readonly string[]): string {
  const more = values.length - maxListed;
  return values.slice(0, maxListed).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

/** The ranges are compiled when the first request asks: a table may have many routes that few requests come to. */
function clientCheck(ranges: readonly string[]): RequestCheck {
  let isInside: ((address: string) => boolean) | undefined;
  return {
    text: `client in ${listText(ranges)}`,
    holds: ({ clientAddress }) => {
      if (clientAddress === "") return false;
      isInside ??= addressMatcher(ranges);
      return isInside(clientAddress);
    },
  };
}

function headerCheck(name: string, condition: ValueCondition): RequestCheck {
  const accepts = acceptorOf(condition);
  const isList = name !== "cookie" && typeof condition !== "boolean";
  return {
    text: `header ${valueText(name, condition)}`,
    holds: (head) => {
      const value = head.header(name);
      return accepts(value) || (isList && value !== undefined && hasMember(value, accepts));
    },
  };
}

/** Repeated fields arrive joined with commas, and mean the same as one field with a list (RFC 9110 section 5.3). */
function hasMember(list: string, accepts: (value: string) => boolean): boolean {
  return list.includes(",") && list.split(",").some((member) => accepts(member.trim()));
}

/** The first parameter of the name counts. Names and values are decoded once, and a plus sign is a space. */
function queryCheck(name: string, condition: ValueCondition): RequestCheck {
  const accepts = acceptorOf(condition);
  const wanted = bytesOf(name);
  return {
    text: `query ${valueText(name, condition)}`,
    holds: (head) => accepts(queryValue(head.target, wanted)),
  };
}

function queryValue(target: string, name: string): string | undefined {
  let from = target.indexOf("?") + 1;
  if (from === 0) return undefined;
  while (from <= target.length) {
    const next = target.indexOf("&", from);
    const end = next < 0 ? target.length : next;
    const equals = target.indexOf("=", from);
    const hasValue = equals >= 0 && equals < end;
    const isName = decoded(target.slice(from, hasValue ? equals : end)) === name;
    if (isName) return hasValue ? decoded(target.slice(equals + 1, end)) : "";
    from = end + 1;
  }
  return undefined;
}

/** One character for each byte. An escape that is none stays as it is. */
function decoded(text: string): string {
  if (!/[%+]/.test(text)) return text;
  return text
    .replaceAll("+", " ")
    .replace(/%([\da-fA-F]{2})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 16)));
}

/** The first cookie of the name counts, as a text without changes. */
function cookieCheck(name: string, condition: ValueCondition): RequestCheck {
  const accepts = acceptorOf(condition);
  const wanted = bytesOf(name);
  return {
    text: `cookie ${valueText(name, condition)}`,
    holds: (head) => accepts(cookieValue(head.header("cookie"), wanted)),
  };
}

function cookieValue(cookies: string | undefined, name: string): string | undefined {
  if (cookies === undefined) return undefined;
  let from = 0;
  while (from < cookies.length) {
    const next = cookies.indexOf(";", from);
    const end = next < 0 ? cookies.length : next;
    const equals = cookies.indexOf("=", from);
    if (equals >= 0 && equals < end && cookies.slice(from, equals).trim() === name)
      return cookies.slice(equals + 1, end).trim();
    from = end + 1;
  }
  return undefined;
}

/** Whether a value is one of those of the condition; undefined for a request that has none. */
function acceptorOf(condition: ValueCondition): (value: string | undefined) => boolean {
  if (typeof condition === "boolean") return (value) => (value !== undefined) === condition;
  const wanted = condition.map(bytesOf);
  const [only] = wanted;
  return wanted.length === 1
    ? (value) => value === only
    : (value) => value !== undefined && wanted.includes(value);
}

/** Text of the configuration as it arrives: one character for each byte of UTF-8. */
function bytesOf(text: string): string {
  return Buffer.from(text).toString("latin1");
}

function valueText(name: string, condition: ValueCondition): string {
  if (typeof condition === "boolean") return `${name} ${condition ? "present" : "absent"}`;
  return `${name}: ${condition.join(" or ")}`;
}
