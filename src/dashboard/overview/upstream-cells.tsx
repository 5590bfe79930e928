/** The cells of an upstream's row, and what its page shows in the same way: errors by reason, and a slow start. */
/** @jsxImportSource @kitajs/html */

import { usedElsewhereText } from "../../wording/fleet.ts";
import { type Quantity, Sparkline, trendOf } from "../charts/sparkline.tsx";
import { markup } from "../layout/shell.tsx";
import { upstreamTrends } from "../live/trend-reader.ts";
import type { Columns } from "../../history/point.ts";
import { ToneMark } from "../layout/tone-mark.tsx";
import { Bar } from "../layout/widgets.tsx";
import { pageOf } from "../location.ts";
import { anchorOf, attribute } from "../responses.ts";
import { probeNote, ProbeTicks } from "../upstream/probe-ticks.tsx";
import type { UpstreamSnapshot } from "../../snapshot/snapshot.ts";
import {
  faultProgress,
  formatCount,
  formatRate,
  formatShare,
  formatShort,
  formatSpan,
  nothing,
  timeLeft,
  uptimeShare,
  uptimeSpan,
} from "../../wording/format.ts";
import type { StateTone, RowState, UpstreamProblem } from "../../wording/row-state.ts";
import { concernOf, isStandbyBackup } from "../../wording/verdict.ts";

interface NameProps {
  readonly upstream: UpstreamSnapshot;
  readonly tone: StateTone;
}

export function NameCell({ upstream, tone }: NameProps): JSX.Element {
  const { id, url, added } = upstream;
  const host = URL.canParse(url) ? new URL(url).host : url;
  return (
    <th role="rowheader" scope="row" class="s-name">
      <StateMark tone={tone} mode={upstream.mode} />
      <a class="name" href={attribute(pageOf(id))} safe>
        {id}
      </a>
      {added ? <span class="tag">added</span> : ""}
      {host === id ? (
        ""
      ) : (
        <span class="addr" title={attribute(url)} safe>
          {host}
        </span>
      )}
    </th>
  );
}

interface StateMarkProps {
  readonly tone: StateTone;
  readonly mode?: UpstreamSnapshot["mode"];
}

export function StateMark({ tone, mode = "ready" }: StateMarkProps): JSX.Element {
  if (tone === "idle") return <ToneMark tone="calm" shape="ring" />;
  if (tone !== "calm" || mode === "ready") return <ToneMark tone={tone} />;
  return <ToneMark tone="calm" shape={mode === "maintenance" ? "pause" : "down"} />;
}

interface StateProps {
  readonly upstream: UpstreamSnapshot;
  readonly state: RowState;
  /** Epoch milliseconds by the balancer's clock. */
  readonly now: number;
}

export function StateCell({ upstream, state, now }: StateProps): JSX.Element {
  const { words, detail } = state;
  const { uptime } = upstream;
  const up = [uptimeSpan(uptime, now), uptimeShare(uptime)].filter((part) => part !== "").join(", ");
  const note = [words, detail, `Uptime: ${up}`].filter((part) => part !== "").join(". ");
  return (
    <td role="cell" class="s-state" title={attribute(note)}>
      <span class="state-words" safe>
        {words}
      </span>
      {faultProgress(upstream) && !words.startsWith("Fault") ? <span class="tag">fault injected</span> : ""}
    </td>
  );
}

/** What is drawn: what an upstream's problem is about, else its requests. */
function quantityOf(problem: UpstreamProblem | undefined): readonly [quantity: Quantity, kind: string] {
  if (problem?.kind === "upstream_slow") return ["p95Ms", "k-slow"];
  if (problem?.kind === "upstream_errors" || problem?.kind === "upstream_down")
    return ["errorsPerSecond", "k-errors"];
  return ["requestsPerSecond", "k-rate"];
}

/** Lines by what they draw. They change once a minute, and live pages need them each second. */
const drawn = new WeakMap<Columns, Map<Quantity, string>>();

interface TrendProps {
  /** The last half hour; undefined until it was read. */
  readonly trend: Columns | undefined;
  readonly problem: UpstreamProblem | undefined;
}

export function TrendCell({ trend, problem }: TrendProps): JSX.Element {
  return (
    <td role="cell" class="s-trend">
      {trend ? trendLine(trend, problem) : ""}
    </td>
  );
}

function trendLine(columns: Columns, problem: UpstreamProblem | undefined): string {
  const [quantity, kind] = quantityOf(problem);
  const lines = drawn.get(columns) ?? new Map<Quantity, string>();
  const known = lines.get(quantity);
  if (known !== undefined) return known;
  const line = <Sparkline trend={trendOf([columns], quantity)} kind={kind} spanMs={upstreamTrends.spanMs} />;
  const html = markup(line);
  drawn.set(columns, lines.set(quantity, html));
  return html;
}

export function ProbesCell({ upstream }: { readonly upstream: UpstreamSnapshot }): JSX.Element {
  return (
    <td role="cell" class="s-probes" title={attribute(`Probes: ${probeNote(upstream)}`)}>
      <ProbeTicks upstream={upstream} />
    </td>
  );
}

interface ShareProps {
  /** Of the pool's requests per second, 0–1. */
  readonly share: number;
  /** The share that its weight stands for, 0–1. */
  readonly fairShare: number;
}

