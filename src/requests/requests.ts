/** What is known of requests: those of late, one explained, those to come live, and where an imagined one would go. */

import type { PoolRegistry } from "../registry/pool-registry.ts";
import type { Clock, WallClock } from "../lib/clock.ts";
import type { RecordSink, RequestRecord } from "../proxy/record.ts";
import { explainRequest } from "./explanation.ts";
import { dryRun } from "./dry-run.ts";
import {
  RecentRequests,
  type RequestList,
  type RequestQuery,
  type StoredRequest,
} from "./recent-requests.ts";
import { type ExplainedRequest } from "./explanation.ts";
import { type DryRunResult } from "./dry-run.ts";
import { type DryRunRequest } from "./dry-run.ts";
import { RequestSampler } from "./sampler.ts";

export interface RequestsOptions {
  readonly registry: Pick<PoolRegistry, "routes" | "entries">;
  readonly clock: Clock;
  readonly wallClock: WallClock;
}

export class Requests {
  readonly #options: RequestsOptions;
  readonly #recent: RecentRequests;
  readonly #sampler: RequestSampler;
  /** Whether workers have passed over any. */
  #isSampled = false;

  constructor(options: RequestsOptions) {
    this.#options = options;
    this.#recent = new RecentRequests(options.wallClock);
    this.#sampler = new RequestSampler(options.clock, (record) => this.#recent.accept(record));
  }

  /** For the exchanges of this process. */
  get sink(): RecordSink {
    return this.#sampler;
  }

  /** Takes over what a worker has kept. */
  adopt(records: readonly RequestRecord[], isSampled: boolean): void {
    for (const record of records) this.#recent.accept(record);
    this.#isSampled ||= isSampled;
  }

  list(query: RequestQuery): RequestList {
    return { requests: this.#recent.select(query), sampled: this.#isSampled || this.#sampler.skipped > 0 };
  }

  /** Those of late that came after the one with this number, oldest first. */
  since(seq: number): readonly StoredRequest[] {
    return this.#recent.since(seq);
  }

  /** Undefined if it is not among those that are kept. */
  explain(id: string): ExplainedRequest | undefined {
    const request = this.#recent.find(id);
    return request && { ...request, account: explainRequest(request) };
  }

  /** @returns ends it */
  watch(watcher: (request: StoredRequest) => void): () => void {
    return this.#recent.watch(watcher);
  }

  /** With workers each takes turns of its own; this tells of a process that has taken none. */
  dryRun(imagined: DryRunRequest): DryRunResult {
    return dryRun(this.#options.registry, imagined, this.#options.clock);
  }
}
