/** Who listens to the admin API's stream: events as they happen and snapshots, each made once for all listeners. */

import type { Control } from "../control/control.ts";
import type { EventQuery } from "../control/event-log.ts";
import { type Cancel, repeat, type Schedule } from "../lib/clock.ts";
import type { Snapshot } from "../snapshot/snapshot.ts";
import type { BalancerEvent } from "../state/event.ts";
import { type SseClient, SseClients } from "./sse.ts";

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
