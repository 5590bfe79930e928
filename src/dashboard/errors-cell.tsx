/** How many of an upstream's answers are errors, and at a click which: a popover, which needs no script. */
/** @jsxImportSource @kitajs/html */

import type { UpstreamSnapshot } from "../snapshot/snapshot.ts";
import { anchorOf, attribute } from "./escape.ts";
import { formatCount, formatShare, formatShort } from "../wording/format.ts";
import { concernOf } from "../wording/verdict.ts";

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
            aria-label={attribute(`${formatCount(traffic.errors)} total errors of ${id}, by reason`)}
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

/** The most frequent first. */
export function errorReasonRows(counts: Readonly<Record<string, number>>): readonly ReasonCount[] {
  return Object.entries(counts)
    .filter(([, count]) => count > 0)
    .toSorted(([, left], [, right]) => right - left);
}

/** Words of the log and of the metrics, so that one can be looked up in the other. */
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
