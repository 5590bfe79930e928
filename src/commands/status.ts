/** `evenkeel status`: the overall status with all pools and upstreams, once or every second. */

import type { AdminTarget } from "../cli/side-commands.ts";
import type { Verb } from "../cli/verbs.ts";
import { isSnapshot } from "../client/decoders.ts";
import { describeFault } from "../fault/fault.ts";
import { systemWallClock } from "../lib/clock.ts";
import { asRecord } from "../lib/json.ts";
import { fleetKinds } from "../problems/fleet-problems.ts";
import { isOpenProblem, type ProblemKind, type ServiceProblem } from "../problems/problem.ts";
import type { PoolSnapshot, Snapshot, UpstreamSnapshot } from "../snapshot/snapshot.ts";
import {
  certificateText,
  exhaustionText,
  orderText,
  refusedText,
  restartText,
  sheddingText,
  failedUpgradeText,
  unsavedText,
} from "../wording/alerts.ts";
import {
  faultProgress,
  formatAgo,
  formatCount,
  formatMs,
  formatRate,
  formatShare,
  formatSpan,
  formatDatedTime,
  formatUptime,
  leftOf,
  nothing,
  timeLeft,
  uptimeSpan,
} from "../wording/format.ts";
import { countedProblems, hasCritical, isServing } from "../wording/problems.ts";
import { fleetConcerns, isFleetWhole, usedElsewhereText } from "../wording/fleet.ts";
import { isEjected, reasonSentence } from "../wording/reasons.ts";
import { sourceText } from "../wording/sources.ts";
import { type DashboardState, nextDashboardState, overallStatus } from "../wording/verdict.ts";
import type { AdminCall, Failed } from "./admin-call.ts";
import { fleetLines, readFleet } from "./fleet.ts";
import { closedLines, problemLines } from "./problem-lines.ts";
import { showLines, showReadings } from "./screen.ts";
import {
  type Cell,
  type ColumnsOptions,
  type ExitCode,
  plainText,
  renderColumns,
  type Terminal,
} from "./terminal.ts";

/** With `--watch` it runs until it is interrupted, also while the balancer is unreachable. */
export async function showStatus(
  { isWatched, asJson, withFleet = false }: Extract<Verb, { verb: "status" }>,
  {
    target,
    call,
    terminal,
  }: { readonly target: AdminTarget; readonly call: AdminCall; readonly terminal: Terminal },
): Promise<ExitCode | Failed> {
  let state: DashboardState | undefined;
  const show = (reading: Snapshot | Failed): DashboardState => {
    const current = (state = stateAfter(state, target, reading));
    if (!asJson) showLines((layout) => statusLines(current, { ...layout, withFleet }), terminal, isWatched);
    return current;
  };
  return await showReadings(isWatched, {
    async read() {
      const response = await call({ path: "/api/snapshot", isExpected: isSnapshot });
      if (response.kind === "failed" || !withFleet || (response.value as Snapshot).fleet) return response;
      // Says why in the balancer's words.
      const refused = await readFleet(call);
      return refused.kind === "failed" ? refused : response;
    },
    show(value) {
      const { snapshot } = show(value as Snapshot);
      if (asJson) terminal.write(`${JSON.stringify(snapshot)}\n`);
      const isWell = snapshot && serves(snapshot) && !hasCritical(snapshot.problems ?? []);
      return isWell && (!withFleet || !snapshot.fleet || isFleetWhole(snapshot.fleet)) ? 0 : 1;
    },
    showFailure(failed) {
      show(failed);
      if (asJson) terminal.warn(failed.text);
    },
  });
}

/**
 * `evenkeel status --ready`: whether the balancer accepts clients, whatever the state of its upstreams. A health check that
 * also failed without upstreams would restart balancers that are fine.
 */
export async function showReadiness(call: AdminCall, terminal: Terminal): Promise<ExitCode | Failed> {
  const response = await call({
    path: "/readyz",
    alsoExpected: 503,
    isExpected: (value) => typeof asRecord(value)["status"] === "string",
  });
  if (response.kind === "failed") return response;
  terminal.write(`${plainText(String(asRecord(response.value)["status"]))}\n`);
  return response.status === 200 ? 0 : 1;
}

function stateAfter(
  previous: DashboardState | undefined,
  target: AdminTarget,
  response: Snapshot | Failed,
): DashboardState {
  const at = systemWallClock();
  // The command calls only the admin API, so the client listener counts as reachable.
  const listenerCheck = { url: "", reachable: true, status: null, detail: "", latencyMs: 0, checkedAt: at };
  const reading =
    "exitCode" in response
      ? { error: { reason: "unreachable", message: "no response" } as const }
      : { snapshot: response };
  return nextDashboardState(previous, { at, adminUrl: target.adminUrl, listenerCheck, reading, trends: [] });
}

/** Colours and width of the output, and whether it lists the balancers of the fleet. */
type StatusLayout = Omit<ColumnsOptions, "right"> & { readonly withFleet?: boolean };

