/** What an upstream does now, in the few words that fit into a row of a table, and how bad that is. */

import { describeFault } from "../fault/fault.ts";
import type { ProblemKind, ProblemLevel, ServiceProblem } from "../problems/problem.ts";
import { reasonWords, sentenceCase, statusIn } from "../problems/wording.ts";
import type { UpstreamSnapshot } from "../snapshot/snapshot.ts";
import { usedElsewhereText } from "./fleet.ts";
import {
  faultProgress,
  formatCount,
  formatShare,
  formatSpan,
  formatTime,
  leftOf,
  timeLeft,
} from "./format.ts";
import { countedProblems } from "./problems.ts";
import { hasFreeSlot, isEjected, statusReasonOf } from "./reasons.ts";
import { isStandbyBackup } from "./verdict.ts";

/** `calm`: an operator wants it so, or it is as full as it may be. `idle`: it stands by. */
export type StateTone = "bad" | "warn" | "calm" | "idle" | "good";

export interface RowState {
  /** "Answers 30 % with 500", "Drained by ann: kernel update", "Serves" */
  readonly words: string;
  readonly tone: StateTone;
  /** In full, with the codes of log and API. */
  readonly detail: string;
}

/** What a problem says of one upstream. */
export interface UpstreamProblem {
  readonly kind: ProblemKind;
  readonly level: ProblemLevel;
  readonly title: string;
}

/** The worst problem of each upstream, also as a part of a problem of its pool. */
export function problemsByUpstream(
  problems: readonly ServiceProblem[],
): ReadonlyMap<string, UpstreamProblem> {
  const worst = new Map<string, UpstreamProblem>();
  for (const { subject, parts, ...problem } of countedProblems(problems)) {
    for (const said of [{ ...problem, upstream: subject.upstream }, ...parts]) {
      if (said.upstream !== null && !worst.has(said.upstream)) worst.set(said.upstream, said);
    }
  }
  return worst;
}

interface Moment {
  /** Epoch milliseconds by the balancer's clock. */
  readonly now: number;
  /** Whether its pool is in panic mode. */
  readonly isPanicking: boolean;
  readonly problem: UpstreamProblem | undefined;
}

export function rowState(upstream: UpstreamSnapshot, moment: Moment): RowState {
  const { now, problem } = moment;
  const fault = faultProgress(upstream);
  const injected = fault && `Fault injected by ${fault.by}, ${leftOf(fault, now)}`;
  const state = (words: string, tone: StateTone, detail = ""): RowState => ({
    words,
    tone,
    detail: [detail, injected && `${injected}: ${describeFault(fault)}`].filter(Boolean).join(". "),
  });
  if (upstream.mode !== "ready") return state(outText(upstream, now), "calm", usedElsewhereText(upstream));
  const troubled = problem?.level === "critical" ? "bad" : "warn";
  const reason = statusReasonOf(upstream);
  if (isEjected(upstream)) return state(ejectedText(upstream, moment), troubled, reason);
  // The problem of one that was out stays open for half a minute of service.
  if (problem?.kind === "upstream_down" && upstream.fit && upstream.status === "passing")
    return state("Serves again", "calm", problem.title);
  if (problem) return state(predicateOf(problem.title, upstream.id), troubled, problem.title);
  if (upstream.status === "failing") return state(failingText(reason), "warn", reason);
  if (upstream.status === "checking") return state("Being checked", "warn");
  if (injected) return state(injected, "calm");
  return idleState(upstream, state) ?? state("Serves", "good");
}

/** Of an upstream that passes its probes, where it does not simply serve. */
function idleState(
  upstream: UpstreamSnapshot,
  state: (words: string, tone: StateTone, detail?: string) => RowState,
): RowState | undefined {
  const { slowStart, effectiveWeight, weight, uptime, backup, fit, maxInFlight } = upstream;
  if (isStandbyBackup(upstream)) return state("Backup, stands by", "idle");
  if (weight === 0) return state("Weight 0: gets nothing", "calm");
  if (slowStart !== null) {
    const since = uptime.state === "up" ? ` since ${formatTime(uptime.since).slice(0, 5)}` : "";
    return state(`Back${since}, ${formatShare(effectiveWeight / weight)} of its share`, "calm");
  }
  if (!fit && !hasFreeSlot(upstream))
    return state(`All ${formatCount(maxInFlight ?? 0)} slots taken`, "calm", statusReasonOf(upstream));
  if (!fit) return state("Gets nothing", "warn");
  return backup ? state("Backup, serves", "good") : undefined;
}

/** Out by an operator's order or by the configuration. */
function outText(upstream: UpstreamSnapshot, now: number): string {
  const { mode, drain, inFlight, modeSet } = upstream;
  const actor = modeSet ? `by ${modeSet.by}${modeSet.why === "" ? "" : `: ${modeSet.why}`}` : "as configured";
  if (mode === "draining" && inFlight > 0) {
    const left = timeLeft(upstream, now);
    return `Draining: ${formatCount(inFlight)} in flight${left === undefined ? "" : `, ${left}`}`;
  }
  if (drain?.leaving) return "Being removed";
  // Safe to stop only when the other balancers of a fleet do not use it any more either.
  const elsewhere = usedElsewhereText(upstream);
  if (elsewhere !== "") return sentenceCase(elsewhere);
  return mode === "draining" ? `Drained ${actor}` : `In maintenance, ${actor}`;
}

function ejectedText(
  { status, outlier }: UpstreamSnapshot,
  { now, isPanicking }: Pick<Moment, "now" | "isPanicking">,
): string {
  if (isPanicking) return "Ejected, serves in panic mode";
  if (status === "probation") return "One request tries it";
  const why = outlier.cause ?? outlier.reason;
  const code = why === null ? undefined : statusIn(why);
  const cause = why === null ? "" : code === undefined ? `: ${reasonWords(why)}` : `: answered ${code}`;
  // Rounded up, so that the last second is not shown as 0.
  const left = outlier.until === null ? "" : ` for ${formatSpan(outlier.until - now + 999)}`;
  return `Out${left}${cause}`;
}

/** @param detail the words of the probe */
function failingText(detail: string): string {
  if (/refused/.test(detail)) return "Refuses connections";
  return detail === "" ? "Fails its check" : `Fails its check: ${statusIn(detail) ?? detail}`;
}

/** The title of a problem without its subject: "Answers 30 % with 500", "8 × slower than its peers". */
function predicateOf(title: string, id: string): string {
  const rest = title.startsWith(`${id} `) ? title.slice(id.length + 1) : title;
  const brief = rest.replace(/^is (?:(\d[\d,.]*) times )?/, (_, times?: string) =>
    times ? `${times} × ` : "",
  );
  return sentenceCase(brief.replace(/(\d %) of its requests/, "$1"));
}
