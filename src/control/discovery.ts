/** Follows the sources of all pools: starts and stops them with the configuration, and tells when members, or the trust in them, change. */

import type { PoolConfig } from "../config/config.ts";
import { describeSource, type DiscoveryEntry } from "../config/discovery.ts";
import { parseMembers, serializeMembers } from "../discovery/kept-answer.ts";
import { Membership } from "../discovery/membership.ts";
import type { DiscoveredMember, DiscoverySource } from "../discovery/source.ts";
import { type Cancel, type Clock, type Schedule, type WallClock } from "../lib/clock.ts";
import { formatDuration } from "../lib/units.ts";
import type { Log } from "../lib/log.ts";
import type { SourceSnapshot, SourceState } from "../snapshot/snapshot.ts";
import type { KeptMembers } from "../state/store.ts";
import type { EventLog } from "./event-log.ts";

export interface DiscoveryOptions {
  readonly createSource: (entry: DiscoveryEntry) => DiscoverySource;
  /** Answers of before a restart, read at the start. */
  readonly kept?: () => readonly KeptMembers[];
  readonly clock: Clock;
  readonly wallClock: WallClock;
  readonly schedule: Schedule;
  readonly eventLog: Pick<EventLog, "add">;
  readonly log: Log;
}

/** A source of members, for the snapshot and the metrics. */
export interface SourceReport extends SourceSnapshot {
  readonly pool: string;
  /** Since the start of the source. */
  readonly answers: number;
}

/** The members of one source, as the pool should have them. */
export interface FoundMembers {
  readonly pool: string;
  readonly source: string;
  readonly members: readonly DiscoveredMember[];
}

interface FollowedSource {
  readonly pool: string;
  readonly name: string;
  entry: DiscoveryEntry;
  membership: Membership;
  cancel: Cancel;
  cancelTimer: Cancel | undefined;
  state: SourceState;
  answers: number;
  failures: number;
  /** The first causes in the last answer for which members were left out. */
  skipped: readonly string[];
  /** Resolves with the first report of any kind. */
  readonly first: PromiseWithResolvers<void>;
}

/** Causes that are kept of an answer, and logged in one line. */
const maxSkippedShown = 10;

/** What the sources depend on. */
interface FollowedConfig {
  readonly pools: readonly Pick<PoolConfig, "name" | "discovery">[];
  readonly resolvers: readonly string[];
}

/** How long the start waits for first answers: a source that is silent must not keep the others from serving. */
const firstAnswersMs = 5_000;

export class Discovery {
  readonly #options: DiscoveryOptions;
  /** By pool and source. */
  readonly #sources = new Map<string, FollowedSource>();
  readonly #watchers = new Set<() => void>();
  /** Of before the restart. */
  readonly #kept: readonly KeptMembers[];
  #isStarted = false;
  #resolvers: readonly string[] = [];

  constructor(options: DiscoveryOptions) {
    this.#options = options;
    this.#kept = options.kept?.() ?? [];
  }

  /** DNS servers of the configuration that is followed; empty for those of the system. */
  get resolvers(): readonly string[] {
    return this.#resolvers;
  }

