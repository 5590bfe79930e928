/** A drain on the upstream's own page: how far it is, by when it should be done, and what can be done about it. */
/** @jsxImportSource @kitajs/html */

import type { UpstreamDetail } from "../detail.ts";
import { intoPanel, isLate } from "./actions/menu.tsx";
import { Bar } from "./bar.tsx";
import { formatCount, formatSpan, formatTime, isoTime } from "../wording/format.ts";
import { locationFields, type PageLocation } from "./location.ts";
import { HiddenFields } from "./layout/forms.tsx";
import { timeLeft } from "./status-note.ts";

interface DrainLineProps {
  readonly detail: UpstreamDetail;
  readonly now: number;
}

export function DrainLine({ detail, now }: DrainLineProps): JSX.Element {
  const { drain, id } = detail;
  if (!drain) return "";
  const place: PageLocation = { page: "upstream", id };
  const late = isLate(detail, now);
  const { deadline, since, inFlight, drained, leaving } = drain;
  const whole = deadline === null ? 0 : deadline - since;
  const part = drained ? 1 : whole > 0 ? (now - since) / whole : 0;
  return (
    <section class="drain" data-tone={late ? "bad" : drained ? "good" : "calm"} aria-label="Drain">
      <p class="drain-count">
        <strong safe>{drained ? "Empty" : `${formatCount(inFlight)} to finish`}</strong>{" "}
        <span class="quiet" safe>
          {drained
            ? leaving
              ? "it leaves now"
              : "safe to stop"
            : (timeLeft(detail, now) ?? `for ${formatSpan(now - since)}, no deadline`)}
        </span>
      </p>
      <Bar part={part} height={6} />
      <div class="drain-more">
        <span class="sub">
          since{" "}
          <time datetime={isoTime(since)} safe>
            {formatTime(since)}
          </time>
          {deadline === null ? (
            ""
          ) : (
            <>
              , until{" "}
              <time datetime={isoTime(deadline)} safe>
                {formatTime(deadline)}
              </time>
            </>
          )}
        </span>
        {leaving ? (
          <span class="sub">then it leaves the pool</span>
        ) : (
          <form {...intoPanel} class="drain-acts" data-needs="operator">
            <HiddenFields fields={{ upstream: id, ...locationFields(place) }} />
            <button type="submit" name="act" value="ready">
              Undo: make ready
            </button>
            {drained ? (
              ""
            ) : (
              <button type="submit" name="act" value="drain">
                Another deadline
              </button>
            )}
            {late ? (
              <button type="submit" class="dire" name="act" value="cut">
                Cut what is left
              </button>
            ) : (
              ""
            )}
          </form>
        )}
      </div>
    </section>
  );
}
