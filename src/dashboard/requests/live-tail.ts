/** The live tails of requests: one admin API stream per viewer, with the viewer's credentials and filter. */

import { type Cancel, repeat, type Schedule } from "../../lib/clock.ts";
import { eventOf, messageStream } from "../live/sse.ts";
import { type AdminApiError, adminApiErrorSentence } from "../../wording/verdict.ts";
import type { RequestClient } from "./request-client.ts";
import type { StoredRequest } from "../../requests/recent-requests.ts";
import { filterQuery, listQuery, type RequestFilterState } from "./filter.tsx";

export type TailClient = Pick<RequestClient, "follow" | "list">;

export interface TailOptions {
  readonly schedule: Schedule;
  /** Renders the rows of these requests, in this order. */
  readonly render: (requests: readonly StoredRequest[]) => string;
}

/** Upper bound; each tail also holds a stream of the admin API. */
const maxTails = 50;

/** Interval between messages to the page: short enough to be live, long enough to be read. */
const intervalMs = 500;

/** Rows fetched when a stream opens. A message has at most twice as many; further requests are only counted. */
const maxFresh = 50;

/** Delay before a stream that ended is opened again. */
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

  /** Returns undefined if too many tails are open. */
  open(client: TailClient, filter: RequestFilterState): ReadableStream<Uint8Array> | undefined {
    if (this.#open >= maxTails) return undefined;
    this.#open += 1;
    const tail = new Tail({ ...this.#options, client, filter });
    const { schedule } = this.#options;
    return messageStream(({ offer }) => {
      // A slow reader receives the newest requests when its buffer has room again.
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
 * One viewer's tail.
 * ```
 *                  opened: also fetches the latest
 *   connecting ──────────────────────────────────────▶ following
 *       ▲  ▲ │ refused, unreachable                        │ ended
 *       │  └─┴───────────── after retryMs ─────────────────┘
 *       │
 *     start; stop() ends it in every state
 * ```
 */
class Tail {
  readonly #options: TailOptions & { readonly client: TailClient; readonly filter: RequestFilterState };
  #fresh: StoredRequest[] = [];
  #missed = 0;
  #error: AdminApiError | undefined;
  #stopFollowing: Cancel = () => {};
  /** Number of streams that have ended. A list requested during an earlier stream is outdated and ignored. */
  #endedStreams = 0;
  #isStopped = false;

  constructor(options: TailOptions & { readonly client: TailClient; readonly filter: RequestFilterState }) {
    this.#options = options;
  }

  connect(): void {
    const { client, filter, schedule } = this.#options;
    this.#stopFollowing = client.follow(filterQuery(filter), {
      // Requests from before the stream opened; the page drops rows that it already shows.
      opened: () => void this.#catchUp(),
      request: (request) => this.#add(request),
      missed: (count) => (this.#missed += count),
      ended: (error) => {
        this.#endedStreams += 1;
        this.#error = error ?? { reason: "unreachable", message: "the balancer closed the stream" };
        if (!this.#isStopped) this.#stopFollowing = schedule(retryMs, () => this.connect());
      },
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#stopFollowing();
  }

  /** One message with everything new, newest first; without news it is a keep-alive. */
  news(): string {
    const { render } = this.#options;
    const bySeq = new Map(this.#fresh.map((request) => [request.seq, request]));
    const requests = [...bySeq.values()].toSorted((left, right) => right.seq - left.seq);
    const rows = requests.length > 0 ? render(requests) : "";
    const error = this.#error ? adminApiErrorSentence(this.#error) : null;
    const result = eventOf(JSON.stringify({ rows, missed: this.#missed, error }), "requests");
    this.#fresh = [];
    this.#missed = 0;
    return result;
  }

  async #catchUp(): Promise<void> {
    const { client, filter } = this.#options;
    const endedStreams = this.#endedStreams;
    const result = await client.list(listQuery({ ...filter, before: undefined }, maxFresh));
    if (this.#isStopped || this.#endedStreams !== endedStreams) return;
    this.#error = "error" in result ? result.error : undefined;
    if (!("value" in result)) return;
    // Without a reader, only the newest are kept.
    this.#fresh = [...result.value.requests.toReversed(), ...this.#fresh].slice(-2 * maxFresh);
  }

  #add(request: StoredRequest): void {
    this.#fresh.push(request);
    if (this.#fresh.length <= 2 * maxFresh) return;
    this.#fresh.shift();
    this.#missed += 1;
  }
}
