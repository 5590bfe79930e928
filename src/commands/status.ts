/** `evenkeel status`: how everything is, once or again every second. */

import type { AdminTarget } from "../cli/side-commands.ts";
import type { Verb } from "../cli/verbs.ts";
import type { AdminCall, Failed } from "./admin-call.ts";
import {
  type Cell,
  type ColumnsOptions,
  type ExitCode,
  plainText,
  renderColumns,
  type Terminal,
} from "./terminal.ts";
import { sleep, systemWallClock } from "../lib/clock.ts";
import type { PoolSnapshot, Snapshot, UpstreamSnapshot } from "../snapshot/snapshot.ts";
import { certificateText, refusedText, restartText, sheddingText, unsavedText } from "../wording/alerts.ts";
import {
  describeInjectedFault,
  faultProgress,
  formatAgo,
  formatCount,
  formatMs,
  formatRate,
  formatShare,
  formatSpan,
  formatTime,
  formatUptime,
  leftOf,
  nothing,
  uptimeSpan,
} from "../wording/format.ts";
import { isEjected, reasonSentence } from "../wording/reasons.ts";
import { type DashboardState, nextDashboardState, overallStatus } from "../wording/verdict.ts";

const refreshMs = 1_000;

/** With `--watch` it does not end by itself: it goes on through restarts of the balancer, and says so. */
export async function showStatus(
  { isWatched, asJson }: Extract<Verb, { verb: "status" }>,
  {
    ask: target,
    call,
    terminal,
  }: { readonly ask: AdminTarget; readonly call: AdminCall; readonly terminal: Terminal },
): Promise<ExitCode | Failed> {
  let picture: DashboardState | undefined;
  for (;;) {
    const response = await call({ path: "/api/snapshot" });
    if (response.kind === "failed" && !picture) return response;
    if (response.kind === "failed" && response.exitCode !== 3) return response;
    picture = renderStatus(
      picture,
      target,
      response.kind === "failed" ? response : (response.value as Snapshot),
    );
    const { snapshot, outage } = picture;
    if (asJson) {
      if (!outage) terminal.write(`${JSON.stringify(snapshot)}\n`);
    } else show(picture, terminal, isWatched);
    if (!isWatched) return snapshot && serves(snapshot) ? 0 : 1;
    await sleep(refreshMs);
  }
}

function renderStatus(
  previous: DashboardState | undefined,
  target: AdminTarget,
  response: Snapshot | Failed,
): DashboardState {
  const at = systemWallClock();
  // The command line asks nobody but the admin side: the door is taken to be as the snapshot says.
  const frontDoor = { url: "", reachable: true, status: null, detail: "", latencyMs: 0, checkedAt: at };
  const reading =
    "exitCode" in response
      ? { error: { reason: "unreachable", message: "no answer" } as const }
      : { snapshot: response };
  return nextDashboardState(previous, { at, adminUrl: target.adminUrl, frontDoor, reading, trends: [] });
}

