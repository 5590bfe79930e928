/** What is known of requests: those of late, one explained, those to come live, and where an imagined one would go. */

import type { Fleet } from "../control/fleet.ts";
import type { Clock, WallClock } from "../lib/clock.ts";
import type { RecordTaker, RequestRecord } from "../proxy/record.ts";
import { accountOf } from "./account.ts";
import { foresee } from "./foresee.ts";
import { RecentRequests } from "./recent-requests.ts";
import type {
  ExplainedRequest,
  Foreseen,
  Imagined,
  KeptRequest,
  RequestList,
  RequestQuery,
} from "./request.ts";
import { Sieve } from "./sieve.ts";

export interface RequestsSetting {
  readonly fleet: Pick<Fleet, "routes" | "members">;
  readonly clock: Clock;
  readonly wallClock: WallClock;
}

export class Requests {
  readonly #setting: RequestsSetting;
  readonly #recent: RecentRequests;
  readonly #sieve: Sieve;
  /** Whether workers have passed over any. */
  #isSampled = false;

  constructor(setting: RequestsSetting) {
    this.#setting = setting;
    this.#recent = new RecentRequests(setting.wallClock);
    this.#sieve = new Sieve(setting.clock, (record) => this.#recent.take(record));
  }

  /** For the exchanges of this process. */
  get taker(): RecordTaker {
    return this.#sieve;
  }

  /** Takes over what a worker has kept. */
  adopt(records: readonly RequestRecord[], isSampled: boolean): void {
    for (const record of records) this.#recent.take(record);
    this.#isSampled ||= isSampled;
  }

  list(query: RequestQuery): RequestList {
    return { requests: this.#recent.select(query), sampled: this.#isSampled || this.#sieve.passedOver > 0 };
  }

  /** Those of late that came after the one with this number, oldest first. */
  since(seq: number): readonly KeptRequest[] {
    return this.#recent.since(seq);
  }

  /** Undefined if it is not among those that are kept. */
  explain(id: string): ExplainedRequest | undefined {
    const request = this.#recent.find(id);
    return request && { ...request, account: accountOf(request) };
  }

  /** @returns ends it */
  watch(watcher: (request: KeptRequest) => void): () => void {
    return this.#recent.watch(watcher);
  }

  /** With workers each takes turns of its own; this tells of a process that has taken none. */
  foresee(imagined: Imagined): Foreseen {
    return foresee(this.#setting.fleet, imagined, this.#setting.clock);
  }
}
