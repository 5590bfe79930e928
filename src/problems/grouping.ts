/** One line for one cause: several upstreams with the same problem become one of the pool, and consequences become parts. */

import { advice, linksTo, readAct } from "./advice.ts";
import { causeFrom, changeBefore, type Evidence } from "./cause.ts";
import { harmOf, hitsOf } from "./client-rule.ts";
import type { Finding } from "./finding.ts";
import { type ProblemKind, severityOf, worseLevel } from "./problem.ts";
import type { BalancerSample } from "./sample.ts";
import type { TrackedProblem } from "./tracker.ts";
import type { PoolTraffic } from "./traffic.ts";
import { isResting, upstreamKinds } from "./upstream-health.ts";
import { spanText, someNames } from "./wording.ts";

/** So many upstreams of a pool, or half of them, are no matter of single upstreams any more. */
const minimumMembers = 3;
const minimumShare = 0.5;

/** What they do if they do not all do the same. */
const commonSymptoms: Readonly<Record<(typeof upstreamKinds)[number], string>> = {
  upstream_down: "are down",
  upstream_errors: "fail requests",
  upstream_slow: "are slow",
  probe_flaps: "are on and off",
  start_stalled: "fail each time they come back",
};

/** Upstreams that went wrong within this time have something in common. */
const togetherMs = 10_000;

/** Identifies the problem of a pool among those of upstreams: a name has no line feed. */
export function groupKey(pool: string): string {
  return `\n${pool}`;
}

/** Findings for the groups of a pool. @param members open problems of its upstreams @param isOpen whether a group is open */
export function groupFindings(
  pool: PoolTraffic,
  members: readonly TrackedProblem[],
  { sample, isOpen }: { readonly sample: BalancerSample; readonly isOpen: (kind: ProblemKind) => boolean },
): readonly Finding[] {
  let inUse: number | undefined;
  return upstreamKinds.flatMap((kind) => {
    const active = members.filter((member) => member.kind === kind && isMember(member) && member.isActive);
    if (active.length < 2) return [];
    const total = (inUse ??= pool.upstreams.filter(({ sample: one }) => !isResting(one)).length);
    const isMany = active.length >= minimumMembers || active.length >= minimumShare * total;
    if (!isMany && !isOpen(kind)) return [];
    const all = kind === "upstream_down" ? [...active, ...failingAlike(active, members)] : active;
    return [groupFinding(pool, kind, { active: all, total: Math.max(total, all.length), isMany, sample })];
  });
}

/** Upstreams that the pool cannot spare, and that serve with the failures for which the others are out. */
function failingAlike(
  down: readonly TrackedProblem[],
  members: readonly TrackedProblem[],
): readonly TrackedProblem[] {
  const [symptom, ...others] = new Set(down.map(({ finding }) => finding?.symptom));
  if (symptom === undefined || others.length > 0) return [];
  const out = new Set(down.map(({ upstream }) => upstream));
  return members.filter(
    (member) =>
      member.kind === "upstream_errors" &&
      isMember(member) &&
      member.isActive &&
      member.finding?.symptom === symptom &&
      !out.has(member.upstream),
  );
}

/** Whether it may be a part of its pool's problem. */
function isMember({ upstream, finding }: TrackedProblem): boolean {
  return upstream !== null && finding?.isRehearsed !== true;
}

interface Group {
  readonly active: readonly TrackedProblem[];
  readonly total: number;
  readonly isMany: boolean;
  readonly sample: BalancerSample;
}

function groupFinding(
  pool: PoolTraffic,
  kind: (typeof upstreamKinds)[number],
  { active, total, isMany, sample }: Group,
): Finding {
  const { name } = pool.sample;
  const failing = active.reduce((sum, { finding }) => sum + (finding?.failing ?? 0), 0);
  const waiting = active.reduce((sum, { finding }) => sum + (finding?.waiting ?? 0), 0);
  const harm = harmOf(pool, failing * pool.seconds30);
  const symptoms = new Set(active.map(({ finding }) => finding?.symptom));
  const [symptom] = symptoms;
  const what = symptoms.size === 1 && symptom !== undefined ? symptom : commonSymptoms[kind];
  return {
    ...{ kind, key: groupKey(name), pool: name, upstream: null, failing, waiting, symptom: what },
    verdict: isMany ? "enter" : "hold",
    level: active.reduce((level, member) => worseLevel(level, member.level), harm.level),
    openAfterMs: 0,
    since: Math.min(...active.map(({ since }) => since)),
    describe: (context) => ({
      title: `${active.length} of ${total} ${name} upstreams ${what}`,
      hits: hitsOf(pool, harm, { failed: context.failed, otherwise: "No client so far." }),
      cause: causeFrom([
        changeBefore({
          events: sample.events,
          ...{ at: context.at, since: context.since, pool: name, upstream: null },
        }),
        together(active),
        { words: `They are ${someNames(active.map(({ upstream }) => upstream ?? ""))}`, code: "members" },
      ]),
      do: advice(
        readAct("See the upstreams", "evenkeel status"),
        "Several at once have something in common: the last change, the network, or a service behind them.",
        readAct("See the last changes", "evenkeel events"),
      ),
      measure: null,
      links: linksTo({ pool: name, upstream: null }, context.since),
    }),
  };
}

