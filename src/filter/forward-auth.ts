/** The forwardAuth filter: asks an authorization server about each request, with a request that is built from nothing. */

import type { Clock } from "../lib/clock.ts";
import type { FilteredRequest, FilterVerdict, RequestFilter } from "../proxy/filter.ts";
import { connectionTokens, hopByHop } from "../proxy/forwarding.ts";
import { type Field, FoldedNames, isFraming } from "../proxy/head-edit.ts";
import { type Refusal, refusal } from "../proxy/refusal.ts";
import type { RequestHead } from "../proxy/request-head.ts";
import type { Destination } from "../proxy/route.ts";
import { formatTraceparent } from "../proxy/trace-context.ts";
import type { Subrequests } from "./subrequest.ts";
import type { SubrequestFailure, SubrequestResponse } from "./subrequest-run.ts";

export interface ForwardAuthOptions {
  readonly subrequests: Pick<Subrequests, "ask">;
  readonly destination: Destination;
  /** Path and query of its requests. */
  readonly path: string;
  /** Whose Host they have. */
  readonly host: "client" | "upstream";
  /** More fields of the client that it gets. */
  readonly send: readonly string[];
  /** Fields of its response that the upstream gets, in place of the client's. The first one names the user. */
  readonly copy: readonly string[];
  /** Fields of its response that the client gets. */
  readonly copyToClient: readonly string[];
  readonly timeoutMs: number;
  /** Size of a response that is sent to the client. */
  readonly maxBodyBytes: number;
  /** The balancer's name in Via. */
  readonly viaName: string;
  readonly clock: Clock;
  /** Called with the time that a decision took, milliseconds. */
  readonly onDecision: (durationMs: number) => void;
}

/** Fields of the client by which authorization servers decide. */
const sentFields = [
  "Accept",
  "Accept-Language",
  "Authorization",
  "Cookie",
  "Origin",
  "User-Agent",
  "X-Requested-With",
];

export function createForwardAuth(options: ForwardAuthOptions): RequestFilter {
  const { subrequests, destination, clock, timeoutMs, maxBodyBytes } = options;
  const copied = new FoldedNames(options.copy);
  return {
    name: "forwardAuth",
    async admit(request) {
      const startedAt = clock();
      const headers = headersFor(request, options);
      const response = await subrequests.ask({
        head: headFor(request.head, options, headers),
        headers,
        usesUpstreamHost: options.host === "upstream" || request.head.host === "",
        requestId: request.requestId,
        client: request.signal,
        ...{ destination, timeoutMs, maxBodyBytes },
      });
      if (response.kind === "response") options.onDecision(clock() - startedAt);
      return verdictOf(request, response, { ...options, copied });
    },
    foresee: () => ({
      verdict: "unknown",
      why: `it would ask the pool ${destination.pool.name}: GET ${options.path}`,
    }),
  };
}

/** It is asked with GET, whatever the client's method: a handshake or an upload is decided by its head. */
function headFor(
  { clientAddress, peerAddress, scheme, listener, host }: RequestHead,
  { path }: ForwardAuthOptions,
  headers: Headers,
): RequestHead {
  const header = (name: string) => headers.get(name) ?? undefined;
  return { method: "GET", target: path, host, clientAddress, peerAddress, scheme, listener, header };
}

/**
 * Everything that tells about the request comes from its head as we read it, so that nothing of a client passes for ours. What
 * a trusted proxy says about scheme, host and port counts as it does for upstreams.
 */
function headersFor(request: FilteredRequest, { send, viaName }: ForwardAuthOptions): Headers {
  const { head, requestId, trace, hiddenNames } = request;
  const headers = new Headers();
  const set = (name: string, value: string | undefined) => {
    if (value !== undefined && value !== "") headers.set(name, value);
  };
  for (const name of [...sentFields, ...send]) {
    // A filter before this one has used it up, as basicAuth does with Authorization.
    if (!isOwn(name) && !hiddenNames.has(name)) set(name, head.header(name.toLowerCase()));
  }
  const told = (name: string) => (head.isPeerTrusted ? firstOf(head.header(name)) : undefined);
  const scheme = told("x-forwarded-proto") ?? head.scheme;
  const host = told("x-forwarded-host") ?? head.host;
  set("Host", head.host);
  set("X-Forwarded-Method", head.method);
  set("X-Forwarded-Uri", inAscii(head.target));
  set("X-Forwarded-Proto", scheme);
  set("X-Forwarded-Host", host);
  set("X-Forwarded-Port", told("x-forwarded-port") ?? portIn(host, scheme));
  set("X-Forwarded-For", chainOf(head));
  set("Via", viaOf(head, viaName));
  set("X-Request-Id", requestId);
  set("traceparent", trace ? formatTraceparent(trace) : head.header("traceparent"));
  // Without it the runtime asks for compressed responses, which the client may not read.
  set("Accept-Encoding", "identity");
  return headers;
}

