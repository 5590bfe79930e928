/** Problems of an upstream that serves, but differs from its peers: its requests fail, or take much longer. */

import {
  advice,
  drainAdvice,
  effectOfDraining,
  endFaultAdvice,
  linksTo,
  readAct,
  upstreamAct,
} from "./advice.ts";
import { causeFrom, changeBefore } from "./cause.ts";
import { harmOfAttempts, hitsOf } from "./client-rule.ts";
import type { Detection } from "./detection.ts";
import type { DescriptionContext, Finding, FindingVerdict } from "./finding.ts";
import type { ProblemMeasure } from "./problem.ts";
import { PeerValues, wilsonLowerBound } from "./statistics.ts";
import { roundMultiple, roundShare } from "./steady-number.ts";
import type { PoolTraffic, UpstreamTraffic } from "./traffic.ts";
import type { UpstreamPast } from "./upstream-past.ts";
import { countText, reasonWords, millisText, percentText, statusIn } from "./wording.ts";

/** Requests in the window, below which nothing is said. */
const [errorRequests, slowRequests] = [20, 50];

/** With fewer peers to compare with, an upstream is compared with its own usual of that hour. */
const minimumPeers = 2;

const errorEnter = { share: 0.05, shareAlone: 0.1, multiple: 5, points: 0.05, wilson: 0.03 };
const errorLeave = { share: 0.025, multiple: 2.5 };
const slowEnter = { multiple: 3, ms: 200 };
const slowLeave = { multiple: 2, ms: 100 };

/** A slow upstream with so much of its pool's traffic is noticed. */
const noticedShare = 0.1;

/** What the upstreams of one pool have in common, computed once for all of them. */
export class PoolComparison {
  readonly pool: PoolTraffic;
  /** Sorted when the first upstream is compared: in most seconds none is. */
  #shares: PeerValues | undefined;
  #latencies: PeerValues | undefined;

  constructor(pool: PoolTraffic) {
    this.pool = pool;
  }

  #sharesOfAll(): PeerValues {
    const shares: number[] = [];
    for (const { sample, requests30, errorShare } of this.pool.upstreams)
      if (!sample.hasFault && requests30 >= errorRequests) shares.push(errorShare);
    return new PeerValues(shares);
  }

  #latenciesOfAll(): PeerValues {
    const latencies: number[] = [];
    for (const { sample, requests60 } of this.pool.upstreams)
      if (!sample.hasFault && requests60 >= slowRequests && sample.p95Ms !== null)
        latencies.push(sample.p95Ms);
    return new PeerValues(latencies);
  }

  /** The median error share of its peers; of its usual hours where there are too few. */
  sharesFor(upstream: UpstreamTraffic): Comparison {
    const usual = () => this.pool.sample.usualOf(upstream.sample.id)?.errorShare ?? 0;
    this.#shares ??= this.#sharesOfAll();
    return this.#compare(this.#shares, upstream, upstream.errorShare) ?? { median: usual(), peers: 0 };
  }

  /** Undefined if there is nothing to compare with. */
  latenciesFor(upstream: UpstreamTraffic): Comparison | undefined {
    this.#latencies ??= this.#latenciesOfAll();
    const found = this.#compare(this.#latencies, upstream, upstream.sample.p95Ms ?? 0);
    if (found) return found;
    const usual = this.pool.sample.usualOf(upstream.sample.id)?.p95Ms ?? null;
    return usual === null ? undefined : { median: usual, peers: 0 };
  }

  #compare(values: PeerValues, { sample }: UpstreamTraffic, own: number): Comparison | undefined {
    // One with an injected fault is not among the values.
    const peers = values.count - (sample.hasFault ? 0 : 1);
    if (peers < minimumPeers) return undefined;
    const median = sample.hasFault ? values.median : values.medianWithout(own);
    return median === undefined ? undefined : { median, peers };
  }
}

interface Comparison {
  readonly median: number;
  /** How many peers; 0 if it is compared with its own past. */
  readonly peers: number;
}

/** @param comparison of its pool */
export function detectUpstreamTraffic(
  comparison: PoolComparison,
  upstream: UpstreamTraffic,
  detection: Detection,
): void {
  detectErrors(comparison, upstream, detection);
  detectSlowness(comparison, upstream, detection);
}

function detectErrors(comparison: PoolComparison, upstream: UpstreamTraffic, detection: Detection): void {
  const { sample, requests30, errors30, errorShare } = upstream;
  const past = detection.pastOf(sample.id);
  // Most upstreams have no errors at all.
  if (requests30 >= errorRequests && errorShare < errorLeave.share) return past.forgetReasons();
  const isOpen = detection.isOpen("upstream_errors", sample.id);
  if (requests30 < errorRequests) {
    past.forgetReasons();
    if (isOpen) detection.report(unknownFinding("upstream_errors", comparison.pool, upstream));
    return;
  }
  const { median, peers } = comparison.sharesFor(upstream);
  const verdict = errorVerdict({ share: errorShare, errors30, requests30, median, isAlone: peers === 0 });
  if (verdict === "clear") return past.forgetReasons();
  past.readReasons(sample, detection.sample.now);
  if (verdict === "enter" || isOpen) detection.suspects.add(sample.id);
  if (verdict === "enter" || isOpen)
    detection.report(errorFinding({ comparison, upstream, detection, past, verdict, median, peers }));
}

