/** The verdict in one sentence with its reasons, at the top of the overview. */
/** @jsxImportSource @kitajs/html */

import { Moment, ZoneName } from "../history/moment.tsx";
import { ToneMark } from "../layout/tone-mark.tsx";
import type { Reason } from "../../wording/reasons.ts";
import type { OverallStatus } from "../../wording/verdict.ts";

export function VerdictBand({ status }: { readonly status: OverallStatus }): JSX.Element {
  return (
    <section class="verdict" data-tone={status.tone}>
      <ToneMark tone={status.tone} />
      <div class="verdict-text" role="status" aria-live="polite">
        <Headline status={status} />
        <Reasons reasons={status.reasons} />
      </div>
    </section>
  );
}

/** "On an even keel." is what one sees from afar; the rest of the sentence is its evidence. */
export function Headline({ status: { tone, headline } }: { readonly status: OverallStatus }): JSX.Element {
  const [, lead = headline, rest = ""] = tone === "good" ? (/^(.*?\.) (.*)$/.exec(headline) ?? []) : [];
  return (
    <h1>
      <span safe>{lead}</span>{" "}
      {rest === "" ? (
        ""
      ) : (
        <span class="verdict-rest" safe>
          {rest}
        </span>
      )}
    </h1>
  );
}

export function Reasons({ reasons }: { readonly reasons: readonly Reason[] }): JSX.Element {
  return (
    <ul class="reasons">
      {reasons.map((reason) => (
        <ReasonItem reason={reason} />
      ))}
    </ul>
  );
}

/** The age is hidden from screen readers, which would read it out every second. */
function ReasonItem({ reason: { text, age, why } }: { readonly reason: Reason }): JSX.Element {
  return (
    <li>
      <span safe>{text}</span>
      {age === undefined ? (
        ""
      ) : (
        <span class="age" aria-hidden="true" safe>
          {` ${age}`}
        </span>
      )}
      {why === undefined ? "" : <span safe>{`: ${why}`}</span>}
    </li>
  );
}

const minuteMs = 60_000;

/** "Sunday 29 November, 14:26 UTC", above the horizon. @param at epoch milliseconds */
export function DateLine({ at }: { readonly at: number }): JSX.Element {
  return (
    <p class="date-line quiet">
      <Moment at={Math.floor(at / minuteMs) * minuteMs} form="long" /> <ZoneName />
    </p>
  );
}
