/** Opens, keeps and closes problems: hysteresis over the findings of each sample. */

import { type Description, type Finding, timings } from "./finding.ts";
import { type ProblemEnd, type ProblemKind, type ProblemLevel, severityOf } from "./problem.ts";
import { SteadyNumbers } from "./steady-number.ts";

const minuteMs = 60_000;

/** Within this time after its end a problem that comes back is the same one. */
export const reopenMs = 10 * minuteMs;

/** Without enough requests for so long, a problem closes. */
const unknownMs = 10 * minuteMs;

/** So many ends and returns in this time, and the problem stays open until it is quiet for as long as a reopening takes. */
const maxReturns = 3;
const returnsMs = 30 * minuteMs;

type EndCode = ProblemEnd["code"];

export interface TrackedProblem {
  readonly id: string;
  readonly kind: ProblemKind;
  readonly key: string;
  readonly pool: string | null;
  readonly upstream: string | null;
  readonly certificate: string | null;
  state: "pending" | "open" | "closed";
  level: ProblemLevel;
  /** The worst level of it and its parts; set when it is listed. */
  shownLevel: ProblemLevel;
  /** The last finding above the lower threshold; undefined for one of before a restart. */
  finding: Finding | undefined;
  /** Whether the last sample was above the lower threshold. */
  isActive: boolean;
  /** Epoch milliseconds. */
  since: number;
  openedAt: number;
  closedAt: number | undefined;
  end: EndCode | undefined;
  reopened: number;
  isOnAndOff: boolean;
  /** Requests that have failed at the client since it began. */
  failed: number;
  readonly steady: SteadyNumbers;
  /** As of the last time that it was listed with a finding. */
  description: Description | undefined;
  /** The level that was announced last; undefined if its opening was not announced, or its end was. */
  announced: ProblemLevel | undefined;
}

/** What decides about one problem; all times are of the clock. */
interface Progress {
  readonly problem: TrackedProblem;
  enterSince: number | undefined;
  clearSince: number | undefined;
  unknownSince: number | undefined;
  /** Since when the findings have been of a lower level than the problem's. */
  lowerSince: number | undefined;
  /** The highest level of the findings since then. */
  lowerLevel: ProblemLevel;
  closedAt: number;
  /** Clock times at which it came back. */
  returns: number[];
  seenAt: number;
}

/** A problem that was listed before a restart. Times are epoch milliseconds. */
export interface KnownProblem {
  readonly id: string;
  readonly kind: ProblemKind;
  readonly key: string;
  readonly pool: string | null;
  readonly upstream: string | null;
  readonly certificate: string | null;
  readonly level: ProblemLevel;
  readonly title: string;
  readonly openedAt: number;
  /** Undefined if it was open. */
  readonly closedAt: number | undefined;
}

export interface TrackerTime {
  /** Clock time, milliseconds. */
  readonly now: number;
  /** The same moment, epoch milliseconds. */
  readonly at: number;
  /** Time since the sample before, milliseconds. */
  readonly spanMs: number;
}

/**
 * ```
 *            enter              held for openAfter             clear for closesAfter, release, unknown for 10 min
 *  (nothing) ─────▶ pending ────────────────────────▶ open ─────────────────────────────────────▶ closed ──10 min──▶ (nothing)
 *            ◀───── anything else                        ◀──────────── held for openAfter ─────────────┘
 * ```
 */
export class ProblemTracker {
  readonly #newId: () => string;
  readonly #kinds = new Map<ProblemKind, Map<string, Progress>>();

  /** @param newId returns an id that no other problem has */
  constructor(newId: () => string) {
    this.#newId = newId;
  }

  /** Findings that are not `enter` concern open problems only. */
  isOpen(kind: ProblemKind, key: string): boolean {
    return this.#kinds.get(kind)?.get(key)?.problem.state === "open";
  }

