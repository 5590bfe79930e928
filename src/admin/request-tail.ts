/** Who follows requests live: each listener gets those that its filter lets through, as long as it reads. */

import type { Schedule } from "../lib/clock.ts";
import { matchesRequest } from "../requests/recent-requests.ts";
import type { StoredRequest, RequestQuery } from "../requests/request.ts";
import type { Requests } from "../requests/requests.ts";
import { type SseClient, SseClients } from "./sse.ts";

export type TailQuery = Omit<RequestQuery, "which" | "limit" | "before">;

export interface TailStart {
  readonly query: TailQuery;
  /** Begins after the request with this number; null with the next one that ends. */
  readonly after: number | null;
}

export interface RequestTailOptions {
  readonly requests: Pick<Requests, "since" | "watch">;
  readonly schedule: Schedule;
}

interface State {
  readonly query: TailQuery;
  /** Requests that it did not get, since it does not read fast enough. */
  missed: number;
}

const encoder = new TextEncoder();

/** `resting ──first listener──▶ hearing of every kept request ──last one gone──▶ resting` */
export class RequestTail {
  readonly #options: RequestTailOptions;
  readonly #listeners: SseClients<State>;

  constructor(options: RequestTailOptions) {
    this.#options = options;
    const { requests, schedule } = options;
    this.#listeners = new SseClients({
      maxClients: 50,
      maxWaitingBytes: 256 * 1024,
      schedule,
      begin: () => requests.watch((request) => this.#notify(request)),
    });
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  /** Undefined if too many listen already. */
  open({ query, after }: TailStart): ReadableStream<Uint8Array> | undefined {
    return this.#listeners.open(() => ({ query, missed: 0 }), {
      joins: (listener) => {
        const missed = after === null ? [] : this.#options.requests.since(after);
        for (const request of missed) this.#notify(request, [listener]);
      },
    });
  }

  /** The text is made once for all of them, and only if one of them wants it. */
  #notify(request: StoredRequest, listeners: Iterable<SseClient<State>> = this.#listeners): void {
    let bytes: Uint8Array | undefined;
    for (const listener of listeners) {
      if (!matchesRequest(request, listener.state.query)) continue;
      bytes ??= encoder.encode(`event: request\nid: ${request.seq}\ndata: ${JSON.stringify(request)}\n\n`);
      this.#send(listener, bytes);
    }
  }

  #send(listener: SseClient<State>, bytes: Uint8Array): void {
    const { state } = listener;
    const missed = `event: missed\ndata: {"count":${state.missed}}\n\n`;
    if (state.missed > 0 && listener.send(missed)) state.missed = 0;
    if (!listener.send(bytes)) state.missed += 1;
  }
}
