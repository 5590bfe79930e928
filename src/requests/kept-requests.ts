/** Keeps failed, retried, slow and some other requests for a day: writes them in batches, and thins out the fullest minutes. */

import type { KeptRequestsConfig } from "../config/kept-requests.ts";
import type { Cancel, Clock, Schedule, WallClock } from "../lib/clock.ts";
import { rateLimit } from "../lib/rate.ts";
import type { StoredRequest } from "./recent-requests.ts";
import { endOf, requestOutcomeOf, type RecordFilter, type RequestOutcome } from "./request-filter.ts";
import type {
  KeptCounts,
  KeptRequest,
  RequestCell,
  RequestGroup,
  RequestSearch,
  RequestStore,
} from "./request-store.ts";

export interface KeptRequestsOptions extends KeptRequestsConfig {
  readonly store: RequestStore;
  readonly clock: Clock;
  readonly wallClock: WallClock;
  readonly schedule: Schedule;
  /** Called for each failed write with the number of requests that were dropped; up to once a second. */
  readonly onFailure: (error: unknown, lost: number) => void;
}

/**
 * Requests a second that are written. An outage at 10,000 requests a second fills no disk, and an incident of a second leaves
 * enough to see what failed alike.
 */
const writtenPerSecond: Readonly<Record<RequestOutcome, number>> = {
  failed: 50,
  refused: 10,
  retried: 10,
  slow: 20,
  sampled: 2,
};

/** Groups what ends within a second into few writes. */
const writeDelayMs = 1_000;

/** Requests per write, about a millisecond of work, and the pause until the next: other requests wait during a write. */
const batchSize = 25;
const pauseMs = 20;

/** Upper bound in memory while the store cannot be written. */
const maxPending = 2_000;

/** Requests deleted at a time, and how many times for each batch that is written. */
const thinSize = 50;
const maxThinnings = 8;

const minuteMs = 60_000;

interface CountedCell {
  readonly cell: RequestCell;
  count: number;
}

/**
 * The ring is bounded by time and by number. When it is full, the minute that holds the most of one outcome loses some of
 * them: an outage of an hour leaves the failures of last night where they are.
 */
export class KeptRequests {
  readonly #options: KeptRequestsOptions;
  readonly #passes: Readonly<Record<RequestOutcome, () => number | undefined>>;
  /** How many requests each cell holds, by its key, about in the order of time. */
  readonly #cells = new Map<string, CountedCell>();
  #kept = 0;
  #pending: KeptRequest[] = [];
  #cancelWrite: Cancel | undefined;

