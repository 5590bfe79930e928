/** Problems of an upstream that is down, comes and goes, or fails each time it comes back. */

import { advice, endFaultAdvice, linksTo, seeUpstream, upstreamAct } from "./advice.ts";
import { causeFrom, changeBefore } from "./cause.ts";
import { harmOfAttempts, hitsOf } from "./client-rule.ts";
import type { Detection } from "./detection.ts";
import type { Description, DescriptionContext, Finding, FindingVerdict } from "./finding.ts";
import type { ProblemKind } from "./problem.ts";
import type { UpstreamSample } from "./sample.ts";
import { type Symptom, symptomOf } from "./symptom.ts";
import type { PoolTraffic, UpstreamTraffic } from "./traffic.ts";
import { isOutByOperator, type UpstreamPast } from "./upstream-past.ts";
import { countedNoun, percentText, spanText } from "./wording.ts";

export const upstreamKinds = [
  ...(["upstream_down", "upstream_errors", "upstream_slow", "probe_flaps", "start_stalled"] as const),
] satisfies readonly ProblemKind[];

/** Changes of the check's verdict in ten minutes. */
const maxCheckChanges = 6;

/** Of so many probes, this share failed although the upstream serves. */
const flapProbes = 40;
const flapShare = 0.3;

/** A slow start that takes this many times its configured time does not get on. */
const stalledStarts = 3;
const maxFailedReturns = 2;

/** An operator lets an upstream take requests again before its next probe has passed. */
const returnGraceMs = 10_000;

/** Opens nothing: an operator has taken it out, it stands by, or it gets no requests. */
export function isResting({ status, weight, backup, fit }: UpstreamSample): boolean {
  return isOutByOperator(status) || weight === 0 || (backup && !fit && status !== "passing");
}

/** Keeps what is open for an upstream that rests until its last request has ended. */
function releaseWhenEmpty(pool: PoolTraffic, { sample }: UpstreamTraffic, detection: Detection): void {
  const verdict = sample.inFlight === 0 ? "release" : "unknown";
  for (const kind of upstreamKinds)
    if (detection.isOpen(kind, sample.id))
      detection.report({
        ...{ kind, key: sample.id, pool: pool.sample.name, upstream: sample.id, verdict },
        ...{ level: "warning", failing: 0, describe: () => undefined },
      });
}

/** @returns whether the other detectors of upstreams may look at it */
export function detectUpstreamHealth(
  pool: PoolTraffic,
  upstream: UpstreamTraffic,
  detection: Detection,
): boolean {
  const { sample } = upstream;
  const past = detection.pastOf(sample.id);
  if (isResting(sample)) {
    releaseWhenEmpty(pool, upstream, detection);
    return false;
  }
  if (isWell(sample, past)) return true;
  const subject = { pool, upstream, detection };
  const flaps = flapsOf(sample, past);
  const stall = stallOf(pool, sample, { past, now: detection.sample.now });
  if (flaps) detection.report(finding(subject, { kind: "probe_flaps", ...flaps }));
  if (stall) detection.report(finding(subject, { kind: "start_stalled", ...stall }));
  const down = downOf(subject, past);
  if (!down) return true;
  detection.suspects.add(sample.id);
  const telling = [stall, flaps].find((one) => one?.verdict === "enter");
  detection.report(
    finding(subject, { kind: "upstream_down", ...down, ...(telling && { title: telling.title }) }),
  );
  return true;
}

/** Nearly all are, nearly always: then nothing more is looked at. */
function isWell({ status, probeHistory }: UpstreamSample, past: UpstreamPast): boolean {
  return status === "passing" && past.isSteady && !probeHistory.includes("-");
}

interface Subject {
  readonly pool: PoolTraffic;
  readonly upstream: UpstreamTraffic;
  readonly detection: Detection;
}

/** What is special about one of these problems. */
interface HealthFinding {
  readonly verdict: FindingVerdict;
  readonly title: string;
  readonly symptom: string;
  readonly evidence: { readonly words: string; readonly code: string };
  readonly openAfterMs?: number;
}

/** Undefined for one that serves. */
function downOf({ upstream: { sample } }: Subject, past: UpstreamPast): HealthFinding | undefined {
  const { id, status } = sample;
  if (status === "passing") return undefined;
  if (status === "checking" || status === "probation")
    return {
      verdict: status === "probation" ? "hold" : "unknown",
      title: status === "probation" ? `${id} is on trial: one request at a time` : id,
      symptom: "are on trial",
      evidence: { words: "Its ejection is over, and one request tries it", code: "probation" },
    };
  // Until enough probes have passed it is down for what failed before.
  const isPassing = sample.probePassed === true && past.failedProbe !== "";
  const symptom: Symptom = symptomOf(isPassing ? { ...sample, probeDetail: past.failedProbe } : sample);
  return {
    verdict: "enter",
    title: `${id} ${symptom.one}`,
    symptom: symptom.many,
    evidence: { words: symptom.evidence.replace(/\.$/, ""), code: symptom.code },
    ...(past.isReturning && { openAfterMs: returnGraceMs }),
  };
}

