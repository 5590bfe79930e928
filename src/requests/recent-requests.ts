/** The requests of late, in memory: the last ones, the failed and the slowest, so that a flood of good ones washes nothing away. */

import type { WallClock } from "../lib/clock.ts";
import { RingBuffer } from "../lib/ring-buffer.ts";
import { isTunnel, type RequestRecord } from "../proxy/record.ts";
import { maxSlow, slowSpanMs } from "./sampler.ts";

/** About a kilobyte each, with long targets at most five. */
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
    // Far fewer than a thousand a second are kept, so that numbers go on rising over a restart.
    this.#seq = Math.floor(wallClock());
  }

  accept(record: RequestRecord): void {
    const request = { ...record, seq: (this.#seq += 1) };
    this.#recent.push(request);
    if (isFailed(request)) this.#failed.push(request);
    this.#rank(request);
    for (const watcher of this.#watchers) watcher(request);
  }

  /** Newest first; the slowest ones slowest first. */
  select({ which, limit, before, ...wanted }: RequestQuery): readonly StoredRequest[] {
    const all = which === "slowest" ? this.#slow() : this.#listOf(which);
    const found: StoredRequest[] = [];
    for (const request of all) {
      if (found.length === limit) break;
      if ((before === undefined || request.seq < before) && matchesRequest(request, wanted))
        found.push(request);
    }
    return found;
  }

  /** Those of late that came after the one with this number, oldest first. */
  since(seq: number): readonly StoredRequest[] {
    const later: StoredRequest[] = [];
    for (const request of this.#recent) {
      if (request.seq <= seq) break;
      later.push(request);
    }
    return later.reverse();
  }

  /** The last one of this id: clients may use one twice. */
  find(id: string): StoredRequest | undefined {
    for (const list of [this.#recent, this.#failed, this.#slowest]) {
      for (const request of list) if (request.requestId === id) return request;
    }
    return undefined;
  }

  /** @returns ends it */
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
    // What is too old holds no place, also if nobody has looked since.
    const slow = this.#slow();
    if (slow.length >= maxSlow && request.durationMs <= (slow.at(-1)?.durationMs ?? 0)) return;
    const place = slow.findIndex(({ durationMs }) => durationMs < request.durationMs);
    this.#slowest.splice(place < 0 ? this.#slowest.length : place, 0, request);
    this.#slowest.length = Math.min(this.#slowest.length, maxSlow);
  }
}

/** Refused, broken off, answered with 5xx, or saved by another attempt. */
function isFailed({ status, reason, retried, isClientGone }: RequestRecord): boolean {
  return reason !== null || status >= 500 || retried.length > 0 || (status === 0 && !isClientGone);
}

/** Whether a filter lets it through. */
export function matchesRequest(
  request: StoredRequest,
  { pool, upstream, method, status, path, reason }: Omit<RequestQuery, "which" | "limit" | "before">,
): boolean {
  if (pool !== undefined && request.pool !== pool) return false;
  if (upstream !== undefined && !request.attempts.some((attempt) => attempt.upstream === upstream))
    return false;
  if (method !== undefined && request.method !== method) return false;
  if (status !== undefined && !fits(request.status, status)) return false;
  if (path !== undefined && !request.target.startsWith(path)) return false;
  return reason === undefined || reasonsOf(request).includes(reason);
}

/** "404", or "4xx" for the class. */
function fits(status: number, wanted: string): boolean {
  const text = String(status);
  return wanted.endsWith("xx") ? text.startsWith(wanted.charAt(0)) && text.length === 3 : text === wanted;
}

function reasonsOf({ reason, notRetried, attempts, retried }: StoredRequest): readonly (string | null)[] {
  return [reason, notRetried, ...retried, ...attempts.map((attempt) => attempt.reason)];
}

// The requests of late as others read them: types and nothing else.

export interface StoredRequest extends RequestRecord {
  /** Grows from request to request, and begins anew with the process. */
  readonly seq: number;
}

export type RequestListKind = "recent" | "slowest" | "failed";

export interface RequestQuery {
  readonly which: RequestListKind;
  readonly limit: number;
  /** Only those with a smaller number. */
  readonly before?: number;
  readonly pool?: string;
  /** That one attempt went to, at least. */
  readonly upstream?: string;
  readonly method?: string;
  /** "404", or "4xx". */
  readonly status?: string;
  /** What the target begins with. */
  readonly path?: string;
  /** Of the refusal, of an attempt, or why it was or was not tried again. */
  readonly reason?: string;
}

export interface RequestList {
  readonly requests: readonly StoredRequest[];
  /** Whether more requests came than are kept. */
  readonly sampled: boolean;
}