/**
 * Renders the overall status, alerts, and every pool with one line per upstream.
 * @param state with a snapshot, or with an outage and possibly the last snapshot
 */
export function statusLines(state: DashboardState, layout: StatusLayout): readonly string[] {
  const { snapshot } = state;
  if (!snapshot) return verdictLines(state, layout);
  // An older balancer has no list.
  const problems = state.outage ? [] : (snapshot.problems ?? []);
  const open = problems.filter(isOpenProblem);
  return [
    ...(snapshot.phase === "ready" && countedProblems(open).length > 0 ? [] : verdictLines(state, layout)),
    ...problemLines(open, layout),
    ...closedLines(
      problems.filter((problem) => !isOpenProblem(problem)),
      layout,
    ),
    ...alertLines(snapshot, new Set(open.map(({ kind }) => kind))).map((line) =>
      plainText(line).slice(0, layout.width),
    ),
    ...fleetPart(snapshot, open, layout),
    "",
    ...snapshot.pools.flatMap((pool) => [...poolLines(pool, snapshot, layout), ""]),
    footOf(snapshot).slice(0, layout.width),
  ];
}

/** The balancers, or only what is not as it should be and no problem yet. */
function fleetPart(
  { fleet, at }: Pick<Snapshot, "fleet" | "at">,
  open: readonly ServiceProblem[],
  layout: StatusLayout,
): readonly string[] {
  if (!fleet) return [];
  if (layout.withFleet) return ["", ...fleetLines(fleet, layout, at)];
  if (open.some(({ kind }) => fleetKinds.some((one) => one === kind))) return [];
  return fleetConcerns(fleet).map((concern) => plainText(`Fleet: ${concern}.`).slice(0, layout.width));
}

/** The overall status with its reasons. */
function verdictLines(state: DashboardState, layout: StatusLayout): readonly string[] {
  const { tone, headline, reasons } = overallStatus(state);
  const { snapshot, outage } = state;
  const isWell = tone === "good" && snapshot?.phase === "ready" && !outage;
  const toneOf = { good: "green", warn: "yellow", bad: "red" } as const;
  const [verdict = ""] = renderColumns([[{ text: headline, tone: toneOf[tone] }]], { ...layout, right: [] });
  if (isWell) return [verdict];
  return [
    verdict,
    ...reasons.map((reason) => `  ${plainText(reasonSentence(reason))}`.slice(0, layout.width)),
  ];
}

/** Whether the balancer listens and every pool has an upstream that serves. */
export function serves({ phase, pools }: Snapshot): boolean {
  return phase === "ready" && pools.every(({ upstreams }) => upstreams.some(isServing));
}

const heads = [
  ...["UPSTREAM", "STATUS", "UPTIME", "UP/24H", "WEIGHT", "IN FLIGHT"],
  ...["RATE", "ERRORS", "P99", "WHY"],
];
const numbers = [2, 3, 4, 5, 6, 7, 8];

function poolLines(pool: PoolSnapshot, { at }: Snapshot, layout: StatusLayout): readonly string[] {
  const { traffic } = pool;
  const hedged = pool.hedges.won + pool.hedges.lost;
  const facts = [
    pool.policy,
    `${formatRate(traffic.requestsPerSecond)}/s`,
    `${formatShare(traffic.errorShare)} errors`,
    `p50 ${formatMs(traffic.p50Ms)}`,
    `p95 ${formatMs(traffic.p95Ms)}`,
    `p99 ${formatMs(traffic.p99Ms)}`,
    `${formatCount(pool.queued)} queued`,
    ...(hedged > 0 ? [`${formatCount(hedged)} hedges, ${formatCount(pool.hedges.won)} won`] : []),
    ...(pool.panic ? ["panic mode"] : []),
  ];
  const head = renderColumns([[{ text: pool.name, tone: "bold" }, facts.join(", ")]], {
    ...layout,
    right: [],
  });
  const rows = [
    heads.map((text): Cell => ({ text, tone: "dim" })),
    ...pool.upstreams.map((upstream) => rowOf(upstream, at)),
  ];
  const sources = (pool.discovery ?? []).map((source) => `  ${sourceText(source, at)}`);
  return [
    ...head,
    ...sources.map((line) => plainText(line).slice(0, layout.width)),
    ...renderColumns(rows, { ...layout, right: numbers }),
  ];
}

const tones: Readonly<Record<string, Cell["tone"]>> = {
  passing: "green",
  failing: "red",
  ejected: "red",
};

function rowOf(upstream: UpstreamSnapshot, now: number): readonly (string | Cell)[] {
  const { id, status, uptime, weight, inFlight, traffic } = upstream;
  return [
    id,
    { text: status, tone: tones[status] ?? "yellow" },
    uptimeSpan(uptime, now),
    uptime.share === null ? nothing : formatUptime(uptime.share),
    String(weight),
    formatCount(inFlight),
    formatRate(traffic.requestsPerSecond),
    formatShare(traffic.errorShare),
    formatMs(traffic.p99Ms),
    statusReason(upstream, now) || nothing,
  ];
}

