/** The record of events: the last ones in memory, all of them soon in the store, never on the way of a request. */

import type { Cancel, Schedule, WallClock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { BalancerEvent } from "../state/event.ts";
import type { Store } from "../state/store.ts";

/** An event before it got its number and time. */
export type NewEvent = Omit<BalancerEvent, "seq" | "at">;

export interface EventQuery extends EventFilter {
  readonly upstream?: string;
  readonly pool?: string;
  /** Only later ones than this number: then the first of them, so that nothing is missed between two queries. */
  readonly after?: number;
  /** Only earlier ones than this number, the last of them. */
  readonly before?: number;
  readonly limit: number;
}

export interface EventLogOptions {
  readonly store: Pick<Store, "events" | "record">;
  readonly wallClock: WallClock;
  readonly schedule: Schedule;
  readonly log: Pick<Log, "error">;
}

const maxEvents = 2_000;
const maxEventsPerSubject = 100;

/** Upstreams and pools with a ring of their own; beyond that the one that was silent longest loses it. */
const maxSubjects = 2_000;

/** A burst of events is one write. */
const writeDelayMs = 200;

/** And is tried again by itself, so that a full disk that has room again is noticed. */
const retryDelayMs = 60_000;

/** What waits for a store that cannot be written is bounded too. */
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

  constructor(options: EventLogOptions) {
    this.#options = options;
    this.#all = [...options.store.events(maxEvents)];
    for (const event of this.#all) this.#index(event);
    this.#lastSeq = this.#all.at(-1)?.seq ?? 0;
  }

  /** Cheap enough for anywhere: a number, three short lists and, at most five times a second, a timer. */
  add(happening: NewEvent): BalancerEvent {
    const at = this.#options.wallClock();
    // The time as a number: it grows over restarts even where nothing was kept of the run before.
    this.#lastSeq = Math.max(this.#lastSeq + 1, Math.floor(at));
    const event = { seq: this.#lastSeq, at, ...happening };
    push(this.#all, event, maxEvents);
    this.#index(event);
    push(this.#unwritten, event, maxUnwritten);
    this.#cancelWrite ??= this.#options.schedule(writeDelayMs, () => this.flush());
    for (const onEvent of this.#watchers) onEvent();
    return event;
  }

  /** Says each time that there is a further event, at once: what is told must not throw, nor take long. */
  watch(onEvent: () => void): Cancel {
    this.#watchers.add(onEvent);
    return () => void this.#watchers.delete(onEvent);
  }

  /** Oldest first: the last ones, or the first ones after a number. */
  events(query: EventQuery): readonly BalancerEvent[] {
    const { upstream, pool, after, before, limit } = query;
    const subject =
      upstream !== undefined ? `upstream ${upstream}` : pool !== undefined ? `pool ${pool}` : undefined;
    const ring = subject === undefined ? this.#all : (this.#rings.get(subject) ?? []);
    const isFiltered = filterKeys.some((name) => query[name] !== undefined);
    const isWholeRing = !isFiltered && !(upstream !== undefined && pool !== undefined);
    const matching = isWholeRing
      ? ring
      : ring.filter(
          (event) =>
            (pool === undefined || event.pool === pool) &&
            (before === undefined || event.seq < before) &&
            matchesEvent(event, query),
        );
    if (after === undefined) return limit > 0 ? matching.slice(-limit) : [];
    const start = matching.findIndex(({ seq }) => seq > after);
    return start < 0 ? [] : matching.slice(start, start + limit);
  }

  /** Writes what waits. What cannot be written is tried again with the next event, or in a minute. */
  flush(): void {
    this.#cancelWrite?.();
    this.#cancelRetry?.();
    this.#cancelWrite = this.#cancelRetry = undefined;
    if (this.#unwritten.length === 0) return;
    try {
      this.#options.store.record(this.#unwritten);
      this.#unwritten = [];
    } catch (error) {
      this.#options.log.error("events not written", { why: String(error), waiting: this.#unwritten.length });
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

/** What takes more than a list that is kept already. */
const filterKeys = ["before", "kinds", "by", "text", "byOperators"] as const;

function push(ring: BalancerEvent[], event: BalancerEvent, max: number): void {
  ring.push(event);
  if (ring.length > max) ring.shift();
}

// Which events somebody asks for, beyond those of one upstream or pool: by kind, by who, by words, or by operators alone.

export interface EventFilter {
  /** One of these; all kinds without it. */
  readonly kinds?: ReadonlySet<string>;
  readonly by?: string;
  /** Somewhere in what the event says, in whatever case. */
  readonly text?: string;
  /** Only what somebody did, not what the balancer found out or did itself. */
  readonly byOperators?: boolean;
}

/** Who acts without having been asked. A configuration file that is watched was changed by somebody, but nobody knows by whom. */
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