interface ErrorNumbers {
  readonly share: number;
  readonly errors30: number;
  readonly requests30: number;
  readonly median: number;
  readonly isAlone: boolean;
}

function errorVerdict(numbers: ErrorNumbers): FindingVerdict | "clear" {
  const { share, errors30, requests30, median, isAlone } = numbers;
  if (share < errorLeave.share || share < errorLeave.multiple * median) return "clear";
  const isHigh =
    share >= (isAlone ? errorEnter.shareAlone : errorEnter.share) &&
    share >= errorEnter.multiple * median &&
    share >= median + errorEnter.points;
  return isHigh && wilsonLowerBound(errors30, requests30) >= errorEnter.wilson ? "enter" : "hold";
}

interface TrafficSubject extends Comparison {
  readonly comparison: PoolComparison;
  readonly upstream: UpstreamTraffic;
  readonly detection: Detection;
  readonly verdict: FindingVerdict;
}

function errorFinding({
  comparison: { pool },
  upstream,
  detection,
  past,
  verdict,
  median,
  peers,
}: TrafficSubject & { readonly past: UpstreamPast }): Finding {
  const { sample, errors30, errorShare: share, requests30: n } = upstream;
  const harm = harmOfAttempts(pool, errors30);
  const measure: ProblemMeasure = {
    value: share,
    peers: median,
    enter: peers === 0 ? errorEnter.shareAlone : errorEnter.share,
    leave: errorLeave.share,
    window: "30s",
    n,
  };
  const failure = leadingFailureOf(past);
  return {
    ...common("upstream_errors", pool, upstream),
    verdict,
    level: sample.hasFault ? "notice" : harm.level,
    failing: harm.failing,
    isRehearsed: sample.hasFault,
    symptom: failure.symptom,
    describe: (context) => ({
      title: `${sample.id} ${failure.titleOf(percentText(context.steady.show("share", share, roundShare)))}`,
      hits: hitsOf(pool, harm, { failed: context.failed, otherwise: "No client: retries hide it." }),
      cause: causeFrom([
        peers > 0
          ? {
              words: `Only this upstream: the median of its ${peers} peers is ${percentText(median)}`,
              code: "outlier",
            }
          : { words: `More than its usual share at this hour, ${percentText(median)}`, code: "unusual" },
        change(detection, { pool, upstream, context }),
        sample.probePassed === true
          ? { words: "Its probe still passes, so it is not taken out", code: "probe_passes" }
          : undefined,
      ]),
      do: sample.hasFault
        ? endFaultAdvice(sample.id)
        : drainAdvice(pool, upstream, {
            id: context.id,
            beside: readAct("See failed requests"),
          }),
      measure,
      links: linksTo({ pool: pool.sample.name, upstream: sample.id }, context.since),
    }),
  };
}

interface LeadingFailure {
  readonly titleOf: (share: string) => string;
  readonly symptom: string;
}

/** By the reasons, which are read every few seconds only. */
const leadingFailures = new WeakMap<UpstreamPast["recentReasons"], LeadingFailure>();

function leadingFailureOf({ recentReasons }: UpstreamPast): LeadingFailure {
  const known = leadingFailures.get(recentReasons);
  if (known) return known;
  const found = leadingFailure(recentReasons);
  leadingFailures.set(recentReasons, found);
  return found;
}

/** What most of its errors are: one status, several 5xx, or a failure. */
function leadingFailure(reasons: UpstreamPast["recentReasons"]): LeadingFailure {
  const total = reasons.reduce((sum, [, count]) => sum + count, 0);
  const [first] = reasons;
  const statuses = reasons.filter(([reason]) => statusIn(reason) !== undefined);
  const responses = statuses.reduce((sum, [, count]) => sum + count, 0);
  if (first && first[1] >= total / 2) {
    const status = statusIn(first[0]);
    if (status !== undefined) return answersWith(status);
    const what = reasonWords(first[0]);
    return { titleOf: (share) => `fails ${share} of its requests: ${what}`, symptom: `fail: ${what}` };
  }
  if (responses >= total / 2 && total > 0) return answersWith("5xx");
  return { titleOf: (share) => `fails ${share} of its requests`, symptom: "fail requests" };
}

function answersWith(status: string): LeadingFailure {
  return {
    titleOf: (share) => `answers ${share} of its requests with ${status}`,
    symptom: `answer with ${status}`,
  };
}

