/** The reusable record of one exchange: filled without allocating, and read as an `EndedExchange` at its end. */

import { systemWallClock, type WallClock } from "../lib/clock.ts";
import type { Attempt } from "../pool/attempt.ts";
import { isAnswerRefused, type Outcome } from "../pool/outcome.ts";
import type { Pool } from "../pool/pool.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { FilteredRequest } from "./filter.ts";
import type { RequestHead } from "./request-head.ts";
import type {
  AttemptRecord,
  SelectionRecord,
  EndedExchange,
  ExchangeSummary,
  HttpVersion,
  RequestRecord,
} from "./record.ts";
import type { RetryVeto, Refusal } from "./refusal.ts";
import type { Route, RouteMatch } from "./route.ts";
import { readTraceparent, type TraceContext } from "./trace-context.ts";

/** Longer targets and hosts are truncated: a record must stay small. */
const maxChars = 2_048;

const maxUserChars = 256;

/** What is stored of one attempt; the next exchange overwrites it. */
interface AttemptNote {
  upstream: Upstream;
  startedAt: number;
  connectMs: number | undefined;
  isIntercepted: boolean;
  headAt: number;
  endedAt: number;
  status: number;
  outcome: Outcome;
}

/** Reused for every exchange. Its getters create strings and objects only when they are read. */
export class RecordBuilder implements EndedExchange {
  readonly #wallClock: WallClock = systemWallClock;
  readonly #attempts: AttemptNote[] = [];
  #attemptCount = 0;
  #end: ExchangeSummary | undefined;
  #trace: TraceContext | undefined;
  #record: RequestRecord | undefined;
  #attemptRecords: readonly AttemptRecord[] | undefined;
  head: RequestHead | undefined;
  poolObject: Pool | undefined;
  hashKey = "";
  match: RouteMatch | undefined;
  /** Present on routes with filters. */
  filtered: FilteredRequest | undefined;
  startedAt = 0;
  queuedMs = 0;
  refused: Refusal | undefined;
  retryVeto: RetryVeto | undefined;
  readonly retried: string[] = [];
  readonly choices: SelectionRecord[] = [];
  at = 0;
  durationMs = 0;

  /** Prepares for the next exchange. */
  clear(): void {
    this.head = this.poolObject = this.refused = this.retryVeto = this.filtered = undefined;
    this.#end = this.#trace = this.#record = this.#attemptRecords = undefined;
    this.hashKey = "";
    this.match = undefined;
    this.startedAt = this.queuedMs = this.#attemptCount = 0;
    // Setting the length of a list is a call into the runtime, and nearly always the list is empty.
    if (this.retried.length > 0) this.retried.length = 0;
    if (this.choices.length > 0) this.choices.length = 0;
  }

  addAttempt(attempt: Attempt, outcome: Outcome): void {
    const {
      upstream,
      startedAt,
      connectTimeMs: connectMs,
      responseStartedAt: headAt,
      endedAt,
      status,
      isIntercepted,
    } = attempt;
    const note = this.#attempts[this.#attemptCount];
    if (note) {
      note.upstream = upstream;
      note.startedAt = startedAt;
      note.connectMs = connectMs;
      note.isIntercepted = isIntercepted;
      note.headAt = headAt;
      note.endedAt = endedAt;
      note.status = status;
      note.outcome = outcome;
    } else {
      const at = { startedAt, connectMs, headAt, endedAt };
      this.#attempts.push({ upstream, ...at, status, outcome, isIntercepted });
    }
    this.#attemptCount += 1;
  }

  get lastOutcome(): Outcome | undefined {
    return this.#attempts[this.#attemptCount - 1]?.outcome;
  }

  /** Makes the record readable. @param now clock time */
  end(end: ExchangeSummary, trace: TraceContext | undefined, now: number): void {
    this.#end = end;
    this.#trace = trace;
    this.durationMs = now - this.startedAt;
    this.at = this.#wallClock() - this.durationMs;
  }

  get #summary(): ExchangeSummary {
    if (!this.#end) throw new Error("Cannot read an exchange: it has not ended");
    return this.#end;
  }

  get requestId(): string {
    return this.#summary.requestId;
  }

  get clientAddress(): string {
    return this.#summary.clientAddress;
  }

  get peerAddress(): string {
    return this.#summary.peerAddress;
  }

  get scheme(): "http" | "https" {
    return this.#summary.scheme;
  }

  get listener(): string {
    return this.#summary.listener;
  }

  get protocol(): HttpVersion | null {
    return this.#summary.protocol;
  }

  get status(): number {
    return this.#summary.status;
  }

  get bytesIn(): number {
    return this.#summary.bytesIn;
  }

  get bytesOut(): number {
    return this.#summary.bytesOut;
  }

  get isClientGone(): boolean {
    return this.#summary.isClientGone;
  }

  get method(): string {
    return this.head?.method ?? "";
  }

  get target(): string {
    return truncate(this.head?.target ?? "");
  }

  get host(): string {
    return truncate(this.head?.host ?? "");
  }

  get pool(): string | null {
    return this.poolObject?.name ?? null;
  }

