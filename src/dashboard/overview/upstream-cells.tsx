/** The cells of an upstream's row that show more than a number: status, uptime, probes, share and errors. */
/** @jsxImportSource @kitajs/html */

import { usedElsewhereText } from "../../wording/fleet.ts";
import { Badge, Bar } from "../layout/widgets.tsx";
import { anchorOf, attribute } from "../responses.ts";
import { FaultBadge } from "../upstream/fault.tsx";
import { ProbeTicks } from "../upstream/probe-ticks.tsx";
import type { UpstreamSnapshot } from "../../snapshot/snapshot.ts";
import {
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
import { isEjected, statusReasonOf } from "../../wording/reasons.ts";
import { concernOf, isStandbyBackup } from "../../wording/verdict.ts";

interface CellProps {
  readonly upstream: UpstreamSnapshot;
  /** Epoch milliseconds by the balancer's clock. */
  readonly now: number;
}

interface StatusProps extends CellProps {
  /** Whether its pool is in panic mode. */
  readonly isPanicking: boolean;
}

export function StatusCell({ upstream, now, isPanicking }: StatusProps): JSX.Element {
  const { status } = upstream;
  const isWrong = status === "failing" || isEjected(upstream);
  const why = <Line text={statusReasonOf(upstream)} concern={isWrong ? "grave" : "none"} />;
  const note = <Line text={rowNote(upstream, now, isPanicking)} concern="none" />;
  return (
    <td role="cell" class="c-status" data-label="Status">
      <Badge status={status} />
      {isWrong ? [why, note] : [note, why]}
      <SlowStartBar upstream={upstream} />
      <FaultBadge upstream={upstream} now={now} />
    </td>
  );
}

function Line({ text, concern }: { readonly text: string; readonly concern: string }): JSX.Element {
  if (text === "") return "";
  return (
    <span class="sub" data-concern={concern} safe>
      {text}
    </span>
  );
}

export function UptimeCell({ upstream: { uptime }, now }: CellProps): JSX.Element {
  return (
    <td role="cell" class="c-uptime" data-label="Uptime">
      <span class="figure" data-concern={uptime.state === "down" ? "grave" : "none"} safe>
        {uptimeSpan(uptime, now)}
      </span>
      <span class="sub" safe>
        {uptimeShare(uptime)}
      </span>
    </td>
  );
}

export function ProbesCell({ upstream }: { readonly upstream: UpstreamSnapshot }): JSX.Element {
  return (
    <td role="cell" class="c-probe" data-label="Last 60 probes">
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

export function ShareCell({ share, fairShare }: ShareProps): JSX.Element {
  return (
    <td role="cell" class="c-share" data-label="Share">
      <span class="share">
        <Bar part={share} height={6} mark={fairShare} />
        <span class="share-text" safe>
          {formatShare(share)}
        </span>
      </span>
      <span class="sub" safe>
        {`fair ${fairShare > 0 ? formatShare(fairShare) : nothing}`}
      </span>
    </td>
  );
}

/** The share of errors, and the errors by reason in a popover, which needs no script. */
export function ErrorsCell({ upstream }: { readonly upstream: UpstreamSnapshot }): JSX.Element {
  const { id, traffic } = upstream;
  const reasons = errorReasonRows(upstream.errorsByReason);
  const list = anchorOf("errors", id);
  const total = `${formatShort(traffic.errors)} total`;
  return (
    <td role="cell" class="c-errors" data-label="Errors">
      <span class="figure" data-concern={concernOf(traffic.errorShare)} safe>
        {formatShare(traffic.errorShare)}
      </span>
      {reasons.length === 0 ? (
        <span class="sub" safe>
          {total}
        </span>
      ) : (
        <>
          <button
            type="button"
            class="sub more"
            id={`${list}-button`}
            popovertarget={list}
            aria-label={attribute(`${total} errors of ${id}, by reason`)}
            safe
          >
            {total}
          </button>
          <div class="popover" id={list} popover="auto">
            <h3 safe>{`Errors of ${id}`}</h3>
            <ReasonList reasons={reasons} />
          </div>
        </>
      )}
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

/**
 * The note for a table row, which shows the uptime in another column: only exceptional states, and what happens next.
 * @param isPanicking whether its pool is in panic mode
 */
export function rowNote(upstream: UpstreamSnapshot, now: number, isPanicking: boolean): string {
  const { status, outlier } = upstream;
  if (status === "draining" || status === "maintenance") return outNote(upstream, now);
  if (isEjected(upstream)) {
    if (isPanicking) return "serving in panic mode";
    if (status === "probation") return "one trial request";
    return outlier.until === null ? "" : `probation in ${formatSpan(outlier.until - now + 999)}`;
  }
  return isStandbyBackup(upstream) ? "on standby" : "";
}

function outNote(upstream: UpstreamSnapshot, now: number): string {
  const { drain, inFlight, statusSince } = upstream;
  // Safe only when the other balancers of a fleet do not use it any more either.
  const elsewhere = usedElsewhereText(upstream);
  if (inFlight === 0 && elsewhere !== "" && !drain?.leaving) return elsewhere;
  if (inFlight === 0) return drain?.leaving ? "being removed" : "safe to stop";
  return `${formatCount(inFlight)} in flight, ${timeLeft(upstream, now) ?? `for ${formatSpan(now - statusSince)}`}`;
}

/** Badges of an upstream: whether it is a backup, and whether it was added at run time. */
export function badgesOf({ backup, added }: UpstreamSnapshot): readonly string[] {
  return [...(backup ? ["backup"] : []), ...(added ? ["added"] : [])];
}