  openKeys(kind: ProblemKind): readonly string[] {
    const keys = this.#kinds.get(kind)?.keys() ?? [];
    return [...keys].filter((key) => this.isOpen(kind, key));
  }

  /** All that are open, or were closed in the last ten minutes. */
  get problems(): readonly TrackedProblem[] {
    const listed: TrackedProblem[] = [];
    for (const progresses of this.#kinds.values())
      for (const { problem } of progresses.values()) if (problem.state !== "pending") listed.push(problem);
    return listed;
  }

  /** Continues a problem of the process before. @param title until there is a finding */
  restore(known: KnownProblem, { now, at }: Pick<TrackerTime, "now" | "at">): void {
    const { id, kind, key, pool, upstream, certificate, level, openedAt, closedAt } = known;
    const isOpen = closedAt === undefined;
    const problem: TrackedProblem = {
      ...{ id, kind, key, pool, upstream, certificate, level, openedAt, closedAt },
      shownLevel: level,
      state: isOpen ? "open" : "closed",
      finding: undefined,
      isActive: false,
      since: openedAt,
      end: isOpen ? undefined : "over",
      ...{ reopened: 0, isOnAndOff: false, failed: 0 },
      steady: new SteadyNumbers(),
      description: undefined,
      announced: isOpen ? level : undefined,
    };
    const progress = newProgress(problem);
    progress.closedAt = isOpen ? 0 : now - (at - closedAt);
    this.#progressesOf(kind).set(key, progress);
  }

  /** Call it with every finding of a sample, then once {@link finish} for the kinds that they may be of. */
  observe(finding: Finding, time: TrackerTime): void {
    const progresses = this.#progressesOf(finding.kind);
    let progress = progresses.get(finding.key);
    if (!progress) {
      if (finding.verdict !== "enter") return;
      progress = newProgress(newProblem(this.#newId(), finding, time.at));
      progresses.set(finding.key, progress);
    }
    progress.seenAt = time.now;
    advance(progress, finding, time);
    if (progress.problem.state === "pending" && progress.enterSince === undefined)
      progresses.delete(finding.key);
  }

  /** Advances all problems of these kinds, and with such a key, that this sample had no finding for. */
  finish(
    kinds: readonly ProblemKind[],
    time: TrackerTime,
    isMeant: (key: string) => boolean = () => true,
  ): void {
    for (const kind of kinds) {
      const progresses = this.#kinds.get(kind);
      if (!progresses) continue;
      for (const [key, progress] of progresses) {
        if (!isMeant(key)) continue;
        if (progress.seenAt !== time.now) advance(progress, undefined, time);
        const { problem } = progress;
        const isForgotten =
          problem.state === "closed" ? time.now - progress.closedAt >= reopenMs : problem.state === "pending";
        if (isForgotten && progress.enterSince === undefined) progresses.delete(key);
      }
    }
  }

  #progressesOf(kind: ProblemKind): Map<string, Progress> {
    let progresses = this.#kinds.get(kind);
    if (!progresses) this.#kinds.set(kind, (progresses = new Map<string, Progress>()));
    return progresses;
  }
}

function newProblem(id: string, finding: Finding, at: number): TrackedProblem {
  const { kind, key, pool, upstream, certificate = null, level } = finding;
  return {
    ...{ id, kind, key, pool, upstream, certificate, level },
    shownLevel: level,
    state: "pending",
    finding,
    isActive: true,
    since: at,
    openedAt: at,
    closedAt: undefined,
    end: undefined,
    reopened: 0,
    isOnAndOff: false,
    failed: 0,
    steady: new SteadyNumbers(),
    description: undefined,
    announced: undefined,
  };
}

function newProgress(problem: TrackedProblem): Progress {
  return {
    problem,
    enterSince: undefined,
    clearSince: undefined,
    unknownSince: undefined,
    lowerSince: undefined,
    lowerLevel: "notice",
    closedAt: 0,
    returns: [],
    seenAt: Number.NaN,
  };
}

/** @param finding undefined if the subject is below all thresholds */
function advance(progress: Progress, finding: Finding | undefined, time: TrackerTime): void {
  const { problem } = progress;
  const verdict = finding?.verdict ?? "clear";
  problem.isActive = verdict === "enter" || verdict === "hold";
  if (finding && problem.isActive) {
    problem.finding = finding;
    // From its beginning on, not from when it was sure.
    problem.failed += (finding.failing * time.spanMs) / 1_000;
  }
  if (verdict !== "enter") progress.enterSince = undefined;
  if (verdict !== "unknown") progress.unknownSince = undefined;
  if (problem.state === "open") return advanceOpen(progress, finding, time);
  if (verdict !== "enter" || !finding) return;
  // Without a finding in between, so that it held without a break.
  if (progress.enterSince === undefined) {
    progress.enterSince = time.now;
    if (problem.state === "pending") problem.since = finding.since ?? time.at;
  }
  const openAfterMs = finding.openAfterMs ?? timings[problem.kind].openAfterMs;
  if (time.now - progress.enterSince >= openAfterMs) open(progress, finding, time);
}

function open(progress: Progress, finding: Finding, { now, at }: TrackerTime): void {
  const { problem } = progress;
  if (problem.state === "closed") {
    problem.reopened += 1;
    progress.returns = [...progress.returns.filter((time) => now - time < returnsMs), now];
    problem.isOnAndOff = progress.returns.length >= maxReturns;
    problem.steady.clear();
  } else problem.openedAt = at;
  problem.state = "open";
  problem.level = finding.level;
  problem.closedAt = problem.end = undefined;
  progress.clearSince = progress.unknownSince = progress.lowerSince = undefined;
}

function advanceOpen(progress: Progress, finding: Finding | undefined, time: TrackerTime): void {
  const { problem } = progress;
  const { now, spanMs } = time;
  const verdict = finding?.verdict ?? "clear";
  if (finding && problem.isActive) adjustLevel(progress, finding.level, now);
  if (verdict === "release") return close(progress, "released", time);
  if (verdict === "dismiss") return close(progress, "dismissed", time);
  if (verdict === "unknown") {
    progress.unknownSince ??= now;
    // Neither above nor below: the time below it so far counts, and does not grow.
    if (progress.clearSince !== undefined) progress.clearSince += spanMs;
    if (now - progress.unknownSince >= unknownMs) close(progress, "no_traffic", time);
    return;
  }
  if (verdict !== "clear") return void (progress.clearSince = undefined);
  progress.clearSince ??= now;
  const closesAfterMs = problem.isOnAndOff ? reopenMs : timings[problem.kind].closesAfterMs;
  if (now - progress.clearSince >= closesAfterMs) close(progress, "over", time);
}

/** Up at once; down when the findings have been of a lower level for as long as closing takes. */
function adjustLevel(progress: Progress, level: ProblemLevel, now: number): void {
  const { problem } = progress;
  if (severityOf(level) <= severityOf(problem.level)) {
    problem.level = level;
    progress.lowerSince = undefined;
    return;
  }
  if (progress.lowerSince === undefined || severityOf(level) < severityOf(progress.lowerLevel))
    progress.lowerLevel = level;
  progress.lowerSince ??= now;
  if (now - progress.lowerSince < timings[problem.kind].closesAfterMs) return;
  problem.level = progress.lowerLevel;
  progress.lowerSince = undefined;
}

function close(progress: Progress, end: EndCode, { now, at }: TrackerTime): void {
  const { problem } = progress;
  problem.state = "closed";
  problem.end = end;
  problem.closedAt = at;
  problem.isOnAndOff = problem.isActive = false;
  progress.closedAt = now;
  progress.enterSince = progress.clearSince = progress.unknownSince = progress.lowerSince = undefined;
}
