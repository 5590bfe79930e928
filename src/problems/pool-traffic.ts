/** Problems of a pool as a whole: its requests fail or are slow and no single upstream stands out, or retries run out. */

import { advice, drainAdvice, linksTo, readAct } from "./advice.ts";
import { causeFrom, changeBefore, type Evidence, sinceReload } from "./cause.ts";
import { harmOf, harmOfAttempts, hitsOf } from "./client-rule.ts";
import type { Detection } from "./detection.ts";
import type { DescriptionContext, Finding } from "./finding.ts";
import type { ProblemKind } from "./problem.ts";
import { trafficEvidence } from "./pool-capacity.ts";
import { roundMultiple, roundShare } from "./steady-number.ts";
import type { PoolTraffic, UpstreamTraffic } from "./traffic.ts";
import { countText, millisText, percentText, rateText } from "./wording.ts";

export const poolTrafficKinds = [
  ...(["pool_errors", "pool_slow", "retries_spent"] as const),
] satisfies readonly ProblemKind[];

const [errorEnter, errorLeave, errorRequests] = [0.05, 0.025, 100];
const [slowEnter, slowEnterMs, slowLeave, slowRequests] = [3, 200, 2, 200];

/** Refused retries a second. */
const spentEnter = 1;

/** To be called after the detectors of its upstreams. */
export function detectPoolTraffic(pool: PoolTraffic, detection: Detection): void {
  for (const finding of [
    errorFinding(pool, detection),
    slowFinding(pool, detection),
    spentFinding(pool, detection),
  ])
    if (finding) detection.report(finding);
}

function errorFinding(pool: PoolTraffic, detection: Detection): Finding | undefined {
  const { name } = pool.sample;
  const isOpen = detection.isOpen("pool_errors", name);
  const base = { kind: "pool_errors", key: name, pool: name, upstream: null } as const;
  if (pool.requests30 < errorRequests)
    return isOpen ? { ...base, ...nothingToSay, verdict: "unknown" } : undefined;
  const most = (pool.attemptErrors30 + pool.otherTurnedAway30) / pool.requests30;
  if (most < errorLeave) return undefined;
  let explained = 0;
  for (const { sample, errors30 } of pool.upstreams)
    if (sample.hasFault || detection.suspects.has(sample.id)) explained += errors30;
  const attempts = Math.max(0, pool.attemptErrors30 - explained);
  const share = Math.min(1, (attempts + pool.otherTurnedAway30) / pool.requests30);
  if (share < errorLeave || (share < errorEnter && !isOpen)) return undefined;
  const harm = harmOf(pool, attempts * pool.visibleShare + pool.otherTurnedAway30);
  return {
    ...base,
    verdict: share >= errorEnter ? "enter" : "hold",
    level: harm.level,
    failing: harm.failing,
    describe: (context) => ({
      title: `${percentText(context.steady.show("share", share, roundShare))} of the requests in pool ${name} fail`,
      hits: hitsOf(pool, harm, { failed: context.failed, otherwise: "No client: retries hide it." }),
      cause: causeFrom([
        before(pool, detection, context),
        trafficEvidence(pool),
        alike(pool),
        pool.otherTurnedAway30 > attempts
          ? { words: "Most of them end before they reach an upstream", code: "turned_away" }
          : undefined,
      ]),
      do: advice(
        readAct("See what fails alike"),
        "All upstreams are alike, so it is something they share: the last change, or a service behind them.",
        readAct("See the last changes", "evenkeel events"),
      ),
      measure: {
        value: share,
        peers: null,
        enter: errorEnter,
        leave: errorLeave,
        window: "30s",
        n: Math.round(pool.requests30),
      },
      links: linksTo({ pool: name, upstream: null }, context.since),
    }),
  };
}

const nothingToSay = { level: "warning", failing: 0, describe: () => undefined } as const;

/** How many of its upstreams fail requests. */
function alike({ upstreams }: PoolTraffic): Evidence | undefined {
  const busy = upstreams.filter(({ requests30 }) => requests30 >= 20);
  const failing = busy.filter(({ errorShare }) => errorShare >= errorLeave);
  if (busy.length < 2 || failing.length < busy.length / 2) return undefined;
  const which = failing.length === busy.length ? `All ${busy.length}` : `${failing.length} of ${busy.length}`;
  return { words: `${which} busy upstreams fail requests`, code: "all_alike" };
}

