/** Problems of a pool that cannot take requests: no upstream serves, only ejected ones do, or its queue fills. */

import type { BalancerEvent } from "../state/event.ts";
import { advice, linksTo, readAct, readyAct } from "./advice.ts";
import { causeFrom, type Evidence } from "./cause.ts";
import { type ClientHarm, harmOf, hitsOf } from "./client-rule.ts";
import type { Detection } from "./detection.ts";
import type { DescriptionContext, Finding } from "./finding.ts";
import type { ProblemAdvice, ProblemCause, ProblemKind, ProblemMeasure } from "./problem.ts";
import type { UpstreamSample } from "./sample.ts";
import { roundCount } from "./steady-number.ts";
import type { PoolTraffic } from "./traffic.ts";
import { isOutByOperator } from "./upstream-past.ts";
import { clockText, countedNoun, countText, foreignText, proportionText } from "./wording.ts";

export const capacityKinds = ["pool_empty", "panic", "queue"] as const satisfies readonly ProblemKind[];

/** Requests in the queue ÷ its places. */
const [queueEnter, queueLeave] = [0.5, 0.1];

export function detectPoolCapacity(pool: PoolTraffic, detection: Detection): void {
  if (!pool.upstreams.some(({ sample }) => canServe(sample))) detection.report(emptyFinding(pool, detection));
  if (pool.sample.isPanicking) detection.report(panicFinding(pool, detection));
  const queue = queueFinding(pool, detection);
  if (queue) detection.report(queue);
}

/** Serves, or would serve if a slot were free. */
function canServe({ fit, status, weight }: UpstreamSample): boolean {
  return fit || (status === "passing" && weight > 0);
}

/** What clients of the pool get in all. */
function wholeHarm(pool: PoolTraffic): ClientHarm {
  return harmOf(pool, pool.visibleErrors30 + pool.turnedAwayErrors30);
}

interface CapacityText {
  readonly title: string;
  readonly cause: ProblemCause;
  readonly do: ProblemAdvice;
  readonly measure: ProblemMeasure | null;
}

function capacityFinding(
  kind: (typeof capacityKinds)[number],
  pool: PoolTraffic,
  text: (context: DescriptionContext) => CapacityText,
): Omit<Finding, "verdict"> {
  const { name } = pool.sample;
  const harm = wholeHarm(pool);
  const isRehearsed = pool.upstreams.some(({ sample }) => sample.hasFault);
  return {
    ...{ kind, key: name, pool: name, upstream: null, isRehearsed, failing: harm.failing },
    level: isRehearsed ? "notice" : "critical",
    describe: (context) => ({
      ...text(context),
      hits: hitsOf(pool, harm, { failed: context.failed, otherwise: "No request so far." }),
      links: linksTo({ pool: name, upstream: null }, context.since),
    }),
  };
}

function emptyFinding(pool: PoolTraffic, detection: Detection): Finding {
  const { name } = pool.sample;
  const finding = capacityFinding("pool_empty", pool, (context) => ({
    title: `No upstream serves pool ${name}`,
    cause: causeFrom([noMembers(pool), takenOut(pool), lastToLeave(pool, detection, context)]),
    do: advice(
      readyAct(pool, context.id) ?? readAct("See the upstreams", "evenkeel status"),
      pool.upstreams.length === 0
        ? "Bring the source of its members back: requests are refused until it names one."
        : "Bring one upstream back: requests are refused until one is available.",
      readAct("See what happened", "evenkeel events"),
    ),
    measure: { value: 0, peers: null, enter: 0, leave: 1, window: "now", n: pool.upstreams.length },
  }));
  return { ...finding, verdict: "enter" };
}

function panicFinding(pool: PoolTraffic, detection: Detection): Finding {
  const { name } = pool.sample;
  const ejected = pool.upstreams.filter(({ sample: { status } }) => isEjected(status)).length;
  const finding = capacityFinding("panic", pool, (context) => ({
    title: `Pool ${name} serves with upstreams that fail (panic mode)`,
    cause: causeFrom([
      {
        words: `${countText(ejected)} of its ${countedNoun(pool.upstreams.length, "upstream")} are ejected, and no other one is available`,
        code: "only_ejected_left",
      },
      lastToLeave(pool, detection, context),
    ]),
    do: advice(
      readyAct(pool, context.id) ?? readAct("See failed requests"),
      "All at once is rarely the upstreams themselves: look at the network, and at what they share.",
      readAct("See the upstreams", "evenkeel status"),
    ),
    measure: null,
  }));
  return { ...finding, verdict: "enter" };
}

function isEjected(status: UpstreamSample["status"]): boolean {
  return status === "ejected" || status === "probation";
}

/** Only discovery leaves a pool without upstreams. */
function noMembers({ upstreams, sample: { missingMembers = [] } }: PoolTraffic): Evidence | undefined {
  if (upstreams.length > 0 || missingMembers.length === 0) return undefined;
  return { words: `Its members are not known: ${missingMembers.join("; ")}`, code: "no_members" };
}

