/** The facade of request records: list, explain, watch and dry run. */

import type { KeptRequestsConfig } from "../config/kept-requests.ts";
import type { Clock, WallClock } from "../lib/clock.ts";
import type { RecordSink, RequestRecord } from "../proxy/record.ts";
import type { RequestHead } from "../proxy/request-head.ts";
import type { PoolRegistry } from "../registry/pool-registry.ts";
import { dryRun, type DryRunRequest, type DryRunResult } from "./dry-run.ts";
import { type ExplainedRequest, explainRequest, type NextRoute, type OriginTexts } from "./explanation.ts";
import {
  RecentRequests,
  type RequestList,
  type RequestQuery,
  type StoredRequest,
} from "./recent-requests.ts";
import type { KeptRequests } from "./kept-requests.ts";
import { endOf, type RecordFilter } from "./request-filter.ts";
import type { KeptCounts, RequestCursor, RequestGroup, RequestSearch } from "./request-store.ts";
import { RequestSampler } from "./sampler.ts";

export interface RequestsOptions {
  readonly registry: Pick<PoolRegistry, "routes" | "entries">;
  readonly clock: Clock;
  readonly wallClock: WallClock;
  /** Where a dry run may let its request come in; the first one by default. */
  readonly listeners?: readonly DryRunListener[];
  /** By the sources of members as they are now; without them none is named. */
  readonly origins?: OriginTexts;
  /** Undefined if requests are not kept. */
  readonly kept?: KeptRequests | undefined;
}

/** A page of kept requests. */
export interface KeptRequestList extends RequestList {
  /** Where the next page begins; null on the last one. */
  readonly next: RequestCursor | null;
}

/** Kept requests that match. */
export interface RequestSummary extends KeptCounts {
  readonly groups: readonly RequestGroup[];
  /** A request that took as long as this counts as slow, milliseconds. */
  readonly slowMs: number;
}

export interface DryRunListener {
  readonly name: string;
  readonly scheme: "http" | "https";
}

export class Requests {
  readonly #options: RequestsOptions;
  readonly #recent: RecentRequests;
  readonly #sampler: RequestSampler;
  /** Whether a worker has not stored all requests. */
  #isSampled = false;

  constructor(options: RequestsOptions) {
    this.#options = options;
    const { clock, wallClock, kept } = options;
    this.#recent = new RecentRequests(wallClock, kept?.lastSeq);
    this.#sampler = new RequestSampler(clock, (record) => this.#accept(record), kept?.limits.slowMs);
  }

  /** The sink for exchanges of this process. */
  get sink(): RecordSink {
    return this.#sampler;
  }

  /** Adds requests that a worker has sampled. */
  adopt(records: readonly RequestRecord[], isSampled: boolean): void {
    for (const record of records) this.#accept(record);
    this.#isSampled ||= isSampled;
  }

  #accept(record: RequestRecord): void {
    const request = this.#recent.accept(record);
    this.#options.kept?.accept(request);
  }

  /** Undefined if requests are not kept. */
  get keptLimits(): KeptRequestsConfig | undefined {
    return this.#options.kept?.limits;
  }

  /** Kept requests, newest first; undefined if requests are not kept. Throws the errors of the store. */
  search(search: RequestSearch): KeptRequestList | undefined {
    const found = this.#options.kept?.search({ ...search, limit: search.limit + 1 });
    if (!found) return undefined;
    const requests = found.slice(0, search.limit);
    const last = requests.at(-1);
    const next = found.length > requests.length && last ? { endedAt: endOf(last), seq: last.seq } : null;
    return { requests, sampled: this.#isSampled || this.#sampler.skipped > 0, next };
  }

  /** What ends alike among kept requests; undefined if requests are not kept. Throws the errors of the store. */
  summary(filter: RecordFilter): RequestSummary | undefined {
    const { kept } = this.#options;
    return kept && { ...kept.count(filter), groups: kept.groups(filter), slowMs: kept.limits.slowMs };
  }

  list(query: RequestQuery): RequestList {
    return { requests: this.#recent.select(query), sampled: this.#isSampled || this.#sampler.skipped > 0 };
  }

  /** Recent requests after the one with this number, oldest first. */
  since(seq: number): readonly StoredRequest[] {
    return this.#recent.since(seq);
  }

  /** Undefined if the request is not stored. */
  explain(id: string): ExplainedRequest | undefined {
    const request = this.#recent.find(id) ?? this.#options.kept?.find(id);
    return request && { ...request, account: this.#explained(request) };
  }

  #explained(request: RequestRecord): readonly string[] {
    return explainRequest(request, this.#nextRouteOf(request), this.#options.origins);
  }

  /**
   * The route that comes next for a stored request, by the routes of now. Fields of its head are not stored, so nothing is said
   * where they decide, or where the routes have changed.
   */
  #nextRouteOf(request: RequestRecord): NextRoute | undefined {
    const { method, target, host, clientAddress, peerAddress, scheme, listener } = request;
    const { routes } = this.#options.registry;
    const head: RequestHead = {
      ...{ method, target, host, clientAddress, peerAddress, scheme, listener },
      header: () => undefined,
    };
    const found = routes.find(head)?.route;
    if (!found || (found.name ?? found.place) !== request.route) return undefined;
    const [next] = routes.explain(head).over;
    return next && { route: next.route.name ?? next.route.place, why: next.why };
  }

  /**
   * Calls the watcher for each stored request.
   * @returns stops watching
   */
  watch(watcher: (request: StoredRequest) => void): () => void {
    return this.#recent.watch(watcher);
  }

  /** With workers, each worker has its own round-robin state. The result is that of a process that has served no requests. */
  dryRun(request: DryRunRequest): DryRunResult {
    return dryRun(this.#options.registry, request, this.#options.clock);
  }

  /** Writes what is pending. Does not close the store. */
  stop(): void {
    this.#options.kept?.stop();
  }

  get listeners(): readonly DryRunListener[] {
    return this.#options.listeners ?? [];
  }
}
