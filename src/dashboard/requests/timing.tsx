/** The time of a request by phase: a bar per attempt on one time axis, with the numbers as text below it. */
/** @jsxImportSource @kitajs/html */

import type { AttemptRecord, RequestRecord } from "../../proxy/record.ts";
import { attribute } from "../responses.ts";
import { formatMs } from "../../wording/format.ts";
import { pageOf } from "../location.ts";
import { outcomeText } from "./row.tsx";

type Phase = "queued" | "connect" | "wait" | "body";

interface Segment {
  readonly phase: Phase;
  readonly fromMs: number;
  readonly toMs: number;
}

const phaseNames: Readonly<Record<Phase, string>> = {
  queued: "queued",
  connect: "connect",
  wait: "wait for headers",
  body: "body",
};

/** The phases of an attempt, in order. A reused connection has no connect phase. */
export function segmentsOf({ startMs, connectMs, headMs, endMs, phase }: AttemptRecord): readonly Segment[] {
  const segments: Segment[] = [];
  let reachedMs = 0;
  const add = (name: Phase, toMs: number) => {
    if (toMs > reachedMs) segments.push({ phase: name, fromMs: startMs + reachedMs, toMs: startMs + toMs });
    reachedMs = Math.max(reachedMs, toMs);
  };
  if (connectMs !== null) add("connect", connectMs);
  // It failed while connecting.
  if (connectMs === null && phase === "connect") add("connect", endMs);
  if (headMs === null) add("wait", endMs);
  else {
    add("wait", headMs);
    add("body", endMs);
  }
  return segments;
}

/** Ordered by start; the record orders them by end. */
function attemptsByStart({ attempts }: RequestRecord): readonly AttemptRecord[] {
  return attempts.toSorted((left, right) => left.startMs - right.startMs);
}

export function PhaseBars({ request }: { readonly request: RequestRecord }): JSX.Element {
  const attempts = attemptsByStart(request);
  const totalMs = Math.max(
    request.durationMs,
    request.queuedMs,
    ...attempts.map(({ startMs, endMs }) => startMs + endMs),
  );
  const queued: Segment = { phase: "queued", fromMs: 0, toMs: request.queuedMs };
  return (
    <div class="phases">
      <ol class="phase-rows">
        {request.queuedMs > 0 ? (
          <li class="phase-row">
            <p class="phase-name">Queue</p>
            <Bar segments={[queued]} totalMs={totalMs} isFailed={false} />
            <p class="phase-note quiet" safe>{`waited ${formatMs(request.queuedMs)} for a slot`}</p>
          </li>
        ) : (
          ""
        )}
        {attempts.map((attempt, index) => (
          <li class="phase-row" data-tone={attemptTone(attempt)}>
            <p class="phase-name">
              <span class="quiet" safe>{`${index + 1}.`}</span>{" "}
              <a href={attribute(pageOf(attempt.upstream))} safe>
                {attempt.upstream}
              </a>
              <span class="phase-outcome" safe>
                {outcomeText(attempt)}
              </span>
            </p>
            <Bar segments={segmentsOf(attempt)} totalMs={totalMs} isFailed={attempt.outcome === "failure"} />
            <p class="phase-note quiet" safe>
              {timeText(attempt)}
            </p>
          </li>
        ))}
      </ol>
      <p class="phase-axis quiet" aria-hidden="true">
        <span>0</span>
        <span safe>{formatMs(totalMs / 2)}</span>
        <span safe>{formatMs(totalMs)}</span>
      </p>
      <ul class="phase-legend" aria-hidden="true">
        {(Object.keys(phaseNames) as Phase[]).map((phase) => (
          <li class={`p-${phase}`} safe>
            {phaseNames[phase]}
          </li>
        ))}
      </ul>
    </div>
  );
}

function attemptTone({ outcome, status }: AttemptRecord): string {
  if (outcome === "failure" || status >= 500) return "bad";
  return outcome === "cancelled" ? "calm" : "good";
}

/** "from 12 ms: connect 0.4 ms, wait for headers 10 ms, body 1.2 ms" */
function timeText(attempt: AttemptRecord): string {
  const parts = segmentsOf(attempt).map(
    ({ phase, fromMs, toMs }) => `${phaseNames[phase]} ${formatMs(toMs - fromMs)}`,
  );
  const start = attempt.startMs >= 0.05 ? `from ${formatMs(attempt.startMs)}: ` : "";
  const reused =
    attempt.connectMs === null && attempt.phase !== "connect" && attempt.headMs !== null
      ? ["reused connection"]
      : [];
  return start + [...reused, ...parts].join(", ");
}

interface BarProps {
  readonly segments: readonly Segment[];
  readonly totalMs: number;
  readonly isFailed: boolean;
}

/** Hidden from screen readers: the text below it has the same numbers. */
function Bar({ segments, totalMs, isFailed }: BarProps): JSX.Element {
  const share = (ms: number) => (totalMs > 0 ? Math.min(1, Math.max(0, ms / totalMs)) * 100 : 0);
  const end = share(segments.at(-1)?.toMs ?? 0);
  return (
    <svg class="phase-bar" width="100%" height="16" aria-hidden="true">
      <rect class="phase-rest" width="100%" height="16" />
      {segments.map(({ phase, fromMs, toMs }) => (
        <rect
          class={`phase p-${phase}`}
          x={percent(share(fromMs))}
          width={percent(Math.max(0.3, share(toMs) - share(fromMs)))}
          height="16"
        />
      ))}
      {isFailed ? <rect class="phase-cut" x={percent(Math.min(99.6, end))} width="3" height="16" /> : ""}
    </svg>
  );
}

function percent(value: number): string {
  return `${value.toFixed(2)}%`;
}
