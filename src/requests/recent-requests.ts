/** Stores recent, failed and slowest requests in memory, in separate lists, so that good requests do not displace the others. */

import type { WallClock } from "../lib/clock.ts";
import { RingBuffer } from "../lib/ring-buffer.ts";
import { isTunnel, type RequestRecord } from "../proxy/record.ts";
import { isFailureReason } from "../proxy/refusal.ts";
import { matchesRequest, requestOutcomeOf, type RecordFilter } from "./request-filter.ts";
import { maxSlow, slowSpanMs } from "./sampler.ts";

export interface StoredRequest extends RequestRecord {
  /** Increases with each request, also across restarts. */
  readonly seq: number;
}

export type RequestListKind = "recent" | "slowest" | "failed";

export interface RequestQuery extends RecordFilter {
  readonly which: RequestListKind;
  readonly limit: number;
  /** Only requests with a smaller `seq`. */
  readonly before?: number;
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

  /** @param lastSeq the largest number that was given before */
  constructor(wallClock: WallClock, lastSeq = 0) {
    this.#wallClock = wallClock;
    // Far fewer than a thousand requests a second are stored, so numbers continue to increase across a restart.
    this.#seq = Math.max(Math.floor(wallClock()), lastSeq);
  }

  /** @returns the request with its number */
  accept(record: RequestRecord): StoredRequest {
    const request = { ...record, seq: (this.#seq += 1) };
    this.#recent.push(request);
    if (isFailed(request)) this.#failed.push(request);
    this.#rank(request);
    for (const watcher of this.#watchers) watcher(request);
    return request;
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
function isFailed(request: RequestRecord): boolean {
  const outcome = requestOutcomeOf(request);
  return outcome === "failed" || outcome === "retried" || isFailureReason(request.reason);
}