function together(members: readonly TrackedProblem[]): Evidence | undefined {
  const times = members.map(({ since }) => since);
  const spanMs = Math.max(...times) - Math.min(...times);
  if (spanMs > togetherMs) return undefined;
  const words = spanMs < 1_500 ? "All at once" : `All within ${spanText(spanMs)}`;
  return { words: `${words}: look at the network, or what they share`, code: "at_once" };
}

/** Of a pool: the worse one takes in the other. */
const capacityOrder: readonly ProblemKind[] = ["pool_empty", "panic", "queue"];
const consequences: ReadonlySet<ProblemKind> = new Set([
  ...upstreamKinds,
  ...(["pool_errors", "pool_slow", "retries_spent"] as const),
]);

/** Problems that the state of an upstream that is down explains. */
const explainedByDown: ReadonlySet<ProblemKind> = new Set([
  "upstream_errors",
  "probe_flaps",
  "start_stalled",
]);

/** Problems of upstreams or of a pool that use up its retries. */
const spenders: readonly ProblemKind[] = ["upstream_errors", "upstream_down", "pool_errors"];

/** A listed problem, and all others with the same cause. */
export interface RootProblem {
  readonly problem: TrackedProblem;
  readonly parts: readonly TrackedProblem[];
}

/** @param open all open problems */
export function mergeProblems(open: readonly TrackedProblem[]): readonly RootProblem[] {
  const index = new ProblemIndex(open);
  const parts = new Map<TrackedProblem, TrackedProblem[]>();
  const roots: TrackedProblem[] = [];
  for (const problem of open) {
    const root = index.rootOf(problem);
    if (root === problem) roots.push(problem);
    else parts.set(root, [...(parts.get(root) ?? []), problem]);
  }
  return roots.map((problem) => ({ problem, parts: parts.get(problem) ?? [] }));
}

class ProblemIndex {
  readonly #byKind = new Map<ProblemKind, Map<string, TrackedProblem>>();
  /** The first open problem of each pool that uses up its retries. */
  readonly #spenderOf = new Map<string, TrackedProblem>();

  constructor(open: readonly TrackedProblem[]) {
    for (const problem of open) {
      const { kind, key, pool } = problem;
      let keys = this.#byKind.get(kind);
      if (!keys) this.#byKind.set(kind, (keys = new Map<string, TrackedProblem>()));
      keys.set(key, problem);
      const known = pool === null ? problem : this.#spenderOf.get(pool);
      const isWorse = !known || severityOf(problem.level) < severityOf(known.level);
      if (pool !== null && spenders.includes(kind) && isWorse) this.#spenderOf.set(pool, problem);
    }
  }

  rootOf(problem: TrackedProblem): TrackedProblem {
    const parent = this.#parentOf(problem);
    return parent ? this.rootOf(parent) : problem;
  }

  #get(kind: ProblemKind, key: string): TrackedProblem | undefined {
    return this.#byKind.get(kind)?.get(key);
  }

  /** Every step leads to a problem of a kind that takes in the kind before and is not taken in by it, so that it ends. */
  #parentOf(problem: TrackedProblem): TrackedProblem | undefined {
    const { kind, upstream, pool, finding } = problem;
    if (kind === "fleet_differs") return this.#get("reload_refused", "");
    if (pool === null || finding?.isRehearsed) return undefined;
    if (upstream !== null && explainedByDown.has(kind)) {
      const down = this.#get("upstream_down", upstream);
      if (down) return down;
    }
    const several = this.#severalDownFor(problem, pool);
    if (several) return several;
    if (upstream !== null) {
      const group = this.#get(kind, groupKey(pool));
      if (group) return group;
    }
    const capacity = this.#capacityFor(problem, pool);
    if (capacity) return capacity;
    return kind === "retries_spent" ? this.#spenderOf.get(pool) : undefined;
  }

  /** Several upstreams of the pool that are out, if that is for the same failures. */
  #severalDownFor({ kind, finding, isActive }: TrackedProblem, pool: string): TrackedProblem | undefined {
    if (kind !== "upstream_errors" && kind !== "pool_errors") return undefined;
    const several = this.#get("upstream_down", groupKey(pool));
    // The pool's own problem ends when it is known which upstreams fail.
    const isSame = kind === "pool_errors" ? !isActive : finding?.symptom === several?.finding?.symptom;
    return isSame ? several : undefined;
  }

  #capacityFor({ kind, level }: TrackedProblem, pool: string): TrackedProblem | undefined {
    const own = capacityOrder.indexOf(kind);
    if (own < 0 && !consequences.has(kind)) return undefined;
    for (const taker of own < 0 ? capacityOrder : capacityOrder.slice(0, own)) {
      const found = this.#get(taker, pool);
      // A queue that only fills does not hide a problem that clients notice.
      if (found && severityOf(found.level) <= severityOf(level)) return found;
    }
    return undefined;
  }
}
