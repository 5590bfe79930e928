/** The live tails of requests: one stream from the admin API for each viewer, with that viewer's right and filter. */

import { type Cancel, repeat, type Schedule } from "../../lib/clock.ts";
import { eventOf, messageStream } from "../live/sse.ts";
import type { AdminApiError } from "../../wording/verdict.ts";
import type { RequestClient } from "./request-client.ts";
import type { StoredRequest } from "../../requests/recent-requests.ts";
import { filterQuery, listQuery, type RequestFilterState } from "./filter.tsx";

export type TailClient = Pick<RequestClient, "follow" | "list">;

export interface TailOptions {
  readonly schedule: Schedule;
  /** The rows of these requests, in this order. */
  readonly render: (requests: readonly StoredRequest[]) => string;
}

/** Each holds a stream of the admin side as well. */
const maxTails = 50;

/** Often enough to be called live, seldom enough to be read. */
const intervalMs = 500;

/** What comes faster than this is counted instead of shown: nobody reads a hundred rows a second. */
const maxFresh = 50;
const retryMs = 1_000;

export class LiveTails {
  readonly #options: TailOptions;
  #open = 0;

  constructor(options: TailOptions) {
    this.#options = options;
  }

  get viewers(): number {
    return this.#open;
  }

  /** Undefined if there are too many. */
  open(client: TailClient, filter: RequestFilterState): ReadableStream<Uint8Array> | undefined {
    if (this.#open >= maxTails) return undefined;
    this.#open += 1;
    const tail = new Tail({ ...this.#options, client, sought: filter });
    const { schedule } = this.#options;
    return messageStream(({ offer }) => {
      // Whoever reads too slowly gets the newest when there is room again.
      const cancelTick = repeat(schedule, intervalMs, () => offer(() => tail.news()));
      tail.connect();
      return () => {
        cancelTick();
        tail.stop();
        this.#open -= 1;
      };
    });
  }
}

/**
 * ```
 *                  opened: asks for the latest as well
 *   connecting ──────────────────────────────────────▶ following
 *       ▲  ▲ │ refused, unreachable                        │ ended
 *       │  └─┴───────────── retryMs later ─────────────────┘
 *       │
 *     start; a viewer that leaves stops it everywhere
 * ```
 */
class Tail {
  readonly #options: TailOptions & { readonly client: TailClient; readonly sought: RequestFilterState };
  #fresh: StoredRequest[] = [];
  #missed = 0;
  #error: AdminApiError | undefined;
  #cancel: Cancel = () => {};
  /** How many streams have ended: what was asked during one of those says nothing of now. */
  #turn = 0;
  #isOver = false;

  constructor(options: TailOptions & { readonly client: TailClient; readonly sought: RequestFilterState }) {
    this.#options = options;
  }

  connect(): void {
    const { client, sought: filter, schedule } = this.#options;
    this.#cancel = client.follow(filterQuery(filter), {
      // What came while nobody followed; the page drops what it has already.
      opened: () => void this.#catchUp(),
      request: (request) => this.#take(request),
      missed: (count) => (this.#missed += count),
      ended: (error) => {
        this.#turn += 1;
        this.#error = error ?? { reason: "unreachable", message: "the balancer has ended the stream" };
        if (!this.#isOver) this.#cancel = schedule(retryMs, () => this.connect());
      },
    });
  }

  stop(): void {
    this.#isOver = true;
    this.#cancel();
  }

  /** One event with all that is new, newest first; without anything it is a sign of life. */
  news(): string {
    const { render } = this.#options;
    const bySeq = new Map(this.#fresh.map((request) => [request.seq, request]));
    const requests = [...bySeq.values()].toSorted((left, right) => right.seq - left.seq);
    const rows = requests.length > 0 ? render(requests) : "";
    const error = this.#error?.message ?? null;
    const result = eventOf(JSON.stringify({ rows, missed: this.#missed, error }), "requests");
    this.#fresh = [];
    this.#missed = 0;
    return result;
  }

  async #catchUp(): Promise<void> {
    const { client, sought: filter } = this.#options;
    const turn = this.#turn;
    const result = await client.list(listQuery({ ...filter, before: undefined }, maxFresh));
    if (this.#isOver || this.#turn !== turn) return;
    this.#error = "error" in result ? result.error : undefined;
    if (!("value" in result)) return;
    // Where nobody reads, only the newest are worth keeping.
    this.#fresh = [...result.value.requests.toReversed(), ...this.#fresh].slice(-2 * maxFresh);
  }

  #take(request: StoredRequest): void {
    this.#fresh.push(request);
    if (this.#fresh.length <= 2 * maxFresh) return;
    this.#fresh.shift();
    this.#missed += 1;
  }
}