function flapsOf(sample: UpstreamSample, past: UpstreamPast): HealthFinding | undefined {
  const { id, probeHistory, status } = sample;
  const changes = past.checkChanges;
  const symptom = "are on and off";
  if (changes > 0)
    return {
      verdict: changes >= maxCheckChanges ? "enter" : "hold",
      title: `${id} is on and off: its check changed ${countedNoun(changes, "time")} in 10 min`,
      symptom,
      evidence: {
        words: `Its check changed ${countedNoun(changes, "time")}; the last probe: ${sample.probeDetail}`,
        code: "check_changes",
      },
    };
  if (status !== "passing" || probeHistory.length < flapProbes || !probeHistory.includes("-"))
    return undefined;
  const recent = probeHistory.slice(-flapProbes);
  const share = recent.split("-").length - 1;
  if (share < (flapShare / 2) * flapProbes) return undefined;
  return {
    verdict: share >= flapShare * flapProbes ? "enter" : "hold",
    title: `${id} serves, but ${percentText(share / flapProbes)} of its last ${flapProbes} checks failed`,
    symptom,
    evidence: {
      words: `${share} of its last ${flapProbes} checks failed, never enough in a row to take it out`,
      code: "checks_fail",
    },
  };
}

function stallOf(
  { sample: { slowStartMs } }: PoolTraffic,
  { id, status }: UpstreamSample,
  { past, now }: { readonly past: UpstreamPast; readonly now: number },
): HealthFinding | undefined {
  const symptom = "fail each time they come back";
  const { startingSince } = past;
  const hasFullShare = status === "passing" && startingSince === undefined;
  const returns = past.failedReturns(now);
  if (returns >= maxFailedReturns) {
    if (hasFullShare) return undefined;
    const evidence = {
      words: `It was ejected ${countedNoun(returns, "time")} within a minute of its return`,
      code: "failed_returns",
    };
    return { verdict: "enter", title: `${id} fails each time it comes back`, symptom, evidence };
  }
  if (startingSince === undefined || slowStartMs <= 0) return undefined;
  const isLong = now - startingSince > stalledStarts * slowStartMs;
  return {
    verdict: isLong ? "enter" : "hold",
    title: `${id} does not get through its slow start`,
    symptom,
    evidence: {
      words: `It has been starting for ${spanText(now - startingSince)}; a slow start takes ${spanText(slowStartMs)}`,
      code: "slow_start",
    },
  };
}

function finding(
  { pool, upstream, detection }: Subject,
  { kind, verdict, title, symptom, evidence, openAfterMs }: HealthFinding & { readonly kind: ProblemKind },
): Finding {
  const { sample } = upstream;
  const harm = harmOfAttempts(pool, kind === "upstream_down" ? upstream.errors30 : 0);
  return {
    ...{ kind, key: sample.id, pool: pool.sample.name, upstream: sample.id, verdict, symptom },
    level: sample.hasFault ? "notice" : harm.level,
    failing: harm.failing,
    isRehearsed: sample.hasFault,
    ...(openAfterMs !== undefined && { openAfterMs }),
    describe: (context): Description => ({
      title,
      hits: hitsOf(pool, harm, {
        failed: context.failed,
        otherwise: retriesHideIt(upstream) ? "No client: retries hide it." : "No client so far.",
      }),
      cause: causeFrom([
        evidence,
        changeBefore({
          events: detection.sample.events,
          ...{ at: context.at, since: context.since, pool: pool.sample.name, upstream: sample.id },
        }),
      ]),
      do: adviceFor(kind, sample, context),
      measure: null,
      links: linksTo({ pool: pool.sample.name, upstream: sample.id }, context.since),
    }),
  };
}

function retriesHideIt({ errors30 }: UpstreamTraffic): boolean {
  return errors30 > 0;
}

function adviceFor(kind: ProblemKind, { id, hasFault }: UpstreamSample, { id: problem }: DescriptionContext) {
  if (hasFault) return endFaultAdvice(id);
  const takeOut = upstreamAct({
    verb: "maintenance",
    upstream: id,
    label: `Put ${id} in maintenance`,
    isSafe: true,
    id: problem,
  });
  if (kind === "upstream_down")
    return advice(
      seeUpstream(id),
      "It gets no requests while it is down. Look at the server; it comes back by itself when its check passes.",
      takeOut,
    );
  if (kind === "probe_flaps")
    return advice(
      takeOut,
      "Take it out until its check is steady, or give the check more time (probe.timeout, probe.fall).",
      seeUpstream(id),
    );
  return advice(takeOut, "Take it out, and look at what fails while it starts.");
}
