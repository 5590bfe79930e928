/** The header of an upstream's page: status, facts and actions, the progress of a drain, and recent events. */
/** @jsxImportSource @kitajs/html */

import { panelForm, isLate, RowActions } from "../actions/menu.tsx";
import { newestFirst } from "../events/filter.ts";
import { EventItems } from "../events/timeline.tsx";
import { HiddenFields } from "../layout/forms.tsx";
import { Badge, Bar, Glyph, toneShapes } from "../layout/widgets.tsx";
import type { UpstreamPageState } from "../live/upstream-poller.ts";
import { locationFields, type PageLocation } from "../location.ts";
import { statusNote } from "../overview/upstream-cells.tsx";
import { attribute } from "../responses.ts";
import type { ChangeStamp, UpstreamDetail } from "../../snapshot/snapshot.ts";
import type { ServiceProblem } from "../../problems/problem.ts";
import { countedProblems, hasCritical } from "../../wording/problems.ts";
import { usedElsewhereText } from "../../wording/fleet.ts";
import { formatAgo, formatCount, formatSpan, formatTime, isoTime, timeLeft } from "../../wording/format.ts";
import { statusReasonOf } from "../../wording/reasons.ts";
import { originText, sourceTextOf } from "../../wording/sources.ts";
import { type DashboardState, isStandbyBackup, overallStatus, type Tone } from "../../wording/verdict.ts";

interface HeadProps {
  readonly shown: UpstreamPageState;
  /** The ones of this upstream. */
  readonly problems: readonly ServiceProblem[];
  readonly now: number;
  /** The page that its actions lead back to. */
  readonly location: PageLocation;
}

export function UpstreamHead({ shown, problems, now, location }: HeadProps): JSX.Element {
  const { id, detail, error } = shown;
  const tone = error || !detail ? "bad" : toneOf(detail, problems);
  return (
    <section class="verdict" data-tone={tone}>
      <Glyph shape={toneShapes[tone]} />
      <div class="verdict-text">
        <h1 safe>{id}</h1>
        <div class="reasons" role="status" aria-live="polite">
          {error ? (
            <span safe>{errorText(shown)}</span>
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
            {factsOf(detail, shown.state, now).map((fact) => (
              <li safe>{fact}</li>
            ))}
          </ul>
        ) : (
          ""
        )}
      </div>
      {detail ? (
        <div class="head-actions">
          <RowActions upstream={detail} now={now} location={location} />
        </div>
      ) : (
        ""
      )}
    </section>
  );
}

/** It may pass its probes and fail its requests. */
function toneOf(detail: UpstreamDetail, problems: readonly ServiceProblem[]): Tone {
  if (hasCritical(problems)) return "bad";
  if (detail.status === "passing" && countedProblems(problems).length > 0) return "warn";
  if (detail.fit || isStandbyBackup(detail)) return "good";
  return detail.status === "failing" || detail.status === "ejected" ? "bad" : "warn";
}

/** The page shows one upstream, but the error may concern the whole balancer. */
function errorText({ id, error, state, detail, at }: UpstreamPageState): string {
  if (error?.reason === "missing") return `No upstream named "${id}".`;
  const age = detail && state.readAt > 0 ? `, data read ${formatAgo(at - state.readAt)}` : "";
  const what = state.outage ? overallStatus(state).headline : "Cannot read the upstream";
  return `${what}: ${error?.message ?? "no response"}${age}`;
}

/** "ann 3 min ago: kernel update" */
function changeText(change: ChangeStamp, now: number): string {
  return `${change.by} ${formatAgo(now - change.at)}${reasonSuffix(change)}`;
}

function reasonSuffix({ why: reason }: ChangeStamp): string {
  return reason === "" ? "" : `: ${reason}`;
}

/** Where a member comes from, and how old the answer of its source is. */
function originFacts(detail: UpstreamDetail, state: DashboardState, now: number): readonly string[] {
  const pool = state.snapshot?.pools.find(({ name }) => name === detail.pool);
  const texts = [originText(detail), pool && sourceTextOf(detail, pool, now)];
  return texts.filter((text) => text !== undefined);
}

function factsOf(detail: UpstreamDetail, state: DashboardState, now: number): readonly string[] {
  const { url, pool, policy, weight, weightSet, backup, added, mode, modeSet } = detail;
  return [
    ...[url, `pool ${pool}`, policy],
    ...(mode !== "ready" && modeSet ? [`${mode} set ${formatAgo(now - modeSet.at)}`] : []),
    `weight ${weight}${weightSet ? `, set by ${changeText(weightSet, now)}` : ""}`,
    ...(backup ? ["backup"] : []),
    ...(added ? [`added by ${changeText(added, now)}`] : []),
    ...originFacts(detail, state, now),
  ];
}

interface DrainLineProps extends Pick<HeadProps, "now" | "location"> {
  readonly detail: UpstreamDetail;
}

/** A drain: its progress, its deadline, and the actions that change it. */
export function DrainLine({ detail, now, location }: DrainLineProps): JSX.Element {
  const { drain, id } = detail;
  if (!drain) return "";
  const elsewhere = usedElsewhereText(detail);
  const late = isLate(detail, now);
  const { deadline, since, inFlight, drained, leaving } = drain;
  const totalMs = deadline === null ? 0 : deadline - since;
  const part = drained ? 1 : totalMs > 0 ? (now - since) / totalMs : 0;
  return (
    <section class="drain" data-tone={late ? "bad" : drained ? "good" : "calm"} aria-label="Drain">
      <p class="drain-count">
        <strong safe>{drained ? "Drained" : `${formatCount(inFlight)} in flight`}</strong>{" "}
        <span class="quiet" safe>
          {drained
            ? leaving
              ? "being removed"
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
        {elsewhere === "" ? (
          ""
        ) : (
          <span class="sub" data-concern="slight" safe>
            {elsewhere}
          </span>
        )}
        {leaving ? (
          <span class="sub">removed from the pool when drained</span>
        ) : (
          <form {...panelForm} class="drain-acts" data-needs="operator">
            <HiddenFields fields={{ upstream: id, ...locationFields(location) }} />
            <button type="submit" name="act" value="ready">
              Undo: make ready
            </button>
            {drained ? (
              ""
            ) : (
              <button type="submit" name="act" value="drain">
                Change deadline
              </button>
            )}
            {late ? (
              <button type="submit" class="dire" name="act" value="cut">
                Abort remaining requests
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

/** The events page shows the others. */
const maxShown = 6;

/** The upstream's recent events. */
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
        <a href={attribute(`/events?${new URLSearchParams({ upstream: id })}`)}>
          All events of this upstream
        </a>
      </header>
      {own.length > 0 ? (
        <ol class="events in-card">
          <EventItems events={own} />
        </ol>
      ) : (
        <p class="empty">No recent events.</p>
      )}
    </section>
  );
}
