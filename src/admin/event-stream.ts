/** The stream of events and snapshots: one message is encoded once for all clients. */

import { Elysia } from "elysia";
import type { Control } from "../control/control.ts";
import type { EventQuery } from "../control/event-log.ts";
import { type Cancel, repeat, type Schedule } from "../lib/clock.ts";
import { parseDuration } from "../lib/units.ts";
import type { ProblemChange } from "../problems/problem.ts";
import type { Snapshot } from "../snapshot/snapshot.ts";
import type { BalancerEvent } from "../state/event.ts";
import type { ProblemSource } from "./problem-routes.ts";
import { afterOf, countProblem, parameterProblem, queryParameters } from "./request-input.ts";
import type { References } from "./references.ts";
import { problem, sseResponse } from "./responses.ts";
import { type SseClient, SseClients } from "./sse.ts";

export interface StreamQuery extends Pick<EventQuery, "upstream" | "pool"> {
  /** Number of the event after which the stream begins; null to begin with the next event. */
  readonly after: number | null;
  /** Whole seconds between two snapshots; 0 sends none. */
  readonly snapshotSeconds: number;
}

export interface StreamOptions {
  readonly control: Pick<Control, "events" | "watch">;
  readonly problems: Pick<ProblemSource, "watch">;
  readonly snapshot: () => Snapshot;
  readonly schedule: Schedule;
}

interface StreamState {
  readonly query: StreamQuery;
  /** Number of the last event that was sent. */
  cursor: number;
  /** Seconds until the next snapshot. */
  snapshotIn: number;
}

const encoder = new TextEncoder();
const tickMs = 1_000;
const eventsAtOnce = 500;

/**
 * Stores only the number of the last sent event per client; unread events wait in the event log.
 * ```
 *   idle ──first client──▶ ticks every second, wakes on each event ──last client left──▶ idle
 * ```
 */
export class EventStream {
  readonly #options: StreamOptions;
  readonly #clients: SseClients<StreamState>;
  readonly #messages = new WeakMap<BalancerEvent, string>();
  #cancelFlush: Cancel | undefined;

  constructor(options: StreamOptions) {
    this.#options = options;
    this.#clients = new SseClients({
      // Enough for the dashboards of a team and its scripts.
      maxClients: 100,
      maxWaitingBytes: 64 * 1024,
      schedule: options.schedule,
      begin: () => this.#begin(),
    });
  }

  /** Number of connected clients. */
  get clients(): number {
    return this.#clients.size;
  }

  /** Undefined if too many clients are connected. */
  open(query: StreamQuery): ReadableStream<Uint8Array> | undefined {
    const { snapshotSeconds } = query;
    const cursor = () => query.after ?? this.#options.control.events({ limit: 1 }).at(-1)?.seq ?? 0;
    return this.#clients.open(
      // The first snapshot is sent at once.
      () => ({ query, cursor: cursor(), snapshotIn: 0 }),
      {
        onReady: (client) => {
          this.#sendEvents(client);
          if (snapshotSeconds > 0 && client.state.snapshotIn === 0) {
            this.#sendSnapshot(client, this.#snapshotMessage());
          }
        },
      },
    );
  }

  #begin(): Cancel {
    const cancelWatch = this.#options.control.watch(() => this.#wake());
    const cancelProblems = this.#options.problems.watch((change) => this.#sendProblem(change));
    const cancelTick = repeat(this.#options.schedule, tickMs, () => this.#tick());
    return () => {
      cancelWatch();
      cancelProblems();
      cancelTick();
      this.#cancelFlush?.();
      this.#cancelFlush = undefined;
    };
  }

  /** Deferred to the next turn of the event loop: events can happen on the request path, and several are sent at once. */
  #wake(): void {
    this.#cancelFlush ??= this.#options.schedule(0, () => {
      this.#cancelFlush = undefined;
      for (const client of this.#clients) this.#sendEvents(client);
    });
  }

  #tick(): void {
    let message: Uint8Array | undefined;
    for (const client of this.#clients) {
      const { state } = client;
      if (state.query.snapshotSeconds === 0 || --state.snapshotIn > 0) continue;
      this.#sendSnapshot(client, (message ??= this.#snapshotMessage()));
    }
  }

  #sendSnapshot(client: SseClient<StreamState>, message: Uint8Array): void {
    client.state.snapshotIn = client.state.query.snapshotSeconds;
    client.send(message);
  }

  /** Has no id, as snapshots. A client that is behind misses it; the next snapshot has the whole list. */
  #sendProblem(change: ProblemChange): void {
    const { subject } = change.problem;
    const message = encoder.encode(`event: problem\ndata: ${JSON.stringify(change)}\n\n`);
    for (const client of this.#clients) {
      const { pool = subject.pool, upstream = subject.upstream } = client.state.query;
      if (pool === subject.pool && upstream === subject.upstream) client.send(message);
    }
  }

  /** Sends the events after the cursor, until the client is behind. */
  #sendEvents(client: SseClient<StreamState>): void {
    const { state } = client;
    const { upstream, pool } = state.query;
    const only = { ...(upstream !== undefined && { upstream }), ...(pool !== undefined && { pool }) };
    while (client.isReady && this.#clients.has(client)) {
      const events = this.#options.control.events({ ...only, after: state.cursor, limit: eventsAtOnce });
      if (events.length === 0) return;
      state.cursor = events.at(-1)?.seq ?? state.cursor;
      client.send(events.map((event) => this.#eventMessage(event)).join(""));
    }
  }

  #eventMessage(event: BalancerEvent): string {
    let message = this.#messages.get(event);
    if (message === undefined) {
      message = `event: event\nid: ${event.seq}\ndata: ${JSON.stringify(event)}\n\n`;
      this.#messages.set(event, message);
    }
    return message;
  }

  /** Has no id, so that a reconnecting client resumes after the last event. */
  #snapshotMessage(): Uint8Array {
    return encoder.encode(`event: snapshot\ndata: ${JSON.stringify(this.#options.snapshot())}\n\n`);
  }
}

const maxSnapshotSeconds = 60;

export function streamRoutes(stream: EventStream, { eventFilter }: Pick<References, "eventFilter">) {
  return new Elysia({ handler: { standardHostname: false } }).get("/api/stream", ({ request }) => {
    const query = queryParameters(request);
    const after = afterOf(request);
    if (after === undefined) {
      return problem(400, "query_invalid", countProblem(query, ["after"]));
    }
    const snapshotSeconds = secondsOf(query.get("snapshots"));
    if (snapshotSeconds === undefined) {
      const received = query.get("snapshots");
      const detail = parameterProblem("snapshots", { expected: "whole seconds from 1s to 1m", received });
      return problem(400, "snapshots_invalid", detail);
    }
    const [upstream, pool] = [query.get("upstream"), query.get("pool")];
    const only = eventFilter({ ...(upstream !== null && { upstream }), ...(pool !== null && { pool }) });
    if (only instanceof Response) return only;
    return sseResponse(stream.open({ ...only, after, snapshotSeconds }), "events");
  });
}

function secondsOf(text: string | null): number | undefined {
  if (text === null) return 0;
  const seconds = (parseDuration(text) ?? 0) / 1_000;
  return Number.isInteger(seconds) && seconds >= 1 && seconds <= maxSnapshotSeconds ? seconds : undefined;
}