  /** Throws the errors of the store. */
  constructor(options: KeptRequestsOptions) {
    this.#options = options;
    const passing = (outcome: RequestOutcome) => rateLimit(writtenPerSecond[outcome], options.clock);
    this.#passes = {
      failed: passing("failed"),
      refused: passing("refused"),
      retried: passing("retried"),
      slow: passing("slow"),
      sampled: passing("sampled"),
    };
    for (const { minute, outcome, count } of options.store.cells()) this.#add({ minute, outcome }, count);
  }

  get limits(): KeptRequestsConfig {
    return this.#options;
  }

  /** Requests in the store. */
  get size(): number {
    return this.#kept;
  }

  /** The largest number that a request was given before. */
  get lastSeq(): number {
    return this.#options.store.lastSeq;
  }

  /** Cheap: adds to a list, and sets a timer at most once a second. */
  accept(request: StoredRequest): void {
    const outcome = requestOutcomeOf(request, this.#options.slowMs);
    if (this.#passes[outcome]() === undefined) return;
    if (this.#pending.length >= maxPending) this.#pending.shift();
    this.#pending.push({
      request: this.#withoutOmitted(request),
      endedAt: endOf(request),
      outcome,
    });
    this.#cancelWrite ??= this.#options.schedule(writeDelayMs, () => this.#writeBatches());
  }

  search(search: RequestSearch): readonly StoredRequest[] {
    this.flush();
    return this.#options.store.search(search);
  }

  groups(filter: RecordFilter): readonly RequestGroup[] {
    this.flush();
    return this.#options.store.groups(filter);
  }

  count(filter: RecordFilter): KeptCounts {
    this.flush();
    return this.#options.store.count(filter);
  }

  find(requestId: string): StoredRequest | undefined {
    this.flush();
    return this.#options.store.find(requestId);
  }

  /** Writes what is pending: before a search, and before the store closes. */
  flush(): void {
    while (this.#pending.length > 0 && this.#write());
  }

  /** Writes what is pending, and stops. Does not close the store. */
  stop(): void {
    this.#cancelWrite?.();
    this.#cancelWrite = undefined;
    this.flush();
  }

  /** Batch after batch. If the store fails, the next attempt is a second later. */
  #writeBatches(): void {
    this.#cancelWrite = undefined;
    const isWritten = this.#write();
    const hasMore = this.#pending.length > 0 || this.#isTooFull();
    if (!hasMore) return;
    this.#cancelWrite = this.#options.schedule(isWritten ? pauseMs : writeDelayMs, () =>
      this.#writeBatches(),
    );
  }

  /** Writes one batch and deletes what is too much; returns whether that succeeded. */
  #write(): boolean {
    const batch = this.#pending.slice(0, batchSize);
    try {
      if (batch.length > 0) this.#options.store.write(batch);
      this.#pending.splice(0, batch.length);
      for (const { endedAt, outcome } of batch)
        this.#add({ minute: Math.floor(endedAt / minuteMs), outcome }, 1);
      this.#thin();
      return true;
    } catch (error) {
      this.#options.onFailure(error, this.#pending.length >= maxPending ? batch.length : 0);
      return false;
    }
  }

  #isTooFull(): boolean {
    return this.#kept > this.#options.maxRequests || this.#expired() !== undefined;
  }

  #expired(): CountedCell | undefined {
    const oldest = Math.floor((this.#options.wallClock() - this.#options.keepMs) / minuteMs);
    const [first] = this.#cells.values();
    return first && first.cell.minute < oldest ? first : undefined;
  }

  #thin(): void {
    for (let turn = 0; turn < maxThinnings; turn++) {
      const expired = this.#expired();
      const excess = this.#kept - this.#options.maxRequests;
      const counted = expired ?? (excess > 0 ? this.#fullest() : undefined);
      if (!counted) return;
      const { cell, count } = counted;
      // A part of it: so a minute keeps about as many as the fullest of the others.
      const share = expired ? thinSize : Math.min(excess, thinSize, Math.max(1, Math.floor(count / 4)));
      const dropped = this.#options.store.thin(cell, share);
      // A cell that is empty although it counts more: what the store lost is forgotten.
      this.#add(cell, dropped > 0 ? -dropped : -count);
    }
  }

  #fullest(): CountedCell | undefined {
    let fullest: CountedCell | undefined;
    for (const entry of this.#cells.values()) {
      if (!fullest || entry.count > fullest.count) fullest = entry;
    }
    return fullest;
  }

  #add(cell: RequestCell, count: number): void {
    const key = keyOf(cell);
    const entry = this.#cells.get(key);
    this.#kept += count;
    if (!entry) this.#cells.set(key, { cell, count });
    else if (entry.count + count <= 0) this.#cells.delete(key);
    else entry.count += count;
  }

  /** A hash key may be the value of a cookie, so it is never kept. */
  #withoutOmitted(request: StoredRequest): StoredRequest {
    const { omit } = this.#options;
    const { target } = request;
    const query = target.indexOf("?");
    return {
      ...request,
      key: null,
      ...(omit.includes("query") && query >= 0 && { target: target.slice(0, query) }),
      ...(omit.includes("client") && { clientAddress: "", peerAddress: "" }),
      ...(omit.includes("user") && { user: null }),
    };
  }
}

function keyOf({ minute, outcome }: RequestCell): string {
  return `${minute} ${outcome}`;
}
