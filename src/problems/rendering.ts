/** Makes the one shape of a problem from what the detectors and the tracker know about it. */

import { advice, readAct } from "./advice.ts";
import type { Description } from "./finding.ts";
import type { RootProblem } from "./grouping.ts";
import { type ProblemKind, type ServiceProblem, unknownCause } from "./problem.ts";
import type { TrackedProblem } from "./tracker.ts";
import type { PoolTraffic } from "./traffic.ts";
import { routesHit } from "./client-rule.ts";
import { spanText } from "./wording.ts";

export interface RenderingContext {
  readonly balancer: string;
  /** Epoch milliseconds, and the same moment of the clock. */
  readonly at: number;
  readonly now: number;
  /** Of before a restart, for a problem without a finding since. */
  readonly restoredTitle: string | undefined;
  readonly pool: PoolTraffic | undefined;
  /** False leaves a description as it was. */
  readonly isDue: boolean;
}

const maxParts = 50;

export function renderProblem({ problem, parts }: RootProblem, context: RenderingContext): ServiceProblem {
  const { id, kind, pool, upstream, certificate, since, openedAt, reopened, isOnAndOff, finding } = problem;
  describeAgain(problem, context);
  const { title, ...described } = problem.description ?? restoredDescription(problem, context);
  return {
    ...{ id, kind, level: problem.shownLevel },
    state: "open",
    title: `${finding?.isRehearsed ? "Rehearsal: " : ""}${title}${isOnAndOff ? " (on and off)" : ""}`,
    since: new Date(since).toISOString(),
    openedAt: new Date(openedAt).toISOString(),
    closedAt: null,
    end: null,
    reopened,
    onAndOff: isOnAndOff,
    subject: { balancer: context.balancer, pool, upstream, certificate, ...namedBy(problem) },
    seenBy: [context.balancer],
    ...described,
    links: { self: `/?p=${id}`, ...described.links },
    silenced: null,
    rehearsed: finding?.isRehearsed === true,
    parts: parts.slice(0, maxParts).map((part) => partOf(part, context)),
  };
}

/** The keys of these kinds are what they are about. */
function namedBy({ kind, key }: TrackedProblem): Pick<ServiceProblem["subject"], "peer" | "address"> {
  return { peer: kind === "peer_gone" ? key : null, address: kind === "front_door" ? key : null };
}

const endTexts = {
  over: "",
  released: ": taken out",
  dismissed: ": dismissed",
  no_traffic: ": no traffic any more",
} as const;

function endText(kind: ProblemKind, code: keyof typeof endTexts): string {
  return kind === "peer_gone" && code === "no_traffic" ? ": not in the fleet any more" : endTexts[code];
}

/** The same problem after its end. @param rendered as it was listed last */
export function renderClosed(
  rendered: ServiceProblem,
  { closedAt = 0, openedAt, end }: TrackedProblem,
): ServiceProblem {
  const code = end ?? "over";
  return {
    ...rendered,
    state: "closed",
    closedAt: new Date(closedAt).toISOString(),
    end: { words: `Closed after ${spanText(closedAt - openedAt)}${endText(rendered.kind, code)}`, code },
    onAndOff: false,
    parts: [],
  };
}

/** While the condition is below its thresholds, the words of the last time that it was above stay. */
function describeAgain(problem: TrackedProblem, { at, now, isDue }: RenderingContext): void {
  const { id, since, failed, steady, finding, isActive } = problem;
  if (!finding || ((!isActive || !isDue) && problem.description)) return;
  steady.tick(now);
  const description = finding.describe({ id, at, since, failed, steady });
  if (description) problem.description = description;
}

function partOf(problem: TrackedProblem, context: RenderingContext): ServiceProblem["parts"][number] {
  const { id, kind, level, upstream, since } = problem;
  describeAgain(problem, context);
  const title = problem.description?.title ?? restoredDescription(problem, context).title;
  return { id, kind, level, title, since: new Date(since).toISOString(), upstream };
}

/** For a problem of before a restart that nothing is known about yet. */
function restoredDescription(
  { kind, pool, upstream }: TrackedProblem,
  { restoredTitle, pool: traffic }: RenderingContext,
): Description {
  return {
    title: restoredTitle ?? `${upstream ?? pool ?? "The balancer"}: ${kind.replaceAll("_", " ")}`,
    hits: {
      words: "Not known since the restart",
      routes: routesHit(traffic),
      share: null,
      perSecond: 0,
      requests: 0,
    },
    cause: unknownCause,
    do: advice(readAct("See what happened", "evenkeel events"), "Wait some seconds: it is looked at again."),
    measure: null,
    links: { requests: null, history: null },
  };
}
