/** The overview while all is well: the verdict on a day of traffic, with the boat at its end, and the evidence for it. */
/** @jsxImportSource @kitajs/html */

import { Lines, peakOf, type Trend, trendOf } from "../charts/sparkline.tsx";
import { ToneMark } from "../layout/tone-mark.tsx";
import { attribute } from "../responses.ts";
import type { ServiceProblem } from "../../problems/problem.ts";
import { isOpenProblem } from "../../problems/problem.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";
import {
  answeredProof,
  comingUpProof,
  type DayHistory,
  lastProblemText,
  nowText,
  type Proof,
  quietSince,
  roomProof,
  speedProof,
} from "../../wording/day.ts";
import { countWithNoun, formatRate, formatSpan } from "../../wording/format.ts";
import type { DashboardState, OverallStatus } from "../../wording/verdict.ts";
import { momentText } from "../../lib/time-range.ts";
import { currentTraffic } from "./current-traffic.ts";
import { addressOf } from "./problem-links.tsx";
import { Headline, Reasons } from "./verdict-band.tsx";

interface HorizonProps {
  readonly state: DashboardState;
  readonly snapshot: Snapshot;
  readonly status: OverallStatus;
  readonly problems: readonly ServiceProblem[];
  /** Whether the page has the line of this day already. */
  readonly hasWave: boolean;
}

export function Horizon({ state, snapshot, status, problems, hasWave }: HorizonProps): JSX.Element {
  const traffic = currentTraffic(state, undefined);
  const proofs = [
    answeredProof(state.day),
    speedProof(traffic?.p95Ms ?? null, snapshot.pools),
    roomProof(snapshot.pools),
  ];
  return (
    <section class="pool horizon-panel" id="horizon" aria-label="Verdict">
      <div class="horizon">
        <div class="horizon-words">
          <ToneMark tone="good" />
          <div role="status" aria-live="polite">
            <Headline status={status} />
            <Reasons reasons={status.reasons} />
            {state.day ? (
              <p class="quiet" safe>
                {quietSince(state.day, snapshot)}
              </p>
            ) : (
              ""
            )}
          </div>
        </div>
        <Sea day={state.day} rate={traffic?.requestsPerSecond} hasWave={hasWave} />
      </div>
      <dl class="proofs">
        {proofs.map((proof) => (
          <ProofItem proof={proof} />
        ))}
        <ComingUp problems={problems} snapshot={snapshot} />
      </dl>
    </section>
  );
}

function ProofItem({ proof: { name, value, note } }: { readonly proof: Proof }): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd class="proof-value" safe>
        {value}
      </dd>
      <dd class="quiet" safe>
        {note}
      </dd>
    </div>
  );
}

/** Notices that the horizon shows in place of the list of problems: of a fault injection its banner tells. */
export function comingNotices(problems: readonly ServiceProblem[]): readonly ServiceProblem[] {
  return problems.filter(
    (problem) => isOpenProblem(problem) && problem.level === "notice" && !problem.rehearsed,
  );
}

function ComingUp({ problems, snapshot }: Pick<HorizonProps, "problems" | "snapshot">): JSX.Element {
  const notices = comingNotices(problems);
  const [first, ...others] = notices;
  if (!first) return <ProofItem proof={comingUpProof(snapshot)} />;
  return (
    <div>
      <dt>Coming up</dt>
      <dd class="proof-value" safe>
        {countWithNoun(notices.length, "notice")}
      </dd>
      <dd class="quiet">
        <a href={attribute(addressOf(first))} safe>
          {first.title}
        </a>
        {others.length > 0 ? <a href="/events" safe>{`, and ${others.length} more`}</a> : ""}
      </dd>
    </div>
  );
}

/** Where the boat is: what lies before it is the day, what lies behind it is ahead. */
const nowShare = 0.93;

/** The highest value stands this far up: above it are the boat and its label. */
const peakShare = 0.58;

const hourMs = 3_600_000;
const minLineMs = hourMs / 4;
const dayMs = 24 * hourMs;

interface SeaProps extends Pick<HorizonProps, "hasWave"> {
  readonly day: DayHistory | undefined;
  /** Requests a second of now. */
  readonly rate: number | undefined;
}