/** In place, without a flicker: each line is written over the one before, and what is left is cleared. */
function show(picture: DashboardState, terminal: Terminal, isWatched: boolean): void {
  const size = isWatched || terminal.isInteractive ? terminal.size() : undefined;
  const lines = statusLines(picture, { hasColour: terminal.hasColour, width: size?.columns });
  if (!isWatched || !terminal.isInteractive) {
    terminal.write(`${lines.join("\n")}\n${isWatched ? "\n" : ""}`);
    return;
  }
  const most = Math.max(2, (size?.rows ?? 24) - 1);
  const fitting =
    lines.length > most ? [...lines.slice(0, most - 1), `… ${lines.length - most + 1} more lines`] : lines;
  terminal.write(`\x1b[H${fitting.map((line) => `${line}\x1b[K\n`).join("")}\x1b[J`);
}

// A snapshot for a terminal: the verdict, then every pool with a line for each upstream.

type StatusPage = Omit<ColumnsOptions, "right">;

/** @param picture with a snapshot, or with an outage and what is left of one */
export function statusLines(picture: DashboardState, look: StatusPage): readonly string[] {
  const { tone, headline, reasons } = overallStatus(picture);
  const toneOf = { good: "green", warn: "yellow", bad: "red" } as const;
  const [verdict = ""] = renderColumns([[{ text: headline, tone: toneOf[tone] }]], { ...look, right: [] });
  const told = reasons.map((reason) => `  ${plainText(reasonSentence(reason))}`.slice(0, look.width));
  const { snapshot } = picture;
  if (!snapshot) return [verdict, ...told];
  return [
    verdict,
    ...told,
    ...alertLines(snapshot).map((line) => plainText(line).slice(0, look.width)),
    "",
    ...snapshot.pools.flatMap((pool) => [...poolLines(pool, snapshot, look), ""]),
    footOf(snapshot).slice(0, look.width),
  ];
}

/** Whether clients are served: it listens, and in every pool somebody is fit. */
export function serves({ phase, pools }: Snapshot): boolean {
  return phase === "ready" && pools.every(({ upstreams }) => upstreams.some(({ fit }) => fit));
}

const heads = [
  ...["UPSTREAM", "STATUS", "UPTIME", "UP/24H", "WEIGHT", "IN FLIGHT"],
  ...["RATE", "ERRORS", "P99", "WHY"],
];
const numbers = [2, 3, 4, 5, 6, 7, 8];

function poolLines(pool: PoolSnapshot, { at }: Snapshot, look: StatusPage): readonly string[] {
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
    ...(pool.panic ? ["PANIC: everybody serves"] : []),
  ];
  const head = renderColumns([[{ text: pool.name, tone: "bold" }, facts.join(", ")]], { ...look, right: [] });
  const rows = [
    heads.map((text): Cell => ({ text, tone: "dim" })),
    ...pool.upstreams.map((upstream) => rowOf(upstream, at)),
  ];
  return [...head, ...renderColumns(rows, { ...look, right: numbers })];
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

/** What an operator would ask about it next; empty if there is nothing to say. */
export function statusReason(upstream: UpstreamSnapshot, now: number): string {
  const { status, backup, slowStart, weight, effectiveWeight, modeSet, weightSet, added } = upstream;
  const { outlier, lastProbe, drain } = upstream;
  const whys: string[] = [];
  const fault = faultProgress(upstream);
  if (fault) whys.push(`rehearsal by ${fault.by}: ${describeInjectedFault(fault)}, ${leftOf(fault, now)}`);
  if (drain && !drain.drained) {
    const until = drain.deadline === null ? "" : `, ${formatSpan(drain.deadline - now)} left`;
    whys.push(`${drain.leaving ? "leaving" : "emptying"}: ${drain.inFlight} in flight${until}`);
  } else if (drain) whys.push("empty");
  if (modeSet && status === upstream.mode) whys.push(changeNote(modeSet, now));
  if (status === "failing" && lastProbe) {
    whys.push(`${lastProbe.detail} ${formatAgo(now - lastProbe.at)}`);
  }
  if (isEjected(upstream)) {
    const until = outlier.until === null ? "" : `, back in ${formatSpan(outlier.until - now)}`;
    whys.push(`${outlier.cause ?? outlier.reason ?? "failed requests"}${until}`);
  }
  if (slowStart !== null) {
    const counts = `counts as weight ${formatRate(effectiveWeight)} of ${weight}`;
    whys.push(`slow start ${formatShare(slowStart)}, ${counts}`);
  }
  if (backup) whys.push("backup");
  if (weightSet) whys.push(`weight ${changeNote(weightSet, now)}`);
  if (added) whys.push(`added ${changeNote(added, now)}`);
  return whys.join("; ");
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

// What `status` says before the pools because it concerns the whole balancer: the dashboard's alerts, a line each.

export function alertLines({
  at,
  memory,
  notKept,
  certificates = [],
  configuration,
}: Snapshot): readonly string[] {
  const { refused, needsRestart } = configuration;
  return [
    ...(memory.shedding ? sentencesOf(sheddingText(memory)) : []),
    ...(notKept ? sentencesOf(unsavedText(notKept)) : []),
    ...certificates.flatMap((certificate) => {
      const [what, deed] = certificateText(certificate, needsRestart, at) ?? [];
      return what === undefined ? [] : [what, `  ${deed}`];
    }),
    ...(refused ? refusedLines(refused) : []),
    ...(needsRestart.length > 0
      ? [`${restartText(needsRestart).slice(0, -1)}: ${needsRestart.join(", ")}`]
      : []),
  ];
}

/** What happens on one line and the rest on another: a terminal cuts what is too long for it. */
function sentencesOf(words: string): readonly string[] {
  const end = words.indexOf(". ") + 1;
  return end > 0 ? [words.slice(0, end), `  ${words.slice(end + 1)}`] : [words];
}

function refusedLines(refused: NonNullable<Snapshot["configuration"]["refused"]>): readonly string[] {
  const [what, outcome] = refusedText(refused);
  const [first, ...others] = refused.problems;
  const more = others.length > 0 ? ` (and ${others.length} more: evenkeel check)` : "";
  return [
    `${what} ${formatTime(refused.at)} ${outcome}`,
    ...(first === undefined ? [] : [`  ${first}${more}`]),
  ];
}
