/** Keeps the list of problems: feeds it with samples, records what opens, gets worse and closes, and tells watchers. */

import { bugs } from "../lib/bugs.ts";
import type { Cancel } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Random } from "../lib/random.ts";
import { groupKey } from "../problems/grouping.ts";
import {
  type ProblemChange,
  type ProblemKind,
  problemKinds,
  type ProblemLevel,
  problemLevels,
  type ServiceProblem,
} from "../problems/problem.ts";
import { isRecentlyClosed, ProblemList } from "../problems/problem-list.ts";
import type { BalancerSample } from "../problems/sample.ts";
import { type KnownProblem, reopenMs } from "../problems/tracker.ts";
import { upstreamKinds } from "../problems/upstream-health.ts";
import type { BalancerEvent } from "../state/event.ts";
import type { Actor } from "./control.ts";
import type { EventLog } from "./event-log.ts";

export interface ProblemMonitorOptions {
  readonly take: () => BalancerSample;
  readonly eventLog: Pick<EventLog, "add" | "events">;
  readonly log: Log;
  readonly random: Random;
  /** The problem as it is shown: marked while it is silenced. */
  readonly marked?: (problem: ServiceProblem) => ServiceProblem;
  /** Called when an operator calls a problem over. What it is found in must be gone then. */
  readonly onDismissed?: (kind: ProblemKind) => void;
}

/** Problems in a snapshot: more than a page shows. */
const maxSnapshotProblems = 100;

/** Events in which problems of before a restart are looked for. */
const maxKnownEvents = 2_000;

export class ProblemMonitor {
  readonly #options: ProblemMonitorOptions;
  readonly #list: ProblemList;
  readonly #watchers = new Set<(change: ProblemChange) => void>();
  #at = 0;
  #isFirst = true;
  #dismissed: ReadonlySet<ProblemKind> = new Set();

  constructor(options: ProblemMonitorOptions) {
    this.#options = options;
    this.#list = new ProblemList({ random: options.random });
  }

  /** Worst first. */
  get open(): readonly ServiceProblem[] {
    const { marked } = this.#options;
    return marked ? this.#list.open.map(marked) : this.#list.open;
  }

  /** The latest first. */
  get closed(): readonly ServiceProblem[] {
    return this.#list.closed;
  }

  /** The open ones, worst first, then the ones that closed in the last ten minutes. */
  get snapshot(): readonly ServiceProblem[] {
    const closed = this.closed.filter((problem) => isRecentlyClosed(problem, this.#at));
    return [...this.open.slice(0, maxSnapshotProblems), ...closed.slice(0, maxSnapshotProblems)];
  }

  /** To be called once a second, when the counters are up to date. Never throws. */
  sample(): void {
    const { take, eventLog, log } = this.#options;
    try {
      const sample = { ...take(), dismissed: this.#dismissed };
      this.#dismissed = new Set();
      if (this.#isFirst) this.#restore(sample);
      this.#isFirst = false;
      this.#at = sample.at;
      for (const change of this.#list.observe(sample)) {
        eventLog.add(eventOf(change));
        logChange(log, change);
        for (const onChange of this.#watchers) onChange(change);
      }
    } catch (error) {
      bugs.report(log, error, { in: "problems" });
    }
  }

  /** Calls an open problem over: it closes within a second. @returns a word if that is not possible */
  dismiss(id: string, { by, reason }: Actor): ServiceProblem | "unknown" | "lasting" {
    const { eventLog, onDismissed } = this.#options;
    const problem = this.open.find((one) => one.id === id);
    if (!problem) return "unknown";
    const { kind, title } = problem;
    if (kind !== "reload_refused") return "lasting";
    this.#dismissed = new Set([kind]);
    onDismissed?.(kind);
    eventLog.add({
      ...{ kind: "reload", pool: null, upstream: null, from: "refused", to: "dismissed", by },
      ...{ reason: "operator", detail: reason === "" ? title : reason },
    });
    return problem;
  }

  /** Calls `onChange` synchronously; it must be fast and must not throw. */
  watch(onChange: (change: ProblemChange) => void): Cancel {
    this.#watchers.add(onChange);
    return () => void this.#watchers.delete(onChange);
  }

  #restore({ now, at }: BalancerSample): void {
    const { eventLog } = this.#options;
    const events = eventLog.events({ kinds: new Set(["problem"]), limit: maxKnownEvents });
    this.#list.restore(knownProblems(events, at), { now, at });
  }
}

/** The id, what the problem is about where that is neither pool nor upstream, and the title. */
const detailPattern = /^(p-[a-z0-9]{5})(?: \((.*?)\))?: (.*)$/s;

/** `from` and `to` are levels, or "closed"; the reason is the kind. */
function eventOf({ change, problem, from }: ProblemChange): Omit<BalancerEvent, "seq" | "at"> {
  const { id, kind, level, title, subject } = problem;
  const { pool, upstream, certificate, peer, address } = subject;
  const named = certificate ?? peer ?? address;
  const about = named === null ? "" : ` (${named})`;
  return {
    ...{ kind: "problem", pool, upstream, by: "balancer", reason: kind },
    from: from ?? "",
    to: change === "closed" ? "closed" : level,
    detail: `${id}${about}: ${title}`,
  };
}

function logChange(log: Log, { change, problem }: ProblemChange): void {
  const { id, kind, level, title, subject, end } = problem;
  const fields = {
    ...{ id, kind, level, title },
    ...(subject.pool !== null && { pool: subject.pool }),
    ...(subject.upstream !== null && { upstream: subject.upstream }),
  };
  if (change === "closed") return log.info("problem closed", { ...fields, how: end?.words ?? "" });
  const message = change === "opened" ? "problem opened" : "problem worse";
  if (level === "notice") log.info(message, fields);
  else log.warn(message, fields);
}

/** Problems that were open when the process before ended, or had closed less than ten minutes ago. @param at epoch milliseconds */
export function knownProblems(events: readonly BalancerEvent[], at: number): readonly KnownProblem[] {
  const known = new Map<string, KnownProblem>();
  for (const event of events) {
    const [, id = "", about, title = ""] = detailPattern.exec(event.detail) ?? [];
    const kind = problemKinds.find((name) => name === event.reason);
    if (id === "" || !kind) continue;
    const before = known.get(id);
    const isClosed = event.to === "closed";
    const level = levelOf(isClosed ? event.from : event.to);
    const { pool, upstream } = event;
    known.set(id, {
      ...{ id, kind, pool, upstream, level, title },
      key: keyOf(kind, { pool, upstream, about }),
      certificate: kind === "certificate" ? (about ?? null) : null,
      openedAt: before?.openedAt ?? event.at,
      closedAt: isClosed ? event.at : undefined,
    });
  }
  return [...known.values()].filter(({ closedAt }) => closedAt === undefined || at - closedAt < reopenMs);
}

function levelOf(text: string): ProblemLevel {
  return problemLevels.find((level) => level === text) ?? "warning";
}

function keyOf(
  kind: ProblemKind,
  {
    pool,
    upstream,
    about,
  }: {
    readonly pool: string | null;
    readonly upstream: string | null;
    readonly about: string | undefined;
  },
): string {
  if (upstream !== null) return upstream;
  if (pool === null) return about ?? "";
  return upstreamKinds.some((one) => one === kind) ? groupKey(pool) : pool;
}