function Sea({ day, rate, hasWave }: SeaProps): JSX.Element {
  const trend = trendOf(day ? [day.columns] : [], "requestsPerSecond");
  const top = Math.max(1, peakOf(trend)) / peakShare;
  const last = trend.values.findLast((value) => value !== null) ?? 0;
  const [x, y] = [percent(nowShare), percent(1 - last / top)];
  return (
    <div class="sea">
      {hasWave ? <div id="wave" data-kept></div> : <Wave day={day} trend={trend} top={top} last={last} />}
      <svg class="sea-signs" role="img" aria-label="Requests a second of the last 24 hours">
        <text class="sea-name" x="0" dx="6" y="20" safe>
          {`Requests/s, last 24 hours${knownText(day)}`}
        </text>
        <svg x={x} y={y} class="sea-here">
          <Boat />
          <text class="sea-now" y="-40" safe>
            {nowText(rate === undefined ? undefined : formatRate(rate))}
          </text>
        </svg>
      </svg>
    </div>
  );
}

/** Of a day of which a part is not known. */
function knownText(day: DayHistory | undefined): string {
  if (!day) return ": not known yet";
  return day.measuredMs < 23 * hourMs ? `: ${formatSpan(day.measuredMs)} of them are known` : "";
}

/** The boat of the icon. */
function Boat(): JSX.Element {
  return (
    <g class="boat" transform="translate(-20 -33) scale(1.25)">
      <path d="M15 2.5V16H5.5Z" opacity=".75" />
      <path d="M17.5 6.5V16H25Z" opacity=".45" />
      <path d="M2.5 18.5h27c-1.1 4.4-4.3 6.5-8.5 6.5H11c-4.2 0-7.4-2.1-8.5-6.5Z" />
      <path d="M13.25 25h5.5l-1.25 5h-3Z" />
    </g>
  );
}

interface WaveProps {
  readonly day: DayHistory | undefined;
  readonly trend: Trend;
  readonly top: number;
  readonly last: number;
}

/** Sent once a minute at most: the script keeps it otherwise. */
function Wave({ day, trend, top, last }: WaveProps): JSX.Element {
  if (!day) return <div id="wave"></div>;
  const { from, to } = day;
  const end = from + (to - from) / nowShare;
  const shape = { peak: top, from, to: end, filled: true };
  const newest = trend.at.at(-1) ?? to;
  const ahead = { at: [newest, end], values: [last, last] };
  return (
    <div id="wave">
      <Lines
        kind="sea-wave"
        lines={[
          // Of a few minutes there is no line to see.
          ...(day.measuredMs >= minLineMs ? [{ trend, kind: "k-rate", ...shape }] : []),
          { trend: ahead, kind: "k-ahead", ...shape },
        ]}
      />
      <svg class="sea-signs" id="sea-axis" aria-hidden="true" data-from={from} data-to={to} data-end={end}>
        {quarters(from, to).map((at) => (
          <text class="sea-time" x={percent((at - from) / (end - from))} y="100%" dy="-6" safe>
            {new Date(at).toISOString().slice(11, 16)}
          </text>
        ))}
        <text class="sea-zone" x="100%" y="100%" dx="-6" dy="-6">
          UTC
        </text>
      </svg>
    </div>
  );
}

/** The quarters of the day in this time, not too near to its ends. In the zone of the browser the script finds them. */
function quarters(from: number, to: number): readonly number[] {
  const first = Math.ceil((from + hourMs) / (dayMs / 4)) * (dayMs / 4);
  return [0, 1, 2, 3].map((index) => first + (index * dayMs) / 4).filter((at) => at < to - hourMs / 2);
}

function percent(share: number): string {
  return `${(Math.min(1, Math.max(0, share)) * 100).toFixed(2)}%`;
}

/** One line at the end of the page: what was wrong last. */
export function LastProblem({ day }: { readonly day: DayHistory | undefined }): JSX.Element {
  const last = day?.lastProblem;
  if (!last) return "";
  const query = new URLSearchParams({
    from: momentText(last.since - marginMs),
    to: momentText(last.closedAt + marginMs),
    at: momentText(last.since),
  });
  return (
    <p class="last-problem quiet">
      Last problem:{" "}
      <a href={attribute(`/history?${query}`)} safe>
        {lastProblemText(last)}
      </a>
    </p>
  );
}

/** What came before it and after it. */
const marginMs = 10 * 60_000;
