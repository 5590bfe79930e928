/** Explains a stored request in sentences: routing, upstream selection, retries, outcome and timing. */

import { joinList } from "../lib/list-text.ts";
import type { AttemptRecord, RequestRecord, SelectionRecord } from "../proxy/record.ts";
import type { RetryVeto } from "../proxy/refusal.ts";
import type { StoredRequest } from "./recent-requests.ts";

/** A request with its explanation. */
export interface ExplainedRequest extends StoredRequest {
  /** The explanation, one sentence per entry. */
  readonly account: readonly string[];
}

/** A route that a request would have without the one that it has. */
export interface NextRoute {
  /** Its name, or its place in the configuration. */
  readonly route: string;
  /** A clause: "its path is less specific". */
  readonly why: string;
}

/** What is said of upstreams that a source of members reports. */
export interface OriginTexts {
  /** "dns api.internal:8080, which answered 2s ago", for an id; undefined for all other upstreams. */
  ofUpstream(id: string): string | undefined;
  /** Of all sources of a pool. */
  ofPool(pool: string): readonly string[];
}

/** @param next the route that comes next, if there is one */
export function explainRequest(
  request: RequestRecord,
  next?: NextRoute,
  origins?: OriginTexts,
): readonly string[] {
  const { attempts } = request;
  return [
    routingText(request),
    ...(next ? [`The next best route is ${next.route}: ${next.why}.`] : []),
    ...proxyText(request),
    ...pathText(request),
    ...splitText(request),
    ...stickyText(request),
    ...(request.queuedMs > 0 ? [`It waited ${ms(request.queuedMs)} in the queue.`] : []),
    ...attempts.flatMap((attempt, index) => [
      ...selectionText(request, attempt),
      attemptText(attempt),
      ...(attempt.rehearsed ? [`Fault injection on ${attempt.upstream} affected this attempt.`] : []),
      ...retryText(request, index),
    ]),
    ...(request.notRetried === null ? [] : [`It was not retried: ${vetoTexts[request.notRetried]}.`]),
    ...complaintText(request),
    ...filterText(request),
    outcomeText(request),
    ...originTexts(request, origins),
    ...timingText(request),
    arrivalText(request),
  ];
}

function routingText(request: RequestRecord): string {
  const { pool, key, method, reason, complaint, route } = request;
  if (complaint !== null && pool === null) return `The request was rejected: ${complaint}.`;
  if (method === "") return "The request was refused before its headers were read.";
  const by = route === null ? "" : ` by ${routeName(request)}`;
  const end = unroutedTexts[reason ?? ""];
  if (pool !== null)
    return `The request was routed${by} to pool ${pool}${key === null ? "" : ` with hash key "${key}"`}.`;
  if (route === null) return end ?? "The request was refused before routing.";
  return `The request was routed${by}.${end === undefined ? "" : ` ${end}`}`;
}

/** "routes[3] (host shop.example, path /api)" */
function routeName({ route, routeConditions }: RequestRecord): string {
  return routeConditions === null ? String(route) : `${route} (${routeConditions})`;
}

/** Why a request has no pool, by reason. */
const unroutedTexts: Readonly<Record<string, string | undefined>> = {
  no_route: "No route matches the request.",
  misdirected: "The TLS connection was made for another host, and the client may not use it for this one.",
  unknown_host: "No route takes the host of the request, and its listener takes no other hosts.",
  redirected: "Its listener or its route sends clients to another address.",
  responded: "Its route has a response of its own.",
  preflight: "A browser asked whether a page of another origin may send a request, and it may.",
  cors_refused: "A browser asked whether a page of another origin may send a request, and it may not.",
  challenge_answered: "It asked for the response to a challenge of a certificate authority.",
};

function pathText({ matchedPath, pool }: RequestRecord): readonly string[] {
  return matchedPath === null || pool === null ? [] : [`Its path was matched as ${matchedPath}.`];
}

function filterText({ filter, user }: RequestRecord): readonly string[] {
  return [
    ...(user === null ? [] : [`It was authenticated as ${user}.`]),
    ...(filter === null ? [] : [`The filter ${filter} of its route answered it.`]),
  ];
}

function splitText({ split }: RequestRecord): readonly string[] {
  if (!split) return [];
  const by = split.by === "none" ? "at random" : `by ${split.by}`;
  const why = split.isFallback ? ", because the chosen one had no available upstream" : "";
  return [`The route's split chose pool ${split.pool} ${by}${why}.`];
}

const stickyTexts = {
  kept: "It went to the upstream that its cookie names.",
  new: "It had no valid cookie of the pool, and got one.",
  moved: "The upstream that its cookie names could not serve it, so that its cookie names another one now.",
  full: "The upstream that its cookie names was at its limit; its cookie stays.",
} as const;

function stickyText({ sticky }: RequestRecord): readonly string[] {
  return sticky === undefined ? [] : [stickyTexts[sticky]];
}

/** Who said where the request comes from, if it was not the connection itself. */
function proxyText({ clientAddress, peerAddress }: RequestRecord): readonly string[] {
  if (clientAddress === peerAddress) return [];
  return [`It came through the trusted proxy ${peerAddress}, which named ${clientAddress} as its client.`];
}

const versionNames = { "http/1.0": "HTTP/1.0", "http/1.1": "HTTP/1.1", h2: "HTTP/2", h3: "HTTP/3" } as const;

function arrivalText({ listener, protocol, scheme }: RequestRecord): string {
  const version = protocol === null ? scheme.toUpperCase() : versionNames[protocol];
  const isSecure = protocol !== null && scheme === "https";
  return `It came over ${version}${isSecure ? " and TLS" : ""} to the listener ${listener}.`;
}

