/** Who listens to the admin API's stream: events as they happen and snapshots, each made once for all listeners. */

import type { Control } from "../control/control.ts";
import type { EventQuery } from "../control/journal.ts";
import type { Cancel, Schedule } from "../lib/clock.ts";
import type { Snapshot } from "../snapshot.ts";
import type { Event } from "../state/event.ts";

export interface StreamQuery extends Pick<EventQuery, "upstream" | "pool"> {
  /** Begins after the event with this number; null with the next one that happens. */
  readonly after: number | null;
  /** Whole seconds between two snapshots; 0 sends none. */
  readonly snapshotSeconds: number;
}

export interface StreamSetting {
  readonly control: Pick<Control, "events" | "watch">;
  readonly snapshot: () => Snapshot;
  readonly schedule: Schedule;
}

interface Listener {
  readonly query: StreamQuery;
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
  /** The last event that it got. */
  cursor: number;
  /** Seconds until its next snapshot. */
  snapshotIn: number;
  /** Beats in a row for which it had not read what it has. */
  missedBeats: number;
}

/** Dashboards of a team and its scripts; more is a mistake or an attack. */
const mostListeners = 100;
const tickMs = 1_000;
const ticksPerBeat = 15;
/** Whoever reads nothing for this many beats is cut. What it missed it finds in the record when it comes back. */
const mostMissedBeats = 2;
/** Bytes that wait for one reader before it gets nothing more. */
const mostWaitingBytes = 64 * 1024;
const eventsAtOnce = 500;

const encoder = new TextEncoder();
/** The first bytes, so that the head leaves at once; browsers that are cut come back after a second. */
const greeting = encoder.encode("retry: 1000\n\n");
const heartbeat = encoder.encode(":\n\n");

/**
 * Nothing is kept for a listener but the number of the last event it got: what it has not read waits in the record.
 * ```
 *   resting ──first listener──▶ ticking every second, and woken by each event ──last one gone──▶ resting
 * ```
 */
export class Stream {
  readonly #setting: StreamSetting;
  readonly #listeners = new Set<Listener>();
  readonly #texts = new WeakMap<Event, string>();
  #tick = 0;
  #cancels: Cancel[] = [];
  #cancelFlush: Cancel | undefined;

  constructor(setting: StreamSetting) {
    this.#setting = setting;
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  /** Undefined if too many listen already. */
  open(query: StreamQuery): ReadableStream<Uint8Array> | undefined {
    if (this.#listeners.size >= mostListeners) return undefined;
    let listener: Listener | undefined;
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          const cursor = query.after ?? this.#setting.control.events({ limit: 1 }).at(-1)?.seq ?? 0;
          listener = { query, controller, cursor, snapshotIn: query.snapshotSeconds, missedBeats: 0 };
          controller.enqueue(greeting);
          this.#join(listener);
        },
        pull: () => listener && this.#tell(listener),
        cancel: () => listener && this.#leave(listener),
      },
      { highWaterMark: mostWaitingBytes, size: (chunk) => chunk?.byteLength ?? 0 },
    );
  }

  #join(listener: Listener): void {
    this.#listeners.add(listener);
    this.#tell(listener);
    if (listener.query.snapshotSeconds > 0) this.#send(listener, this.#picture());
    if (this.#listeners.size > 1) return;
    this.#cancels = [this.#setting.control.watch(() => this.#wake())];
    this.#tickLater();
  }

  #leave(listener: Listener): void {
    this.#listeners.delete(listener);
    if (this.#listeners.size > 0) return;
    for (const cancel of this.#cancels) cancel();
    this.#cancelFlush?.();
    [this.#cancels, this.#cancelFlush] = [[], undefined];
  }

  /** An event may happen on the way of a request: telling it waits for the next turn, and many are told at once. */
  #wake(): void {
    this.#cancelFlush ??= this.#setting.schedule(0, () => {
      this.#cancelFlush = undefined;
      for (const listener of this.#listeners) this.#tell(listener);
    });
  }

  #tickLater(): void {
    const cancel = this.#setting.schedule(tickMs, () => {
      this.#tickLater();
      this.#tick += 1;
      let picture: Uint8Array | undefined;
      for (const listener of this.#listeners) {
        if (this.#tick % ticksPerBeat === 0) this.#beat(listener);
        if (listener.query.snapshotSeconds === 0 || --listener.snapshotIn > 0) continue;
        listener.snapshotIn = listener.query.snapshotSeconds;
        this.#send(listener, (picture ??= this.#picture()));
      }
    });
    this.#cancels = [...this.#cancels.slice(0, 1), cancel];
  }

  #beat(listener: Listener): void {
    const isRead = this.#send(listener, heartbeat);
    listener.missedBeats = isRead ? 0 : listener.missedBeats + 1;
    if (listener.missedBeats < mostMissedBeats) return;
    this.#leave(listener);
    listener.controller.error(new Error("Cannot go on: the listener does not read"));
  }

  /** The events that it does not have yet, as long as it takes them. */
  #tell(listener: Listener): void {
    const { upstream, pool } = listener.query;
    const only = { ...(upstream !== undefined && { upstream }), ...(pool !== undefined && { pool }) };
    for (;;) {
      if (!this.#listeners.has(listener) || !isReady(listener)) return;
      const events = this.#setting.control.events({ ...only, after: listener.cursor, limit: eventsAtOnce });
      if (events.length === 0) return;
      listener.cursor = events.at(-1)?.seq ?? listener.cursor;
      this.#send(listener, encoder.encode(events.map((event) => this.#textOf(event)).join("")));
    }
  }

  #textOf(event: Event): string {
    let text = this.#texts.get(event);
    if (text === undefined) {
      text = `event: event\nid: ${event.seq}\ndata: ${JSON.stringify(event)}\n\n`;
      this.#texts.set(event, text);
    }
    return text;
  }

  /** Without an id, so that the last event's stays the one to come back with. */
  #picture(): Uint8Array {
    return encoder.encode(`event: snapshot\ndata: ${JSON.stringify(this.#setting.snapshot())}\n\n`);
  }

  /** Whether it could be sent: a reader that is behind gets nothing new. */
  #send(listener: Listener, bytes: Uint8Array): boolean {
    if (!isReady(listener)) return false;
    listener.controller.enqueue(bytes);
    return true;
  }
}

function isReady({ controller }: Listener): boolean {
  return (controller.desiredSize ?? 0) > 0;
}