function takenOut({ upstreams }: PoolTraffic): Evidence | undefined {
  const out = upstreams.filter(({ sample: { status } }) => isOutByOperator(status)).length;
  if (out === 0 || out < upstreams.length) return undefined;
  const words =
    out === 1
      ? "Its only upstream is drained or in maintenance"
      : `All ${out} upstreams are drained or in maintenance`;
  return { words, code: "taken_out" };
}

/** The last upstream that left, and why. */
function lastToLeave(
  pool: PoolTraffic,
  { sample: { events } }: Detection,
  { at }: DescriptionContext,
): Evidence | undefined {
  const event = events.findLast(
    ({ kind, pool: of, to }) =>
      of === pool.sample.name &&
      ((kind === "probe" && to === "failing") ||
        (kind === "outlier" && to === "ejected") ||
        (kind === "mode" && to !== "ready")),
  );
  if (!event) return undefined;
  const words = `${event.upstream} was the last to leave, at ${clockText(event.at, at)}${whyItLeft(event)}`;
  return { words, code: "last_to_leave", event: event.seq };
}

/** The words of a probe stand alone; those of an operator would be read as the balancer's. */
function whyItLeft({ kind, to, by, detail }: BalancerEvent): string {
  const order = kind === "mode" ? `${to} by ${by}` : "";
  const parts = [order, foreignText(detail)].filter((part) => part !== "");
  return parts.map((part) => `: ${part}`).join("");
}

function queueFinding(pool: PoolTraffic, detection: Detection): Finding | undefined {
  const { name, queued, maxWaiting } = pool.sample;
  const isTurningAway = pool.queueRefusals10 > 0;
  const share = maxWaiting > 0 ? queued / maxWaiting : 0;
  if (!isTurningAway && share < queueEnter && !(share >= queueLeave && detection.isOpen("queue", name)))
    return undefined;
  const lost = pool.requests10 > 0 ? Math.min(1, pool.queueRefusals10 / pool.requests10) : 1;
  const finding = capacityFinding("queue", pool, (context) => ({
    title: isTurningAway
      ? `Pool ${name} turns away ${proportionText(steadyShare(context, lost))} requests: its queue is full`
      : `${countText(context.steady.show("queued", queued, roundCount))} requests wait in pool ${name}`,
    cause: causeFrom([trafficEvidence(pool), slotEvidence(pool)]),
    do: advice(
      readyAct(pool, context.id) ?? readAct("See the pool", "evenkeel status"),
      "Bring upstreams back or add some. Raise maxInFlight only if the upstreams can bear more requests at once.",
      readAct("See slow requests"),
    ),
    measure: {
      value: share,
      peers: null,
      enter: queueEnter,
      leave: queueLeave,
      window: "10s",
      n: Math.round(pool.requests10),
    },
  }));
  const isRehearsed = finding.isRehearsed === true;
  return {
    ...finding,
    verdict: isTurningAway || share >= queueEnter ? "enter" : "hold",
    level: isRehearsed ? "notice" : isTurningAway ? "critical" : "warning",
    waiting: pool.requests10 / pool.seconds10,
    ...(isTurningAway && { openAfterMs: 0 }),
  };
}

/** Steady by its smaller part: 19 in 20 are not all, though the two are near to each other. */
function steadyShare({ steady }: DescriptionContext, share: number): number {
  const exact = (value: number) => value;
  return share > 0.5 ? 1 - steady.show("served", 1 - share, exact) : steady.show("lost", share, exact);
}

/** Evidence that more requests come than at this hour of other days. */
export function trafficEvidence(pool: PoolTraffic): Evidence | undefined {
  const usual = pool.sample.usual?.perSecond ?? null;
  if (usual === null || usual < 1 || pool.perSecond < 1.5 * usual) return undefined;
  const times = Number((pool.perSecond / usual).toFixed(1));
  return {
    words: `${times} times the usual requests of this hour: ${countText(pool.perSecond)} a second`,
    code: "traffic",
  };
}

function slotEvidence({ upstreams }: PoolTraffic): Evidence | undefined {
  const serving = upstreams.filter(({ sample }) => canServe(sample));
  const limited = serving.filter(({ sample: { maxInFlight } }) => Number.isFinite(maxInFlight));
  if (serving.length === 0 || limited.length < serving.length) return undefined;
  const slots = limited.reduce((sum, { sample }) => sum + sample.maxInFlight, 0);
  const used = limited.reduce((sum, { sample }) => sum + sample.inFlight, 0);
  if (used < 0.9 * slots) return undefined;
  const out = upstreams.length - serving.length;
  const missing =
    out > 0 ? `, and ${countedNoun(out, "upstream")} of the pool ${out === 1 ? "is" : "are"} out` : "";
  return {
    words: `${countText(Math.min(used, slots))} of the ${countText(slots)} slots (maxInFlight) are in use${missing}`,
    code: "slots",
  };
}