  get reason(): RequestRecord["reason"] {
    if (this.refused) return this.refused.reason;
    const outcome = this.lastOutcome;
    return outcome?.kind === "failure" ? outcome.reason : null;
  }

  get filter(): string | null {
    return this.refused?.filter ?? null;
  }

  get user(): string | null {
    return this.filtered?.user?.slice(0, maxUserChars) ?? null;
  }

  get userAgent(): string | null {
    return this.#field("user-agent");
  }

  get referer(): string | null {
    return this.#field("referer");
  }

  #field(name: string): string | null {
    const value = this.head?.header(name);
    return value === undefined ? null : truncate(value);
  }

  get complaint(): string | null {
    const outcome = this.refused ? undefined : this.lastOutcome;
    const rule = outcome && isAnswerRefused(outcome) ? outcome.detail : undefined;
    const violation = this.refused?.violation;
    const candidates = this.match?.route ? undefined : this.match?.candidates;
    if (violation !== undefined && candidates)
      return `${violation}: ${candidates.map(routeText).join(" and ")}`;
    return violation ?? rule ?? null;
  }

  get route(): string | null {
    const route = this.match?.route;
    return route ? (route.name ?? route.place) : null;
  }

  get #routeConditions(): string | null {
    const route = this.match?.route;
    return route ? routeConditionsText(route) : null;
  }

  get #matchedPath(): string | null {
    const path = this.match?.matchedPath;
    return path === undefined ? null : copyOf(truncate(path));
  }

  get notRetried(): RetryVeto | null {
    return this.retryVeto ?? null;
  }

  get traceId(): string | null {
    if (this.#trace) return this.#trace.traceId;
    const given = this.head?.header("traceparent");
    return given === undefined ? null : (readTraceparent(given)?.traceId ?? null);
  }

  get attempts(): readonly AttemptRecord[] {
    return (this.#attemptRecords ??= this.#attempts
      .slice(0, this.#attemptCount)
      .map((note) => attemptOf(note, this.startedAt)));
  }

  get record(): RequestRecord {
    return (this.#record ??= this.#makeRecord());
  }

  #makeRecord(): RequestRecord {
    const { requestId, clientAddress, peerAddress, scheme, listener, protocol } = this.#summary;
    const { status, bytesIn, bytesOut, isClientGone } = this.#summary;
    const { at, durationMs, method, pool, reason, complaint, notRetried, queuedMs, attempts, traceId } = this;
    const { filter, user } = this;
    return {
      requestId,
      clientAddress,
      peerAddress,
      scheme,
      listener,
      protocol,
      status,
      bytesIn,
      bytesOut,
      isClientGone,
      at,
      durationMs,
      method,
      pool,
      filter,
      user: user === null ? null : copyOf(user),
      reason,
      complaint,
      notRetried,
      queuedMs,
      attempts,
      traceId,
      target: copyOf(this.target),
      host: copyOf(this.host),
      key: this.hashKey === "" ? null : copyOf(truncate(this.hashKey)),
      matchedPath: this.#matchedPath,
      route: this.route,
      routeConditions: this.#routeConditions,
      ...(this.filtered?.split && { split: this.filtered.split }),
      ...(this.filtered?.sticky && { sticky: this.filtered.sticky }),
      retried: [...this.retried],
      choices: [...this.choices],
      ...(this.#trace && { trace: this.#trace }),
    };
  }
}

/** A route may have thousands of hosts. */
const maxHosts = 3;

/** "host shop.example, path /api"; null for a route of every host and path. */
function routeConditionsText({ hosts, path }: Route): string | null {
  const more = (hosts?.length ?? 0) - maxHosts;
  const parts = [
    ...(hosts ? [`host ${hosts.slice(0, maxHosts).join(", ")}${more > 0 ? ` and ${more} more` : ""}`] : []),
    ...(path === undefined ? [] : [`path ${path}`]),
  ];
  return parts.length > 0 ? parts.join(", ") : null;
}

/** "routes[3] (host shop.example, path /api)" */
function routeText(route: Route | undefined): string {
  if (!route) return "no route";
  const conditions = routeConditionsText(route);
  const name = route.name ?? route.place;
  return conditions === null ? name : `${name} (${conditions})`;
}

function truncate(text: string): string {
  return text.length > maxChars ? text.slice(0, maxChars) : text;
}

/** A copy, because a substring keeps the whole string in memory, perhaps a whole head. */
function copyOf(text: string): string {
  return Buffer.from(text).toString();
}

function attemptOf(note: AttemptNote, exchangeAt: number): AttemptRecord {
  const { upstream, startedAt, connectMs, headAt, endedAt, status, outcome } = note;
  const failed = outcome.kind === "failure" ? outcome : undefined;
  return {
    upstream: upstream.id,
    startMs: startedAt - exchangeAt,
    connectMs: connectMs ?? null,
    headMs: headAt > 0 ? headAt - startedAt : null,
    endMs: endedAt - startedAt,
    status,
    outcome: outcome.kind,
    phase: failed?.phase ?? null,
    reason: failed?.reason ?? null,
    rehearsed: note.isIntercepted,
  };
}
