/** Stores recent, failed and slowest requests in memory, in separate lists, so that good requests do not displace the others. */

import type { WallClock } from "../lib/clock.ts";
import { RingBuffer } from "../lib/ring-buffer.ts";
import { isServerError } from "../metrics/rolling-traffic.ts";
import { isTunnel, type RequestRecord } from "../proxy/record.ts";
import { isFailureReason } from "../proxy/refusal.ts";
import { maxSlow, slowSpanMs } from "./sampler.ts";

export interface StoredRequest extends RequestRecord {
  /** Increases with each request, also across restarts. */
  readonly seq: number;
}

export type RequestListKind = "recent" | "slowest" | "failed";

export interface RequestQuery {
  readonly which: RequestListKind;
  readonly limit: number;
  /** Only requests with a smaller `seq`. */
  readonly before?: number;
  readonly pool?: string;
  /** Upstream of at least one attempt. */
  readonly upstream?: string;
  readonly method?: string;
  /** "404", or "4xx". */
  readonly status?: string;
  /** Prefix of the target. */
  readonly path?: string;
  /** Reason of the refusal, of an attempt, of a retry, or for not retrying. */
  readonly reason?: string;
}

export interface RequestList {
  readonly requests: readonly StoredRequest[];
  /** Whether some requests were not stored. */
  readonly sampled: boolean;
}

/** A record takes about a kilobyte, with long targets at most five. */
const maxRecent = 1_000;
const maxFailed = 500;

export class RecentRequests {
  readonly #wallClock: WallClock;
  readonly #recent = new RingBuffer<StoredRequest>(maxRecent);
  readonly #failed = new RingBuffer<StoredRequest>(maxFailed);
  #slowest: StoredRequest[] = [];
  readonly #watchers = new Set<(request: StoredRequest) => void>();
  #seq: number;

  constructor(wallClock: WallClock) {
    this.#wallClock = wallClock;
    // Far fewer than a thousand requests a second are stored, so numbers continue to increase across a restart.
    this.#seq = Math.floor(wallClock());
  }

  accept(record: RequestRecord): void {
    const request = { ...record, seq: (this.#seq += 1) };
    this.#recent.push(request);
    if (isFailed(request)) this.#failed.push(request);
    this.#rank(request);
    for (const watcher of this.#watchers) watcher(request);
  }

  /** Matching requests, newest first; from the slowest list slowest first. */
  select({ which, limit, before, ...filter }: RequestQuery): readonly StoredRequest[] {
    const all = which === "slowest" ? this.#slow() : this.#listOf(which);
    const found: StoredRequest[] = [];
    for (const request of all) {
      if (found.length === limit) break;
      if ((before === undefined || request.seq < before) && matchesRequest(request, filter))
        found.push(request);
    }
    return found;
  }

  /** Recent requests after the one with this number, oldest first. */
  since(seq: number): readonly StoredRequest[] {
    const later: StoredRequest[] = [];
    for (const request of this.#recent) {
      if (request.seq <= seq) break;
      later.push(request);
    }
    return later.reverse();
  }

  /** The latest request with this id; clients may use an id twice. */
  find(id: string): StoredRequest | undefined {
    for (const list of [this.#recent, this.#failed, this.#slowest]) {
      for (const request of list) if (request.requestId === id) return request;
    }
    return undefined;
  }

  /**
   * Calls the watcher for each stored request.
   * @returns stops watching
   */
  watch(watcher: (request: StoredRequest) => void): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  #listOf(which: "recent" | "failed"): RingBuffer<StoredRequest> {
    return which === "failed" ? this.#failed : this.#recent;
  }

  #slow(): readonly StoredRequest[] {
    const oldest = this.#wallClock() - slowSpanMs;
    return (this.#slowest = this.#slowest.filter(({ at, durationMs }) => at + durationMs >= oldest));
  }

  #rank(request: StoredRequest): void {
    if (isTunnel(request)) return;
    // Removes expired requests first, in case the list was not read since they expired.
    const slow = this.#slow();
    if (slow.length >= maxSlow && request.durationMs <= (slow.at(-1)?.durationMs ?? 0)) return;
    const index = slow.findIndex(({ durationMs }) => durationMs < request.durationMs);
    this.#slowest.splice(index < 0 ? this.#slowest.length : index, 0, request);
    this.#slowest.length = Math.min(this.#slowest.length, maxSlow);
  }
}

/** Whether it was refused, truncated, retried, or got a 5xx response. */
function isFailed({ status, reason, retried, isClientGone }: RequestRecord): boolean {
  return (
    isFailureReason(reason) || isServerError(status) || retried.length > 0 || (status === 0 && !isClientGone)
  );
}

/** Whether a request matches a filter. */
export function matchesRequest(
  request: StoredRequest,
  { pool, upstream, method, status, path, reason }: Omit<RequestQuery, "which" | "limit" | "before">,
): boolean {
  if (pool !== undefined && request.pool !== pool) return false;
  if (upstream !== undefined && !request.attempts.some((attempt) => attempt.upstream === upstream))
    return false;
  if (method !== undefined && request.method !== method) return false;
  if (status !== undefined && !matchesStatus(request.status, status)) return false;
  if (path !== undefined && !request.target.startsWith(path)) return false;
  return reason === undefined || allReasons(request).includes(reason);
}

/** "404", or "4xx" for the class. */
function matchesStatus(status: number, filter: string): boolean {
  const text = String(status);
  return filter.endsWith("xx") ? text.startsWith(filter.charAt(0)) && text.length === 3 : text === filter;
}

function allReasons({ reason, notRetried, attempts, retried }: StoredRequest): readonly (string | null)[] {
  return [reason, notRetried, ...retried, ...attempts.map((attempt) => attempt.reason)];
}