function detectSlowness(comparison: PoolComparison, upstream: UpstreamTraffic, detection: Detection): void {
  const { sample, requests60 } = upstream;
  const { p95Ms } = sample;
  // No comparison can make it slow.
  if (requests60 >= slowRequests && p95Ms !== null && p95Ms < slowLeave.ms) return;
  const isOpen = detection.isOpen("upstream_slow", sample.id);
  if (requests60 < slowRequests || p95Ms === null) {
    if (isOpen) detection.report(unknownFinding("upstream_slow", comparison.pool, upstream));
    return;
  }
  const compared = comparison.latenciesFor(upstream);
  if (!compared) return;
  const { median } = compared;
  if (p95Ms < slowLeave.multiple * median || p95Ms < median + slowLeave.ms) return;
  const isHigh = p95Ms >= slowEnter.multiple * median && p95Ms >= median + slowEnter.ms;
  if (!isHigh && !isOpen) return;
  const verdict = isHigh ? "enter" : "hold";
  detection.report(slowFinding({ comparison, upstream, detection, verdict, ...compared }, p95Ms));
}

function slowFinding(
  { comparison: { pool }, upstream, detection, verdict, median, peers }: TrafficSubject,
  p95Ms: number,
): Finding {
  const { sample, requests60 } = upstream;
  const share = pool.attempts60 > 0 ? requests60 / pool.attempts60 : 0;
  const slowPerSecond = requests60 / 60;
  const multiple = p95Ms / Math.max(1, median);
  return {
    ...common("upstream_slow", pool, upstream),
    verdict,
    level: sample.hasFault ? "notice" : share >= noticedShare ? "critical" : "warning",
    failing: 0,
    waiting: slowPerSecond,
    isRehearsed: sample.hasFault,
    symptom: "are slow",
    describe: (context) => {
      const times = countText(context.steady.show("multiple", multiple, roundMultiple));
      const than = peers > 0 ? "its peers" : "usual";
      const { inFlight } = sample;
      const peersInFlight = meanInFlight(pool, sample.id);
      return {
        title: `${sample.id} is ${times} times slower than ${than}`,
        hits: {
          ...hitsOf(pool, { failing: 0, share: null }, { failed: context.failed, otherwise: "" }),
          words: `${percentText(share)} of the pool's requests wait for it, p95 ${millisText(p95Ms)}`,
        },
        cause: causeFrom([
          peers > 0
            ? {
                words: `Only this upstream: the p95 of its ${peers} peers is ${millisText(median)}`,
                code: "outlier",
              }
            : { words: `Its usual p95 at this hour is ${millisText(median)}`, code: "unusual" },
          change(detection, { pool, upstream, context }),
          peersInFlight !== undefined && inFlight > 3 * Math.max(1, peersInFlight)
            ? {
                words: `${countText(inFlight)} requests are in flight on it, ${countText(Math.round(peersInFlight))} on its peers`,
                code: "in_flight",
              }
            : undefined,
        ]),
        do: sample.hasFault ? endFaultAdvice(sample.id) : slowAdvice(pool, upstream, context),
        measure: {
          value: p95Ms,
          peers: median,
          enter: Math.max(slowEnter.multiple * median, median + slowEnter.ms),
          leave: Math.max(slowLeave.multiple * median, median + slowLeave.ms),
          window: "60s",
          n: requests60,
        },
        links: linksTo({ pool: pool.sample.name, upstream: sample.id }, context.since, "slow"),
      };
    },
  };
}

/** Less of the traffic shows whether load is the reason; a drain ends it. */
function slowAdvice(pool: PoolTraffic, upstream: UpstreamTraffic, { id }: DescriptionContext) {
  const name = upstream.sample.id;
  const weight = Math.max(1, Math.floor(upstream.sample.weight / 5));
  const drain = drainAdvice(pool, upstream, { id });
  if (weight >= upstream.sample.weight) return drain;
  const effect = effectOfDraining(pool, upstream);
  const act = upstreamAct({
    verb: "weight",
    upstream: name,
    label: `Set weight of ${name} to ${weight}`,
    isSafe: effect.isSafe,
    id,
    weight,
  });
  const { words: _, beside: __, ...drainAct } = drain;
  return advice(
    act,
    `Give it a fifth of its share: if it becomes fast, load is the reason. Otherwise drain it.`,
    drainAct,
  );
}

function meanInFlight({ upstreams }: PoolTraffic, except: string): number | undefined {
  const peers = upstreams.filter(({ sample }) => sample.fit && sample.id !== except);
  if (peers.length === 0) return undefined;
  return peers.reduce((sum, { sample }) => sum + sample.inFlight, 0) / peers.length;
}

function change(
  { sample: { events } }: Detection,
  {
    pool,
    upstream,
    context: { at, since },
  }: {
    readonly pool: PoolTraffic;
    readonly upstream: UpstreamTraffic;
    readonly context: DescriptionContext;
  },
) {
  return changeBefore({ events, at, since, pool: pool.sample.name, upstream: upstream.sample.id });
}

function common(kind: "upstream_errors" | "upstream_slow", pool: PoolTraffic, { sample }: UpstreamTraffic) {
  return { kind, key: sample.id, pool: pool.sample.name, upstream: sample.id } as const;
}

function unknownFinding(
  kind: "upstream_errors" | "upstream_slow",
  pool: PoolTraffic,
  upstream: UpstreamTraffic,
): Finding {
  return {
    ...common(kind, pool, upstream),
    ...{ verdict: "unknown", level: "warning", failing: 0, describe: () => undefined },
  };
}
