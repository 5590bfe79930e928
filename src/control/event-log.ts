/** The event log: keeps recent events in memory and writes all of them to the store, outside the request path. */

import type { Cancel, Schedule, WallClock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { BalancerEvent } from "../state/event.ts";
import type { Store } from "../state/store.ts";

/** An event without its number and time. */
export type NewEvent = Omit<BalancerEvent, "seq" | "at">;

export interface EventQuery extends EventFilter {
  readonly upstream?: string;
  readonly pool?: string;
  /** Only events after this number: the first `limit` of them, so that consecutive queries miss none. */
  readonly after?: number;
  /** Only events before this number: the last `limit` of them. */
  readonly before?: number;
  /** Only events at this time or later, epoch milliseconds. Older ones than memory has come from the store. */
  readonly from?: number;
  /** Only events before this time. */
  readonly to?: number;
  readonly limit: number;
}

export interface EventLogOptions {
  readonly store: Pick<Store, "events" | "eventsBetween" | "record">;
  readonly wallClock: WallClock;
  readonly schedule: Schedule;
  readonly log: Pick<Log, "error">;
}

const maxEvents = 2_000;
const maxEventsPerSubject = 100;

/** Upstreams and pools with a separate ring. Beyond that, the one without an event for the longest time loses its ring. */
const maxSubjects = 2_000;

/** Groups a burst of events into one write. */
const writeDelayMs = 200;

/** A failed write is retried after this time, so that it succeeds once a full disk has space again. */
const retryDelayMs = 60_000;

/** Bounds the events that wait for a store that cannot be written. */
const maxUnwritten = 2_000;

export class EventLog {
  readonly #options: EventLogOptions;
  readonly #all: BalancerEvent[];
  readonly #rings = new Map<string, BalancerEvent[]>();
  readonly #watchers = new Set<() => void>();
  #unwritten: BalancerEvent[] = [];
  #cancelWrite: Cancel | undefined;
  #cancelRetry: Cancel | undefined;
  #lastSeq = 0;
  /** Of the last event before this process. */
  readonly #firstSeq: number;

  constructor(options: EventLogOptions) {
    this.#options = options;
    this.#all = [...options.store.events(maxEvents)];
    for (const event of this.#all) this.#index(event);
    this.#firstSeq = this.#lastSeq = this.#all.at(-1)?.seq ?? 0;
  }

  /** Cheap: updates three short lists, and sets a timer at most five times a second. */
  add(newEvent: NewEvent): BalancerEvent {
    const at = this.#options.wallClock();
    // The number is at least the time, so it grows across restarts even if nothing of the previous run was stored.
    this.#lastSeq = Math.max(this.#lastSeq + 1, Math.floor(at));
    const event = { seq: this.#lastSeq, at, ...newEvent };
    push(this.#all, event, maxEvents);
    this.#index(event);
    push(this.#unwritten, event, maxUnwritten);
    this.#cancelWrite ??= this.#options.schedule(writeDelayMs, () => this.flush());
    for (const onEvent of this.#watchers) onEvent();
    return event;
  }

  /** Adds events of another process, which has written them already. What this one has added is written again. */
  adopt(events: readonly BalancerEvent[]): void {
    const own = this.#all.filter(({ seq }) => seq > this.#firstSeq);
    const known = new Set(this.#all.map(({ seq }) => seq));
    const merged = [...this.#all, ...events.filter(({ seq }) => !known.has(seq))];
    merged.sort((left, right) => left.seq - right.seq);
    this.#all.splice(0, this.#all.length, ...merged.slice(-maxEvents));
    this.#rings.clear();
    for (const event of this.#all) this.#index(event);
    this.#lastSeq = Math.max(this.#lastSeq, this.#all.at(-1)?.seq ?? 0);
    this.#unwritten = own;
    this.flush();
  }

  /** Calls `onEvent` synchronously after each new event; it must be fast and must not throw. */
  watch(onEvent: () => void): Cancel {
    this.#watchers.add(onEvent);
    return () => void this.#watchers.delete(onEvent);
  }

  /** Oldest first: the last matching events, or the first ones after a number. */
  events(query: EventQuery): readonly BalancerEvent[] {
    const { upstream, pool, after, before, limit } = query;
    const subject =
      upstream !== undefined ? `upstream ${upstream}` : pool !== undefined ? `pool ${pool}` : undefined;
    const isPast = query.from !== undefined || query.to !== undefined;
    const ring = isPast
      ? this.#between(query.from ?? 0, query.to ?? Number.POSITIVE_INFINITY)
      : subject === undefined
        ? this.#all
        : (this.#rings.get(subject) ?? []);
    const isFiltered = filterKeys.some((name) => query[name] !== undefined);
    const isWholeRing =
      !isFiltered && (isPast ? subject === undefined : !(upstream !== undefined && pool !== undefined));
    const matching = isWholeRing
      ? ring
      : ring.filter(
          (event) =>
            (pool === undefined || event.pool === pool) &&
            (upstream === undefined || event.upstream === upstream) &&
            (before === undefined || event.seq < before) &&
            matchesEvent(event, query),
        );
    if (after === undefined) return limit > 0 ? matching.slice(-limit) : [];
    const start = matching.findIndex(({ seq }) => seq > after);
    return start < 0 ? [] : matching.slice(start, start + limit);
  }

  /** Memory has the last 2,000; the store has more. Oldest first. */
  #between(from: number, to: number): readonly BalancerEvent[] {
    const first = this.#all[0];
    const recent = this.#all.filter(({ at }) => at >= from && at < to);
    if (!first || first.at <= from) return recent;
    try {
      return [...this.#options.store.eventsBetween(from, Math.min(to, first.at), first.seq), ...recent];
    } catch (error) {
      this.#options.log.error("event read failed", { why: String(error) });
      return recent;
    }
  }

  /** Writes the events not written yet. A failed write is retried with the next event, or in a minute. */
  flush(): void {
    this.#cancelWrite?.();
    this.#cancelRetry?.();
    this.#cancelWrite = this.#cancelRetry = undefined;
    if (this.#unwritten.length === 0) return;
    try {
      this.#options.store.record(this.#unwritten);
      this.#unwritten = [];
    } catch (error) {
      this.#options.log.error("event write failed", { why: String(error), waiting: this.#unwritten.length });
      this.#cancelRetry = this.#options.schedule(retryDelayMs, () => this.flush());
    }
  }

  #index(event: BalancerEvent): void {
    if (event.upstream !== null) this.#push(`upstream ${event.upstream}`, event);
    if (event.pool !== null) this.#push(`pool ${event.pool}`, event);
  }

  #push(name: string, event: BalancerEvent): void {
    const ring = this.#rings.get(name) ?? [];
    this.#rings.delete(name);
    this.#rings.set(name, ring);
    push(ring, event, maxEventsPerSubject);
    const [oldest] = this.#rings.keys();
    if (this.#rings.size > maxSubjects && oldest !== undefined) this.#rings.delete(oldest);
  }
}

/** Query keys that need a scan; without them a ring is returned as it is. */
const filterKeys = ["before", "kinds", "by", "text", "byOperators"] as const;

function push(ring: BalancerEvent[], event: BalancerEvent, max: number): void {
  ring.push(event);
  if (ring.length > max) ring.shift();
}

/** Criteria in addition to upstream and pool; all that are given must match. */
export interface EventFilter {
  /** Undefined matches all kinds. */
  readonly kinds?: ReadonlySet<string>;
  readonly by?: string;
  /** Must occur in one of the event's texts, ignoring case. */
  readonly text?: string;
  /** Only events that an operator caused. */
  readonly byOperators?: boolean;
}

/** `by` values of events without a known operator. A watched configuration file was edited, but by an unknown person. */
const automaticActors: ReadonlySet<string> = new Set(["prober", "balancer", "watch"]);

export function matchesEvent(
  event: BalancerEvent,
  { kinds, by, text, byOperators = false }: EventFilter,
): boolean {
  if (kinds && !kinds.has(event.kind)) return false;
  if (by !== undefined && event.by !== by) return false;
  if (byOperators && automaticActors.has(event.by)) return false;
  return text === undefined || searchText(event).includes(text.toLowerCase());
}

function searchText({ kind, pool, upstream, from, to, reason, by, detail }: BalancerEvent): string {
  return [kind, pool, upstream, from, to, reason, by, detail].join(" ").toLowerCase();
}
