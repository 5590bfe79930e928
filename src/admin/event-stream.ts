/** Who listens to the admin API's stream: events as they happen and snapshots, each made once for all listeners. */

import { Elysia } from "elysia";
import { afterOf, queryParameters } from "./request-input.ts";
import { eventStream, problem } from "./responses.ts";
import { type SseClient, SseClients } from "./sse.ts";
import type { Control } from "../control/control.ts";
import type { EventQuery } from "../control/event-log.ts";
import { type Cancel, repeat, type Schedule } from "../lib/clock.ts";
import { closableStream } from "../lib/closable-stream.ts";
import { parseDuration } from "../lib/units.ts";
import type { Snapshot } from "../snapshot/snapshot.ts";
import type { BalancerEvent } from "../state/event.ts";

export interface StreamQuery extends Pick<EventQuery, "upstream" | "pool"> {
  /** Begins after the event with this number; null with the next one that happens. */
  readonly after: number | null;
  /** Whole seconds between two snapshots; 0 sends none. */
  readonly snapshotSeconds: number;
}

export interface StreamOptions {
  readonly control: Pick<Control, "events" | "watch">;
  readonly snapshot: () => Snapshot;
  readonly schedule: Schedule;
}

interface State {
  readonly query: StreamQuery;
  /** The last event that it got. */
  cursor: number;
  /** Seconds until its next snapshot. */
  snapshotIn: number;
}

const encoder = new TextEncoder();
const tickMs = 1_000;
const eventsAtOnce = 500;

/**
 * Nothing is kept for a listener but the number of the last event it got: what it has not read waits in the record.
 * ```
 *   resting ──first listener──▶ ticking every second, and woken by each event ──last one gone──▶ resting
 * ```
 */
export class Stream {
  readonly #options: StreamOptions;
  readonly #listeners: SseClients<State>;
  readonly #texts = new WeakMap<BalancerEvent, string>();
  #cancelFlush: Cancel | undefined;

  constructor(options: StreamOptions) {
    this.#options = options;
    this.#listeners = new SseClients({
      // Dashboards of a team and its scripts.
      maxClients: 100,
      maxWaitingBytes: 64 * 1024,
      schedule: options.schedule,
      begin: () => this.#begin(),
    });
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  /** Undefined if too many listen already. */
  open(query: StreamQuery): ReadableStream<Uint8Array> | undefined {
    const { snapshotSeconds } = query;
    const cursor = () => query.after ?? this.#options.control.events({ limit: 1 }).at(-1)?.seq ?? 0;
    return this.#listeners.open(
      // The first snapshot is sent at once.
      () => ({ query, cursor: cursor(), snapshotIn: 0 }),
      {
        wants: (listener) => {
          this.#notify(listener);
          if (snapshotSeconds > 0 && listener.state.snapshotIn === 0) this.#show(listener, this.#snapshot());
        },
      },
    );
  }

  #begin(): Cancel {
    const leave = this.#options.control.watch(() => this.#wake());
    const cancelTick = repeat(this.#options.schedule, tickMs, () => this.#tick());
    return () => {
      leave();
      cancelTick();
      this.#cancelFlush?.();
      this.#cancelFlush = undefined;
    };
  }

  /** An event may happen on the way of a request: telling it waits for the next turn, and many are told at once. */
  #wake(): void {
    this.#cancelFlush ??= this.#options.schedule(0, () => {
      this.#cancelFlush = undefined;
      for (const listener of this.#listeners) this.#notify(listener);
    });
  }

  #tick(): void {
    let picture: Uint8Array | undefined;
    for (const listener of this.#listeners) {
      const { state } = listener;
      if (state.query.snapshotSeconds === 0 || --state.snapshotIn > 0) continue;
      this.#show(listener, (picture ??= this.#snapshot()));
    }
  }

  #show(listener: SseClient<State>, picture: Uint8Array): void {
    listener.state.snapshotIn = listener.state.query.snapshotSeconds;
    listener.send(picture);
  }

  /** The events that it does not have yet, as long as it takes them. */
  #notify(listener: SseClient<State>): void {
    const { state } = listener;
    const { upstream, pool } = state.query;
    const only = { ...(upstream !== undefined && { upstream }), ...(pool !== undefined && { pool }) };
    while (listener.isReady && this.#listeners.has(listener)) {
      const events = this.#options.control.events({ ...only, after: state.cursor, limit: eventsAtOnce });
      if (events.length === 0) return;
      state.cursor = events.at(-1)?.seq ?? state.cursor;
      listener.send(events.map((event) => this.#textOf(event)).join(""));
    }
  }

  #textOf(event: BalancerEvent): string {
    let text = this.#texts.get(event);
    if (text === undefined) {
      text = `event: event\nid: ${event.seq}\ndata: ${JSON.stringify(event)}\n\n`;
      this.#texts.set(event, text);
    }
    return text;
  }

  /** Without an id, so that the last event's stays the one to come back with. */
  #snapshot(): Uint8Array {
    return encoder.encode(`event: snapshot\ndata: ${JSON.stringify(this.#options.snapshot())}\n\n`);
  }
}

// The address of the stream: reads what a listener wants, and says no where that cannot be.

const maxSnapshotSeconds = 60;

export function streamRoutes(stream: Stream) {
  return new Elysia({ handler: { standardHostname: false } }).get("/api/stream", ({ request }) => {
    const query = queryParameters(request);
    const after = afterOf(request);
    if (after === undefined) {
      return problem(400, "query_invalid", "Cannot follow the events: after needs a whole number");
    }
    const snapshotSeconds = secondsOf(query.get("snapshots"));
    if (snapshotSeconds === undefined) {
      const message = "Cannot send snapshots that often: snapshots needs whole seconds from 1s to 1m";
      return problem(400, "snapshots_invalid", message);
    }
    const [upstream, pool] = [query.get("upstream"), query.get("pool")];
    const only = { ...(upstream !== null && { upstream }), ...(pool !== null && { pool }) };
    return eventStream(stream.open({ ...only, after, snapshotSeconds }), "the events");
  });
}

function secondsOf(given: string | null): number | undefined {
  if (given === null) return 0;
  const seconds = (parseDuration(given) ?? 0) / 1_000;
  return Number.isInteger(seconds) && seconds >= 1 && seconds <= maxSnapshotSeconds ? seconds : undefined;
}

// Answers that go on, such as the stream of events: they end with the right by which somebody listens.

/** How long one may outlast its right. */
const checkMs = 2_000;

const nothing = new Uint8Array();

/** The same answer; a stream of events is cut as soon as `isAllowed` says no. */
export function boundToSession(response: Response, isAllowed: () => boolean, schedule: Schedule): Response {
  if (!response.body || response.headers.get("content-type") !== "text/event-stream") return response;
  let cancel = schedule(checkMs, check);
  const { stream, end } = closableStream(response.body, nothing, () => cancel());
  return new Response(stream, { status: response.status, headers: response.headers });

  function check(): void {
    if (isAllowed()) cancel = schedule(checkMs, check);
    else end();
  }
}
