/** The cells of an upstream's row that have more to tell than a number: status, uptime, probes and share. */
/** @jsxImportSource @kitajs/html */

import type { UpstreamSnapshot } from "../../snapshot/snapshot.ts";
import { Badge } from "../layout/widgets.tsx";
import { Bar } from "../bar.tsx";
import { formatShare, nothing } from "../../wording/format.ts";
import { ProbeTicks } from "../upstream/probe-ticks.tsx";
import { isEjected, statusReasonOf } from "../../wording/reasons.ts";
import { FaultBadge } from "../upstream/fault.tsx";
import { SlowStartBar } from "../slow-start.tsx";
import { rowNote } from "../status-note.ts";
import { uptimeShare, uptimeSpan } from "../uptime-words.ts";

interface CellProps {
  readonly upstream: UpstreamSnapshot;
  /** Epoch milliseconds by the balancer's clock. */
  readonly now: number;
}

interface StatusProps extends CellProps {
  /** Whether its pool panics. */
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
  /** What its weight stands for, 0–1. */
  readonly fairShare: number;
}

export function ShareCell({ share, fairShare }: ShareProps): JSX.Element {
  return (
    <td role="cell" class="c-share" data-label="Share">
      <span class="share">
        <Bar part={share} height={6} mark={fairShare} />
        <span class="share-word" safe>
          {formatShare(share)}
        </span>
      </span>
      <span class="sub" safe>
        {`fair ${fairShare > 0 ? formatShare(fairShare) : nothing}`}
      </span>
    </td>
  );
}
