/** The variables that texts of routes may contain: their names, and their values in one request. */

import { hostNameIn } from "../net/address.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { FilteredRequest } from "../proxy/filter.ts";
import { pathOf, type RequestHead } from "../proxy/request-head.ts";

/** Where a value is read from. */
export interface VariableSource {
  readonly request: FilteredRequest;
  /** Of a response that comes from one. */
  readonly upstream?: Upstream | undefined;
  /** The pool of a route that has one. */
  readonly pool?: string | undefined;
}

/** The value in one request; empty if there is none. */
export type ReadVariable = (source: VariableSource) => string;

const ofHead =
  (read: (head: RequestHead) => string | undefined): ReadVariable =>
  ({ request }) =>
    read(request.head) ?? "";

/** Path and query as received. `OPTIONS *` names no path. */
export function originTarget({ target }: Pick<RequestHead, "target">): string {
  return target === "*" ? "/" : target;
}

export function queryIn({ target }: Pick<RequestHead, "target">): string {
  const mark = target.indexOf("?");
  return mark < 0 ? "" : target.slice(mark + 1);
}

/** The parts of a request's target, as it arrived. */
const ofTarget: Readonly<Record<string, ReadVariable>> = {
  host: ofHead(({ host }) => hostNameIn(host)),
  scheme: ofHead(({ scheme }) => scheme),
  target: ofHead(originTarget),
  path: ofHead((head) => (head.target === "*" ? "/" : pathOf(head))),
  query: ofHead(queryIn),
};

const named: Readonly<Record<string, ReadVariable>> = {
  ...ofTarget,
  client: ofHead(({ clientAddress }) => clientAddress),
  peer: ofHead(({ peerAddress }) => peerAddress),
  method: ofHead(({ method }) => method),
  requestId: ({ request }) => request.requestId,
  route: ({ request: { match } }) => match.route.name ?? match.route.place,
  pool: ({ request, pool }) => request.split?.pool ?? pool ?? "",
  upstream: ({ upstream }) => upstream?.id ?? "",
  "tls.subject": ofHead(({ tls }) => tls?.client?.subject),
  "tls.sans": ofHead(({ tls }) => tls?.client?.alternativeNames),
  "tls.serial": ofHead(({ tls }) => tls?.client?.serial),
  "tls.fingerprint": ofHead(({ tls }) => tls?.client?.fingerprint),
  "tls.certificate": ofHead(({ tls }) => tls?.client?.certificate),
  "tls.version": ofHead(({ tls }) => tls?.version),
  "tls.sni": ofHead(({ tls }) => tls?.serverName),
};

const namePattern = /^[!#$%&'*+.^_`|~\da-z-]+$/i;

/** @returns undefined for an unknown name */
export function variableNamed(name: string): ReadVariable | undefined {
  if (Object.hasOwn(named, name)) return named[name];
  const dot = name.indexOf(".");
  const key = name.slice(dot + 1);
  if (dot < 0 || !namePattern.test(key)) return undefined;
  switch (name.slice(0, dot)) {
    case "path":
      return ({ request }) => request.match.captures?.[key] ?? "";
    case "header": {
      const header = key.toLowerCase();
      return ofHead((head) => head.header(header)?.trim());
    }
    case "cookie":
      return ofHead((head) => cookieIn(head.header("cookie") ?? "", key));
    default:
      return undefined;
  }
}

/** The first cookie of the name (RFC 6265 section 4.2.1). */
function cookieIn(header: string, name: string): string | undefined {
  for (const pair of header.split(";")) {
    const equals = pair.indexOf("=");
    if (equals >= 0 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim();
  }
  return undefined;
}

/**
 * Where a text stands: in header fields of requests or responses, in the address that a client is sent to, or in the path that
 * an upstream gets.
 */
export type VariableUse = "request" | "response" | "address" | "path";

const inPath: readonly string[] = ["path", "host", "scheme"];
const usableIn: Readonly<Record<VariableUse, readonly string[]>> = {
  request: Object.keys(named).filter((name) => name !== "upstream"),
  response: Object.keys(named),
  address: Object.keys(ofTarget),
  path: inPath,
};

/** Names of variables, for suggestions. */
export function variableNames(use: VariableUse, captures: readonly string[] = []): readonly string[] {
  return [...usableIn[use], ...captures.map((name) => `path.${name}`)];
}

/** Header fields of a client that others are to be believed in place of, with the variable that has the right value. */
const untrustworthy: Readonly<Record<string, string>> = {
  forwarded: "client",
  "x-forwarded-for": "client",
  "x-forwarded-host": "host",
  "x-forwarded-proto": "scheme",
  "x-real-ip": "client",
};

/** What is wrong with a variable: a clause, and the name that was probably meant where it is known. */
export interface VariableProblem {
  readonly why: string;
  readonly instead?: string;
}

/** @param captures parameters of the path; undefined where they are not known */
export function variableProblem(
  name: string,
  use: VariableUse,
  captures: readonly string[] | undefined,
): VariableProblem | undefined {
  if (!variableNamed(name)) return { why: `unknown variable \${${name}}` };
  const capture = name.startsWith("path.") ? name.slice("path.".length) : undefined;
  if (capture !== undefined)
    return captures && !captures.includes(capture)
      ? { why: `the path of the route has no parameter for \${${name}}` }
      : undefined;
  if (name === "upstream" && use === "request")
    return { why: "${upstream} is known only in responses: a retry may go to another one" };
  const isOpen = use === "request" || use === "response";
  if (!isOpen && !usableIn[use].includes(name)) return { why: notHere(name, use) };
  const instead = name.startsWith("header.")
    ? untrustworthy[name.slice("header.".length).toLowerCase()]
    : undefined;
  if (instead === undefined) return undefined;
  return { why: `any client may write \${${name}}, and only a trusted proxy may say that`, instead };
}

function notHere(name: string, use: VariableUse): string {
  const what = use === "path" ? "the path of a request" : "where a client is sent";
  return `\${${name}} may not decide ${what}; expected ${usableIn[use].join(", ")} or path.NAME`;
}
