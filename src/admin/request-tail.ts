/** Who follows requests live: each listener gets those that its filter lets through, as long as it reads. */

import type { Cancel, Schedule } from "../lib/clock.ts";
import { matches } from "../requests/recent-requests.ts";
import type { KeptRequest, RequestQuery } from "../requests/request.ts";
import type { Requests } from "../requests/requests.ts";

export type TailQuery = Omit<RequestQuery, "which" | "limit" | "before">;

export interface TailStart {
  readonly query: TailQuery;
  /** Begins after the request with this number; null with the next one that ends. */
  readonly after: number | null;
}

export interface RequestTailSetting {
  readonly requests: Pick<Requests, "since" | "watch">;
  readonly schedule: Schedule;
}

interface Listener {
  readonly query: TailQuery;
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
  /** Requests that it did not get, since it does not read fast enough. */
  missed: number;
  missedBeats: number;
}

const mostListeners = 50;
const beatMs = 15_000;
/** Whoever reads nothing for this many beats is cut. */
const mostMissedBeats = 2;
/** Bytes that wait for one reader before it misses what comes. */
const mostWaitingBytes = 256 * 1024;

const encoder = new TextEncoder();
const greeting = encoder.encode("retry: 1000\n\n");
const heartbeat = encoder.encode(":\n\n");

/** `resting ──first listener──▶ hearing of every kept request ──last one gone──▶ resting` */
export class RequestTail {
  readonly #setting: RequestTailSetting;
  readonly #listeners = new Set<Listener>();
  #cancels: readonly Cancel[] = [];

  constructor(setting: RequestTailSetting) {
    this.#setting = setting;
  }

  /** Undefined if too many listen already. */
  open({ query, after }: TailStart): ReadableStream<Uint8Array> | undefined {
    if (this.#listeners.size >= mostListeners) return undefined;
    let listener: Listener | undefined;
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          listener = { query, controller, missed: 0, missedBeats: 0 };
          controller.enqueue(greeting);
          if (after !== null)
            for (const request of this.#setting.requests.since(after)) this.#tell(request, [listener]);
          this.#join(listener);
        },
        cancel: () => listener && this.#leave(listener),
      },
      { highWaterMark: mostWaitingBytes, size: (chunk) => chunk?.byteLength ?? 0 },
    );
  }

  #join(listener: Listener): void {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) this.#begin();
  }

  #begin(): void {
    const { requests, schedule } = this.#setting;
    let cancelBeat: Cancel;
    const beat = () => {
      for (const listener of this.#listeners) this.#beat(listener);
      cancelBeat = schedule(beatMs, beat);
    };
    cancelBeat = schedule(beatMs, beat);
    this.#cancels = [requests.watch((request) => this.#tell(request)), () => cancelBeat()];
  }

  #leave(listener: Listener): void {
    this.#listeners.delete(listener);
    if (this.#listeners.size > 0) return;
    for (const cancel of this.#cancels) cancel();
    this.#cancels = [];
  }

  /** The text is made once for all of them, and only if one of them wants it. */
  #tell(request: KeptRequest, listeners: Iterable<Listener> = this.#listeners): void {
    let bytes: Uint8Array | undefined;
    for (const listener of listeners) {
      if (!matches(request, listener.query)) continue;
      bytes ??= encoder.encode(`event: request\nid: ${request.seq}\ndata: ${JSON.stringify(request)}\n\n`);
      this.#send(listener, bytes);
    }
  }

  #send(listener: Listener, bytes: Uint8Array): void {
    const { controller, missed } = listener;
    if ((controller.desiredSize ?? 0) <= 0) {
      listener.missed += 1;
      return;
    }
    if (missed > 0) controller.enqueue(encoder.encode(`event: missed\ndata: {"count":${missed}}\n\n`));
    listener.missed = 0;
    controller.enqueue(bytes);
  }

  #beat(listener: Listener): void {
    const isRead = (listener.controller.desiredSize ?? 0) > 0;
    if (isRead) listener.controller.enqueue(heartbeat);
    listener.missedBeats = isRead ? 0 : listener.missedBeats + 1;
    if (listener.missedBeats < mostMissedBeats) return;
    this.#leave(listener);
    listener.controller.error(new Error("Cannot go on: the listener does not read"));
  }
}
