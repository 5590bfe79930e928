/** A snapshot for a terminal: the verdict, then every pool with a line for each upstream. */

import type { DashboardState } from "../dashboard/picture.ts";
import {
  formatAgo,
  formatCount,
  formatMs,
  formatRate,
  formatShare,
  formatSpan,
  nothing,
} from "../wording/format.ts";
import { isEjected, reasonSentence } from "../wording/reasons.ts";
import { leftOf, faultProgress, describeInjectedFault } from "../dashboard/rehearsal-words.ts";
import { formatUptime, uptimeSpan } from "../dashboard/uptime-words.ts";
import { overallStatus } from "../wording/verdict.ts";
import type { PoolSnapshot, Snapshot, UpstreamSnapshot } from "../snapshot/snapshot.ts";
import { type Cell, renderColumns, type ColumnsOptions } from "./columns.ts";
import { alertLines } from "./status-alerts.ts";
import { plainText } from "./terminal.ts";

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