function before(pool: PoolTraffic, { sample: { events } }: Detection, { at, since }: DescriptionContext) {
  return changeBefore({ events, at, since, pool: pool.sample.name, upstream: null });
}

function slowFinding(pool: PoolTraffic, detection: Detection): Finding | undefined {
  const { name, p95Ms, usual } = pool.sample;
  const isOpen = detection.isOpen("pool_slow", name);
  const base = { kind: "pool_slow", key: name, pool: name, upstream: null } as const;
  const usualMs = usual?.p95Ms ?? null;
  if (pool.attempts60 < slowRequests || p95Ms === null || usualMs === null)
    return isOpen ? { ...base, ...nothingToSay, verdict: "unknown" } : undefined;
  if (p95Ms < slowLeave * usualMs) return undefined;
  const isHigh = p95Ms >= slowEnter * usualMs && p95Ms >= usualMs + slowEnterMs;
  if (!isHigh && !isOpen) return undefined;
  return {
    ...base,
    verdict: isHigh ? "enter" : "hold",
    level: "warning",
    failing: 0,
    waiting: pool.perSecond,
    describe: (context) => {
      const times = context.steady.show("multiple", p95Ms / Math.max(1, usualMs), roundMultiple);
      const since = sinceReload({
        events: detection.sample.events,
        ...{ at: context.at, since: context.since },
      });
      return {
        title: `Pool ${name} is ${countText(times)} times slower than usual${since}`,
        hits: {
          ...hitsOf(pool, { failing: 0, share: null }, { failed: context.failed, otherwise: "" }),
          words: `All ${rateText(pool.perSecond)} requests a second of the pool, p95 ${millisText(p95Ms)}`,
        },
        cause: causeFrom([
          before(pool, detection, context),
          trafficEvidence(pool),
          { words: `The usual p95 of this hour is ${millisText(usualMs)}`, code: "unusual" },
        ]),
        do: advice(
          readAct("See slow requests"),
          "All upstreams are alike, so it is something they share: the last change, more traffic, or a service behind them.",
          readAct("See the last changes", "evenkeel events"),
        ),
        measure: {
          value: p95Ms,
          peers: usualMs,
          enter: Math.max(slowEnter * usualMs, usualMs + slowEnterMs),
          leave: slowLeave * usualMs,
          window: "60s",
          n: Math.round(pool.attempts60),
        },
        links: linksTo({ pool: name, upstream: null }, context.since, "slow"),
      };
    },
  };
}

function spentFinding(pool: PoolTraffic, detection: Detection): Finding | undefined {
  const { name } = pool.sample;
  const perSecond = pool.budgetRefusals10 / pool.seconds10;
  if (perSecond <= 0 || (perSecond < spentEnter && !detection.isOpen("retries_spent", name)))
    return undefined;
  const worst = worstUpstream(pool);
  const harm = harmOfAttempts(pool, Math.min(pool.attemptErrors30, 3 * pool.budgetRefusals10));
  return {
    ...{ kind: "retries_spent", key: name, pool: name, upstream: null },
    verdict: perSecond >= spentEnter ? "enter" : "hold",
    level: "warning",
    failing: harm.failing,
    describe: (context) => ({
      title: `Pool ${name} has no retries left: failures reach clients`,
      hits: hitsOf(pool, harm, { failed: context.failed, otherwise: "No client so far." }),
      cause: causeFrom([
        worst && {
          words: `${percentText(worst.errors30 / pool.attemptErrors30)} of the failed attempts were on ${worst.sample.id}`,
          code: "one_upstream",
        },
        before(pool, detection, context),
        alike(pool),
      ]),
      do: worst
        ? drainAdvice(pool, worst, { id: context.id, beside: readAct("See failed requests") })
        : advice(
            readAct("See failed requests"),
            `The budget refuses ${rateText(perSecond)} retries a second, so that retries do not make it worse. Look at why attempts fail.`,
          ),
      measure: {
        value: perSecond,
        peers: null,
        enter: spentEnter,
        leave: 0,
        window: "10s",
        n: Math.round(pool.requests10),
      },
      links: linksTo({ pool: name, upstream: null }, context.since),
    }),
  };
}

/** The upstream with at least half of the pool's failed attempts. */
function worstUpstream({ upstreams, attemptErrors30 }: PoolTraffic): UpstreamTraffic | undefined {
  if (attemptErrors30 <= 0) return undefined;
  return upstreams.find(({ errors30 }) => errors30 >= attemptErrors30 / 2);
}