/** Fields that are never the client's. */
function isOwn(name: string): boolean {
  const lower = name.toLowerCase();
  return (
    isFraming(lower) || hopByHop.has(lower) || /^(x[-_.](forwarded|original)|forwarded$|via$)/.test(lower)
  );
}

/** Bytes beyond ASCII as escapes: the HTTP client would send other bytes, and the server would decide about another path. */
function inAscii(target: string): string {
  return target.replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`);
}

function firstOf(list: string | undefined): string | undefined {
  return list?.split(",", 1)[0]?.trim() || undefined;
}

function portIn(host: string, scheme: string): string {
  return /:(\d+)$/.exec(host)?.[1] ?? (scheme === "https" ? "443" : "80");
}

/** The client, and the proxy that we know it from. Addresses further left than the client are of its own making. */
function chainOf({ clientAddress, peerAddress }: RequestHead): string {
  return clientAddress === peerAddress ? clientAddress : `${clientAddress}, ${peerAddress}`;
}

/** By which a loop is recognized. The head may have our own entry already. */
function viaOf(head: RequestHead, viaName: string): string {
  const via = head.header("via");
  if (via === undefined) return `1.1 ${viaName}`;
  return via.endsWith(viaName) ? via : `${via}, 1.1 ${viaName}`;
}

type VerdictOptions = ForwardAuthOptions & { readonly copied: FoldedNames };

function verdictOf(
  request: FilteredRequest,
  response: SubrequestResponse | SubrequestFailure,
  options: VerdictOptions,
): FilterVerdict {
  if (response.kind === "unavailable") return unavailableFor(response.why);
  const { status } = response;
  if (status >= 200 && status <= 299) return admit(request, response, options);
  // A 304 would say that the client has a copy of the page; we asked without any condition.
  if (status < 300 || status === 304 || status > 499)
    return unavailableFor(`the authorization server responded with ${status}`);
  return { ...refusal("auth_refused", status), reply: replyOf(response, options.copied) };
}

function unavailableFor(violation: string): Refusal {
  return { ...refusal("auth_unavailable"), violation };
}

/** The client's own fields of these names are removed whether the response has them or not. */
function admit(
  request: FilteredRequest,
  { headers }: SubrequestResponse,
  { copy, copyToClient }: VerdictOptions,
): FilterVerdict {
  try {
    for (const [index, name] of copy.entries()) {
      const value = headers.get(name) || undefined;
      request.setUpstreamField(name, value);
      if (index === 0) request.user = value;
    }
    for (const name of copyToClient)
      for (const value of valuesOf(headers, name)) request.addResponseField(name, value);
  } catch {
    return unavailableFor("the authorization server sent a field that cannot be forwarded");
  }
  return undefined;
}

/** Cookies cannot be joined in one field (RFC 6265 section 3). */
function valuesOf(headers: Headers, name: string): readonly string[] {
  if (name.toLowerCase() === "set-cookie") return headers.getSetCookie();
  const value = headers.get(name);
  return value === null ? [] : [value];
}

/** Of this hop, of the connection to the client, or written by us. */
const droppedFields: ReadonlySet<string> = new Set([
  ...hopByHop,
  ...["alt-svc", "content-length", "date", "strict-transport-security", "trailer", "x-request-id"],
]);

const invalidValue = /[^\t\x20-\x7e\x80-\xff]/;

/** The whole response, without what is for the upstream alone. */
function replyOf({ headers, body }: SubrequestResponse, copied: FoldedNames): NonNullable<Refusal["reply"]> {
  const named = new Set(connectionTokens(headers.get("connection") ?? undefined));
  const kept: Field[] = [];
  for (const name of new Set(headers.keys())) {
    if (droppedFields.has(name) || named.has(name) || copied.has(name)) continue;
    for (const value of valuesOf(headers, name))
      if (!invalidValue.test(value)) kept.push([spelt(name), value]);
  }
  return { headers: kept, body };
}

/** `Headers` has names in lower case; HTTP/1.1 servers write them so. */
function spelt(name: string): string {
  return name.replace(/(^|-)[a-z]/g, (start) => start.toUpperCase());
}