function complaintText({ complaint, pool, reason }: RequestRecord): readonly string[] {
  if (complaint === null || pool === null) return [];
  return [`${reason === "answer_refused" ? "The response" : "It"} was rejected: ${complaint}.`];
}

/** The selection of this attempt's upstream, if it was recorded. Upstreams that were tried before were no candidates. */
function selectionText({ choices, attempts }: RequestRecord, attempt: AttemptRecord): readonly string[] {
  const { upstream, startMs } = attempt;
  const selection = choices.find(({ chosen }) => chosen === upstream);
  const tried = attempts.filter((other) => other !== attempt && other.startMs < startMs);
  const triedIds = new Set(tried.map((other) => other.upstream));
  return selection ? [`${upstream} was selected ${candidatesText(selection, triedIds)}.`] : [];
}

function candidatesText(
  { candidates, chosen, fit: allFit }: SelectionRecord,
  triedIds: ReadonlySet<string>,
): string {
  const left = candidates.filter(({ upstream }) => !triedIds.has(upstream));
  const others = left.filter(({ upstream }) => upstream !== chosen).map(({ upstream }) => upstream);
  const unnamed = allFit - candidates.length;
  const fit = left.length + unnamed;
  if (triedIds.size > 0 && fit <= 1 && others.length === 0) return "as the only upstream left to try";
  if (fit <= 1 && others.length === 0) return "as the only available upstream";
  const names = unnamed > 0 ? [...others, `${unnamed} more`] : others;
  const verb = names.length === 1 ? "other was" : "others were";
  return `from ${fit} available upstreams; the ${verb} ${names.length > 0 ? joinList(names) : "unknown"}`;
}

function attemptText({
  upstream,
  startMs,
  connectMs,
  headMs,
  endMs,
  status,
  outcome: kind,
  ...failed
}: AttemptRecord): string {
  const connection = connectMs === null ? "" : ` on a new connection that took ${ms(connectMs)} to open`;
  const start = `At ${ms(startMs)} it was sent to ${upstream}${connection}`;
  if (kind === "failure" && headMs === null)
    return `${start}; the attempt failed after ${ms(endMs)}: ${failed.reason} (${failed.phase}).`;
  if (headMs === null) return `${start}; the attempt was cancelled after ${ms(endMs)}.`;
  const response = `${start}; it responded with ${status} after ${ms(headMs)}`;
  if (kind === "failure") return `${response} and failed after ${ms(endMs)}: ${failed.reason}.`;
  return kind === "response"
    ? `${response} and finished after ${ms(endMs)}.`
    : `${response} and was cancelled after ${ms(endMs)}.`;
}

/** Retries are recorded in order, and each follows an attempt that started before it. */
function retryText({ retried }: RequestRecord, index: number): readonly string[] {
  const cause = retried[index];
  if (cause === undefined) return [];
  if (cause === "rescued") return ["The upstream went down, so the request moved to another one."];
  if (cause === "hedged") return ["It waited longer than most requests, so a second attempt was hedged."];
  return [`It was retried because of ${cause}.`];
}

/** The clause after "not retried:". */
export const vetoTexts: Readonly<Record<RetryVeto, string>> = {
  retries_spent: "the maximum number of retries was reached",
  method_not_idempotent: "its method is not idempotent, and it may have been processed",
  body_not_replayable: "its body could not be sent again",
  answer_begun: "the client had already received a part of the response",
  no_other_upstream: "there was no other upstream to try",
  retry_budget: "the retry budget was exhausted",
  answer_refused: "another upstream would respond in the same form",
  time_spent: "its total timeout was exceeded",
};

function outcomeText({ status, reason, isClientGone, attempts }: RequestRecord): string {
  if (isClientGone) return "The client disconnected before it had the whole response.";
  if (status === 0) return "The client got no response.";
  const isRefusal = reason !== null && attempts.at(-1)?.status !== status;
  return isRefusal ? `The client got ${status} from the balancer: ${reason}.` : `The client got ${status}.`;
}

/** Where the upstreams of the attempts come from, or why there was none. */
function originTexts({ attempts, pool, reason }: RequestRecord, origins?: OriginTexts): readonly string[] {
  if (!origins) return [];
  if (reason === "no_members" && pool !== null)
    return origins.ofPool(pool).map((text) => `Its members come from ${text}.`);
  const tried = [...new Set(attempts.map(({ upstream }) => upstream))];
  return tried.flatMap((id) => {
    const text = origins.ofUpstream(id);
    return text === undefined ? [] : [`${id} is a member of ${text}.`];
  });
}

function timingText({ durationMs, queuedMs, attempts }: RequestRecord): readonly string[] {
  const last = attempts.at(-1);
  if (!last) return [`It took ${ms(durationMs)}.`];
  const earlierMs = last.startMs - queuedMs;
  const parts = [
    ...(queuedMs > 0 ? [`${ms(queuedMs)} in the queue`] : []),
    ...(attempts.length > 1 ? [`${ms(earlierMs)} in earlier attempts`] : []),
    ...(last.headMs === null
      ? []
      : [`${ms(last.headMs)} to the response headers`, `${ms(last.endMs - last.headMs)} for the body`]),
  ];
  return [`It took ${ms(durationMs)}${parts.length > 0 ? `: ${parts.join(", ")}` : ""}.`];
}

/** "0.42 ms", "38 ms", "2.1 s" */
function ms(value: number): string {
  if (value >= 1_000) return `${(value / 1_000).toFixed(1)} s`;
  return value >= 10 ? `${Math.round(value)} ms` : `${Number(value.toFixed(2))} ms`;
}