  get reports(): readonly SourceReport[] {
    const { clock, wallClock } = this.#options;
    const epochOf = (at: number | undefined) =>
      at === undefined ? null : Math.round(wallClock() - (clock() - at));
    return [...this.#sources.values()].map((followed) => {
      const { pool, name, membership, state, answers, failures, skipped } = followed;
      const since = { stale: membership.failingSince, absent: membership.absentSince };
      return {
        ...{ pool, source: name, state, answers, failures, skipped },
        answeredAt: epochOf(membership.answeredAt),
        since: state === "stale" || state === "absent" ? epochOf(since[state]) : null,
        why: membership.why,
        members: membership.wanted.length,
        omitted: membership.omitted,
      };
    });
  }

  /** The last answers, to be kept over a restart. */
  get answers(): readonly KeptMembers[] {
    return this.reports.flatMap(({ pool, source, answeredAt }) => {
      const members = this.#sources.get(keyOf(pool, source))?.membership.wanted ?? [];
      if (answeredAt !== null) return [{ pool, source, at: answeredAt, members: serializeMembers(members) }];
      return this.#kept.filter((one) => one.pool === pool && one.source === source);
    });
  }

  /** The members that a pool should have now, by source. */
  membersOf(pool: string): readonly FoundMembers[] {
    return [...this.#sources.values()]
      .filter((followed) => followed.pool === pool)
      .map(({ name, membership }) => ({ pool, source: name, members: membership.wanted }));
  }

  /** Called when the members of a source have changed. */
  onChange(watcher: () => void): Cancel {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  /** Follows the sources of these pools, and no others. A source whose other settings change keeps its members until it has answered. */
  configure({ pools, resolvers }: FollowedConfig): void {
    // Other servers are asked at once.
    const isElsewhere = resolvers.join() !== this.#resolvers.join();
    this.#resolvers = resolvers;
    const wanted = new Set<string>();
    for (const { name: pool, discovery = [] } of pools) {
      for (const entry of discovery) {
        const name = describeSource(entry.source);
        const key = keyOf(pool, name);
        wanted.add(key);
        const followed = this.#sources.get(key);
        if (!followed) this.#sources.set(key, this.#follow(pool, entry));
        else if (!isSameEntry(followed.entry, entry) || (isElsewhere && asksDns(entry)))
          this.#restart(followed, entry);
      }
    }
    for (const [key, followed] of this.#sources) {
      if (wanted.has(key)) continue;
      stop(followed);
      this.#sources.delete(key);
    }
    this.#isStarted = true;
  }

  /** Resolves when every source has reported once, and after five seconds at the latest. */
  async firstReports(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#options.schedule(firstAnswersMs, resolve);
    await Promise.race([Promise.all([...this.#sources.values()].map(({ first }) => first.promise)), promise]);
    cancel();
  }

  stop(): void {
    this.configure({ pools: [], resolvers: this.#resolvers });
  }

  #follow(pool: string, entry: DiscoveryEntry): FollowedSource {
    const source = this.#options.createSource(entry);
    const followed: FollowedSource = {
      ...{ pool, entry, name: describeSource(entry.source) },
      membership: new Membership(source.isSampled === true),
      ...{ cancel() {}, cancelTimer: undefined, state: "waiting", answers: 0, failures: 0 },
      skipped: [],
      first: Promise.withResolvers(),
    };
    const kept = this.#kept.find((one) => one.pool === pool && one.source === followed.name);
    // A source that a reload adds later has no answers of before.
    if (kept && !this.#isStarted) {
      followed.membership.restore(parseMembers(kept.members, entry.template), this.#options.clock());
      this.#settle(followed);
    }
    this.#start(followed, source);
    return followed;
  }

  #restart(followed: FollowedSource, entry: DiscoveryEntry): void {
    followed.cancel();
    followed.entry = entry;
    this.#start(followed, this.#options.createSource(entry));
  }

  #start(followed: FollowedSource, source: DiscoverySource): void {
    const { clock } = this.#options;
    const { membership } = followed;
    let isCurrent = true;
    const report = (change: () => void) => {
      if (!isCurrent) return;
      change();
      this.#settle(followed);
      followed.first.resolve();
    };
    const cancel = source.start({
      answered: ({ members, skipped = [] }) =>
        report(() => {
          followed.answers += 1;
          this.#logSkipped(followed, skipped);
          const before = membership.omitted;
          // An empty list is no reason to trust it more than any other absence.
          if (members.length > 0) membership.answered(members, clock());
          else membership.absent("it has no members", clock());
          if (membership.omitted > 0 && before === 0) this.#logOmitted(followed);
        }),
      absent: (why) =>
        report(() => {
          followed.answers += 1;
          membership.absent(why, clock());
        }),
      failed: (why) =>
        report(() => {
          followed.failures += 1;
          if (membership.failingSince === undefined)
            this.#options.log.warn("discovery failed", { pool: followed.pool, source: followed.name, why });
          membership.failed(why, clock());
        }),
    });
    followed.cancel = () => {
      isCurrent = false;
      cancel();
    };
  }

  #settle(followed: FollowedSource): void {
    const { clock, schedule } = this.#options;
    const { membership } = followed;
    const now = clock();
    const isChanged = membership.settle(now);
    this.#setState(followed, stateOf(membership, now));
    followed.cancelTimer?.();
    const dueAt = membership.dueAt(now);
    followed.cancelTimer =
      dueAt === Infinity ? undefined : schedule(Math.max(1, dueAt - now), () => this.#settle(followed));
    if (isChanged) for (const watcher of this.#watchers) watcher();
  }

  /** Records when a source begins and ends to be out of date. Its first answer is no news. */
  #setState(followed: FollowedSource, to: SourceState): void {
    const { eventLog, log, clock } = this.#options;
    const { state: from, pool, name, membership } = followed;
    if (from === to) return;
    followed.state = to;
    if (to === "waiting" || (from === "waiting" && to === "current")) return;
    const { answeredAt, why } = membership;
    const age = answeredAt === undefined ? "none yet" : `${wholeSeconds(clock() - answeredAt)} ago`;
    const detail = to === "stale" ? `${why}; last answer: ${age}` : why;
    const common = { kind: "discovery", pool, upstream: null, by: name } as const;
    eventLog.add({ ...common, from, to, reason: `discovery_${to}`, detail });
    const fields = { pool, source: name, ...(why && { why }) };
    if (to === "current") log.info("discovery answers again", fields);
    else
      log.warn(
        to === "stale" ? "discovery stale, keeping the last members" : "discovery found nothing",
        fields,
      );
  }

  /** Each set of causes once. */
  #logSkipped(followed: FollowedSource, skipped: readonly string[]): void {
    const shown = skipped.slice(0, maxSkippedShown);
    const why = shown.join("; ");
    const isNews = why !== "" && why !== followed.skipped.join("; ");
    followed.skipped = shown;
    if (!isNews) return;
    const fields = { pool: followed.pool, source: followed.name, skipped: skipped.length, why };
    this.#options.log.warn("discovery left members out", fields);
  }

  #logOmitted({ pool, name, membership }: FollowedSource): void {
    const fields = { pool, source: name, omitted: membership.omitted };
    this.#options.log.warn("discovery found more members than the limit", fields);
  }
}

function asksDns({ source: { kind } }: DiscoveryEntry): boolean {
  return kind === "dns" || kind === "srv";
}

function keyOf(pool: string, source: string): string {
  return `${pool} ${source}`;
}

function stateOf(membership: Membership, now: number): SourceState {
  if (membership.isStale(now)) return "stale";
  if (membership.absentSince !== undefined) return "absent";
  return membership.answeredAt === undefined ? "waiting" : "current";
}

/** "dns api.internal:8080, which answered 2s ago" @param now epoch milliseconds */
export function describeReport({ source, answeredAt, state, why }: SourceReport, now: number): string {
  const cause = why === "" ? "" : ` (${why})`;
  if (answeredAt === null) return `${source}, which has not answered yet${cause}`;
  const age = wholeSeconds(now - answeredAt);
  const trouble = state === "stale" ? " and fails since" : state === "absent" ? " that it has nothing" : "";
  return `${source}, which answered ${age} ago${trouble}${trouble === "" ? "" : cause}`;
}

/** "4s", "less than 1s": milliseconds are of no use to an operator here. */
function wholeSeconds(durationMs: number): string {
  const seconds = Math.round(durationMs / 1_000);
  return seconds < 1 ? "less than 1s" : formatDuration(seconds * 1_000);
}

function isSameEntry(
  { position: _one, ...before }: DiscoveryEntry,
  { position: _other, ...after }: DiscoveryEntry,
) {
  return JSON.stringify(before) === JSON.stringify(after);
}

function stop({ cancel, cancelTimer }: FollowedSource): void {
  cancel();
  cancelTimer?.();
}
