/** The top of an upstream's page: what it is, how it is and why, and what can be done about it. */
/** @jsxImportSource @kitajs/html */

import { intoPanel, isLate, RowActions } from "../actions/menu.tsx";
import { newestFirst } from "../events/filter.ts";
import { EventItems } from "../events/timeline.tsx";
import { HiddenFields } from "../layout/forms.tsx";
import { Badge, Bar, Glyph, toneShapes } from "../layout/widgets.tsx";
import type { UpstreamPageState } from "../live/upstream-poller.ts";
import { locationFields, type PageLocation } from "../location.ts";
import { statusNote, timeLeft } from "../overview/upstream-cells.tsx";
import { attribute } from "../responses.ts";
import type { ChangeStamp, UpstreamDetail } from "../../snapshot/snapshot.ts";
import { formatAgo, formatCount, formatSpan, formatTime, isoTime } from "../../wording/format.ts";
import { statusReasonOf } from "../../wording/reasons.ts";
import { type DashboardState, isStandbyBackup, overallStatus, type Tone } from "../../wording/verdict.ts";

interface HeadProps {
  readonly shown: UpstreamPageState;
  readonly now: number;
}

export function UpstreamHead({ shown, now }: HeadProps): JSX.Element {
  const { id, detail, error } = shown;
  const tone = error || !detail ? "bad" : toneOf(detail);
  return (
    <section class="verdict" data-tone={tone}>
      <Glyph shape={toneShapes[tone]} />
      <div class="verdict-words">
        <h1 safe>{id}</h1>
        <div class="reasons" role="status" aria-live="polite">
          {error ? (
            <span safe>{troubleText(shown)}</span>
          ) : detail ? (
            <>
              <Badge status={detail.status} />
              <span class="age" aria-hidden="true" safe>
                {statusNote(detail, now)}
              </span>
              <span data-concern={tone === "bad" ? "grave" : "none"} safe>
                {statusReasonOf(detail)}
              </span>
            </>
          ) : (
            ""
          )}
        </div>
        {detail ? (
          <ul class="facts">
            {factsOf(detail, now).map((fact) => (
              <li safe>{fact}</li>
            ))}
          </ul>
        ) : (
          ""
        )}
      </div>
      {detail ? (
        <div class="head-actions">
          <RowActions upstream={detail} now={now} place={{ page: "upstream", id }} />
        </div>
      ) : (
        ""
      )}
    </section>
  );
}

function toneOf(detail: UpstreamDetail): Tone {
  if (detail.fit || isStandbyBackup(detail)) return "good";
  return detail.status === "failing" || detail.status === "ejected" ? "bad" : "warn";
}

/** The page is of one upstream, but what is wrong may be the whole balancer. */
function troubleText({ error, state, detail, at }: UpstreamPageState): string {
  if (error?.reason === "missing") return "There is no such upstream, or no longer.";
  const age = detail && state.readAt > 0 ? `, last picture ${formatAgo(at - state.readAt)}` : "";
  return `${overallStatus(state).headline}: ${error?.message ?? "no answer"}${age}`;
}

/** "ann 3 min ago: kernel update" */
function changeText(mark: ChangeStamp, now: number): string {
  return `${mark.by} ${formatAgo(now - mark.at)}${saying(mark)}`;
}

function saying({ why: reason }: ChangeStamp): string {
  return reason === "" ? "" : `: ${reason}`;
}

function factsOf(detail: UpstreamDetail, now: number): readonly string[] {
  const { url, pool, policy, weight, weightSet, backup, added, mode, modeSet } = detail;
  return [
    ...[url, `pool ${pool}`, policy],
    ...(mode !== "ready" && modeSet ? [`${mode} set ${formatAgo(now - modeSet.at)}`] : []),
    `weight ${weight}${weightSet ? `, set by ${changeText(weightSet, now)}` : ""}`,
    ...(backup ? ["backup"] : []),
    ...(added ? [`added by ${changeText(added, now)}`] : []),
  ];
}

// A drain on the upstream's own page: how far it is, by when it should be done, and what can be done about it.

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

// What happened to one upstream lately, on its own page: how it came to what it is.

/** The page of events has the others. */
const maxShown = 6;

export function UpstreamEvents({
  detail: { id, pool },
  state,
}: {
  readonly detail: UpstreamDetail;
  readonly state: DashboardState;
}): JSX.Element {
  const events = state.snapshot?.pools.find(({ name }) => name === pool)?.events ?? [];
  const own = newestFirst(events.filter(({ upstream }) => upstream === id)).slice(0, maxShown);
  return (
    <section class="card" aria-labelledby="own-events-name">
      <header class="card-head">
        <h2 id="own-events-name">Events</h2>
        <a href={attribute(`/events?${new URLSearchParams({ upstream: id })}`)}>All of this upstream</a>
      </header>
      {own.length > 0 ? (
        <ol class="events in-card">
          <EventItems events={own} />
        </ol>
      ) : (
        <p class="empty">None among the last events of its pool.</p>
      )}
    </section>
  );
}