/** Why an upstream has its status: fault, drain, last failure, slow start, overrides. Empty if there is no reason to show. */
function statusReason(upstream: UpstreamSnapshot, now: number): string {
  const { status, backup, slowStart, weight, effectiveWeight, modeSet, weightSet, added } = upstream;
  const { outlier, lastProbe, drain } = upstream;
  const notes: string[] = [];
  const fault = faultProgress(upstream);
  if (fault) notes.push(`fault injection by ${fault.by}: ${describeFault(fault)}, ${leftOf(fault, now)}`);
  if (drain && !drain.drained) {
    const time = timeLeft(upstream, now);
    const until = time === undefined ? "" : `, ${time}`;
    const left = `${drain.inFlight} in flight`;
    notes.push(`${drain.leaving ? "draining for removal" : "draining"}: ${left}${until}`);
  } else if (drain) notes.push("drained");
  const elsewhere = usedElsewhereText(upstream);
  if (elsewhere !== "") notes.push(elsewhere);
  if (modeSet && status === upstream.mode) notes.push(changeNote(modeSet, now));
  if (status === "failing" && lastProbe) {
    notes.push(`${lastProbe.detail} ${formatAgo(now - lastProbe.at)}`);
  }
  if (isEjected(upstream)) {
    const until = outlier.until === null ? "" : `, probation in ${formatSpan(outlier.until - now)}`;
    notes.push(`${outlier.cause ?? outlier.reason ?? "failed requests"}${until}`);
  }
  if (slowStart !== null) {
    const current = `effective weight ${formatRate(effectiveWeight)} of ${weight}`;
    notes.push(`slow start ${formatShare(slowStart)}, ${current}`);
  }
  if (backup) notes.push("backup");
  const { discovered } = upstream;
  if (discovered?.gone) notes.push(`gone from ${discovered.source}`);
  else if (discovered?.name) notes.push(discovered.name);
  if (weightSet) notes.push(`weight ${changeNote(weightSet, now)}`);
  if (added) notes.push(`added ${changeNote(added, now)}`);
  return notes.join("; ");
}

function changeNote({ by, at, why }: { by: string; at: number; why: string }, now: number): string {
  return `by ${by} ${formatAgo(now - at)}${why === "" ? "" : `: ${why}`}`;
}

function footOf({ version, runtime, engine, listen, phase, startedAt, at, inFlight }: Snapshot): string {
  const up = formatSpan(at - startedAt);
  return plainText(
    `evenkeel ${version}, ${engine} engine, ${runtime}: ${phase} on ${listen}, up ${up}, ${inFlight} in flight`,
  );
}

/**
 * The alerts about the balancer itself, as on the dashboard: one line each, with details on the next.
 * @param listed kinds of problems that are listed already
 */
function alertLines(snapshot: Snapshot, listed: ReadonlySet<ProblemKind>): readonly string[] {
  const { memory, exhaustion, notKept, upgrade, certificates = [], orders = [], configuration } = snapshot;
  const { refused, needsRestart } = configuration;
  return [
    ...(memory.shedding && !listed.has("shedding") ? sentencesOf(sheddingText(memory)) : []),
    ...(exhaustion && !listed.has("exhaustion") ? sentencesOf(exhaustionText(exhaustion, snapshot.at)) : []),
    ...(notKept && !listed.has("state_not_kept") ? sentencesOf(unsavedText(notKept, snapshot.at)) : []),
    ...(upgrade?.failed && !listed.has("upgrade_failed")
      ? sentencesOf(failedUpgradeText(upgrade.failed, snapshot.at))
      : []),
    ...(listed.has("certificate") ? [] : certificates).flatMap((certificate) => {
      const [what, remedy] = certificateText(certificate, snapshot) ?? [];
      return what === undefined ? [] : [what, `  ${remedy}`];
    }),
    ...(listed.has("certificate") ? [] : orders).flatMap((order) => {
      const [what, remedy] = orderText(order, snapshot.at) ?? [];
      return what === undefined ? [] : [what, `  ${remedy}`];
    }),
    ...(refused && !listed.has("reload_refused") ? refusedLines(refused, snapshot.at) : []),
    ...(needsRestart.length > 0
      ? [`${restartText(needsRestart).slice(0, -1)}: ${needsRestart.join(", ")}`]
      : []),
  ];
}

/** Puts the first sentence on one line and the rest on another, because a terminal cuts long lines. */
function sentencesOf(text: string): readonly string[] {
  const end = text.indexOf(". ") + 1;
  return end > 0 ? [text.slice(0, end), `  ${text.slice(end + 1)}`] : [text];
}

function refusedLines(
  refused: NonNullable<Snapshot["configuration"]["refused"]>,
  now: number,
): readonly string[] {
  const [what, outcome] = refusedText(refused);
  const [first, ...others] = refused.problems;
  const more = others.length > 0 ? ` (${others.length} more; run evenkeel check)` : "";
  return [
    `${what} ${formatDatedTime(refused.at, now)} ${outcome}`,
    ...(first === undefined ? [] : [`  ${first}${more}`]),
  ];
}