/** The fair share stands in the middle of the bar, so that rows of pools of any size can be compared. */
export function ShareCell({ share, fairShare }: ShareProps): JSX.Element {
  const scale = fairShare > 0 ? Math.max(share, 2 * fairShare) : 1;
  const fair = `Fair by weight: ${fairShare > 0 ? formatShare(fairShare) : nothing}`;
  return (
    <td role="cell" class="s-share" title={attribute(fair)}>
      <span class="share">
        <Bar part={share / scale} height={6} mark={fairShare / scale} />
        <span class="share-text" safe>
          {formatShare(share)}
        </span>
      </span>
    </td>
  );
}

interface NumberProps {
  readonly value: string;
  /** Shown under the pointer; empty for none. */
  readonly note?: string;
  readonly kind?: string;
  /** Whether it is what the upstream's problem is about. */
  readonly isWrong?: boolean;
}

export function NumberCell({ value, note = "", kind = "", isWrong = false }: NumberProps): JSX.Element {
  return (
    <td
      role="cell"
      class={`s-num ${kind}`.trim()}
      {...(note === "" ? {} : { title: attribute(note) })}
      {...(isWrong ? { "data-wrong": true } : {})}
      safe
    >
      {value}
    </td>
  );
}

/** The share of errors, and the errors by reason in a popover, which needs no script. */
export function ErrorsCell({ upstream }: { readonly upstream: UpstreamSnapshot }): JSX.Element {
  const { id, traffic } = upstream;
  const reasons = errorReasonRows(upstream.errorsByReason);
  const list = anchorOf("errors", id);
  const share = formatShare(traffic.errorShare);
  const total = `${formatShort(traffic.errors)} total`;
  const isWrong = concernOf(traffic.errorShare) === "grave";
  if (reasons.length === 0)
    return <NumberCell kind="s-errors" value={share} note={total} isWrong={isWrong} />;
  return (
    <td role="cell" class="s-num s-errors" {...(isWrong ? { "data-wrong": true } : {})}>
      <button
        type="button"
        class="more"
        id={`${list}-button`}
        popovertarget={list}
        title={total}
        aria-label={attribute(`${share}, ${total} errors of ${id}, by reason`)}
        safe
      >
        {share}
      </button>
      <div class="popover" id={list} popover="auto">
        <h3 safe>{`Errors of ${id}`}</h3>
        <ReasonList reasons={reasons} />
      </div>
    </td>
  );
}

type ReasonCount = readonly [reason: string, count: number];

/** Reasons with their counts, the most frequent first. */
export function errorReasonRows(counts: Readonly<Record<string, number>>): readonly ReasonCount[] {
  return Object.entries(counts)
    .filter(([, count]) => count > 0)
    .toSorted(([, left], [, right]) => right - left);
}

/** Reasons as the log and the metrics name them, so that they can be looked up there. */
export function ReasonList({ reasons }: { readonly reasons: readonly ReasonCount[] }): JSX.Element {
  return (
    <dl class="reason-list">
      {reasons.map(([reason, count]) => (
        <div>
          <dt>
            <code safe>{reason}</code>
          </dt>
          <dd safe>{formatCount(count)}</dd>
        </div>
      ))}
    </dl>
  );
}

interface SlowStartProps {
  readonly upstream: UpstreamSnapshot;
  /** Whether to add the effective weight, where there is space for it. */
  readonly isFull?: boolean;
}

/** The progress of a slow start as a bar and as text. */
export function SlowStartBar({ upstream, isFull = false }: SlowStartProps): JSX.Element {
  const { slowStart, effectiveWeight, weight } = upstream;
  if (slowStart === null) return "";
  const more = isFull ? `: effective weight ${formatRate(effectiveWeight)} of ${weight}` : "";
  return (
    <span class="ramp">
      <Bar part={slowStart} height={4} />
      <span class="sub" safe>
        {`slow start ${formatShare(slowStart)}${more}`}
      </span>
    </span>
  );
}

/**
 * What an upstream's status means for its traffic, and since when.
 * @param now epoch milliseconds by the balancer's clock
 */
export function statusNote(upstream: UpstreamSnapshot, now: number): string {
  const { status, fit, statusSince } = upstream;
  const span = formatSpan(now - statusSince);
  if (status === "draining" || status === "maintenance") return outNote(upstream, now);
  if (isStandbyBackup(upstream)) return `on standby for ${span}`;
  if (fit) return `serving for ${span}`;
  // At its concurrency limit, or with a weight of 0: when that began is not known.
  return status === "passing" ? "takes no new requests" : `out for ${span}`;
}

function outNote(upstream: UpstreamSnapshot, now: number): string {
  const { drain, inFlight, statusSince } = upstream;
  // Safe only when the other balancers of a fleet do not use it any more either.
  const elsewhere = usedElsewhereText(upstream);
  if (inFlight === 0 && elsewhere !== "" && !drain?.leaving) return elsewhere;
  if (inFlight === 0) return drain?.leaving ? "being removed" : "safe to stop";
  return `${formatCount(inFlight)} in flight, ${timeLeft(upstream, now) ?? `for ${formatSpan(now - statusSince)}`}`;
}
