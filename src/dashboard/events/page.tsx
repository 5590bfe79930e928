/** The event pages and their live updates: all events, or only the events that operators caused. */
/** @jsxImportSource @kitajs/html */

import type { AdminResult } from "../admin-client.ts";
import { ErrorText, EventItems, kindNames } from "./timeline.tsx";
import { eventsErrorSentence, type NewEvents } from "./feed.ts";
import { ZoneName } from "../history/moment.tsx";
import { carriedQuery } from "../page-range.ts";
import { PageTools } from "../layout/page-tools.tsx";
import { RangeBar, RangeProblems, RangeTools } from "../layout/range-bar.tsx";
import { rangeQuery } from "../../lib/time-range.ts";
import {
  type EventFilterState,
  eventParameters,
  eventsPerPage,
  eventsUrl,
  isUnfiltered,
  newestFirst,
} from "./filter.ts";
import { Choice, Paging, sameNamed, TextField } from "../layout/fields.tsx";
import { markup, Shell } from "../layout/shell.tsx";
import { eventOf } from "../live/sse.ts";
import { attribute } from "../responses.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";
import type { BalancerEvent } from "../../state/event.ts";

export interface EventsPageProps {
  readonly filter: EventFilterState;
  /** Newest first; one more than a page shows if there are older ones. */
  readonly result: AdminResult<readonly BalancerEvent[]>;
  /** For the list of pools; undefined before the first successful read. */
  readonly snapshot: Snapshot | undefined;
}

const pageTexts = {
  events: {
    title: "Events",
    intro: "State changes and operator actions, newest first.",
    empty: "No events yet.",
  },
  audit: {
    title: "Audit",
    intro: "Operator actions: who, when, what and why, newest first.",
    empty: "No operator actions yet.",
  },
} as const;

export function renderEventsPage({ filter, result, snapshot }: EventsPageProps): string {
  const here = filter.isAudit ? "audit" : "events";
  const { title, intro, empty } = pageTexts[here];
  const events = "value" in result ? result.value : [];
  const shown = events.slice(0, eventsPerPage);
  const [first, last] = [shown[0], shown.at(-1)];
  const hasOlder = filter.after !== undefined || events.length > eventsPerPage;
  const isNewest =
    filter.before === undefined && filter.after === undefined && (filter.range?.isLive ?? true);
  const hasPages = filter.before !== undefined || filter.after !== undefined;
  const newest = String(first?.seq ?? 0);
  const live = isNewest ? eventsUrl(filter, "live", { since: newest }) : undefined;
  const streaming = live && {
    "hx-sse:connect": attribute(live),
    "hx-trigger": "load, every 5s",
    "hx-swap": "none",
  };
  return markup(
    <Shell
      title={`${title} · Evenkeel`}
      here={here}
      {...(live === undefined ? {} : { live })}
      carried={filter.range && carriedQuery(filter.range)}
      snapshot={snapshot}
    >
      <main {...streaming}>
        <RangeProblems problems={filter.range?.problems ?? []} />
        <header class="plain-head history-head">
          <div>
            <h1>{title}</h1>
            <p class="quiet">
              {intro} Times in <ZoneName />.
            </p>
          </div>
          <p class="head-actions">
            <EventTools filter={filter} />
          </p>
        </header>
        <EventTime filter={filter} />
        <EventFilters filter={filter} snapshot={snapshot} />
        <section class="pool events-list" aria-label={title}>
          <p class="events-error" id="events-error" role="status">
            <ErrorText text={eventsErrorSentence("error" in result ? result.error : undefined)} />
          </p>
          <ol class="events" id="events" data-kind={here}>
            <EventItems events={shown} />
          </ol>
          <p class="empty no-events">
            {isUnfiltered(filter) && isNewest ? empty : "No events match this filter."}
          </p>
        </section>
        <Paging
          label="More events"
          newest={hasPages ? eventsUrl(filter, "page") : undefined}
          newer={!hasPages || !first ? undefined : eventsUrl(filter, "page", { after: String(first.seq) })}
          older={hasOlder && last ? eventsUrl(filter, "page", { before: String(last.seq) }) : undefined}
        />
      </main>
    </Shell>,
  );
}

interface TimeProps {
  readonly filter: EventFilterState;
}

const pathOf = ({ isAudit }: EventFilterState) => (isAudit ? "/audit" : "/events");

/** The time of the events; without one, times to choose. */
function EventTime({ filter }: TimeProps): JSX.Element {
  const { range } = filter;
  const path = pathOf(filter);
  const more = eventParameters(filter);
  const lengths = [
    ["1 h", "-1h"],
    ["24 h", "-1d"],
    ["7 d", "-7d"],
  ] as const;
  const all = new URLSearchParams(more);
  return (
    <section class="pool history-range" aria-label="Time shown">
      {range ? (
        <RangeBar path={path} range={{ ...range, pool: undefined, upstream: undefined }} more={more}>
          <a class="button" href={attribute(`${path}${all.size > 0 ? `?${all}` : ""}`)}>
            All events
          </a>
        </RangeBar>
      ) : (
        <nav class="windows" aria-label="Length of the time shown">
          <a href={attribute(eventsUrl(filter, "page"))} aria-current="true">
            All
          </a>
          {lengths.map(([name, from]) => (
            <a href={attribute(eventsUrl(filter, "page", { from, to: "now" }))}>{name}</a>
          ))}
        </nav>
      )}
    </section>
  );
}

/** The same events to take along. A live time becomes a fixed one. */
function EventTools({ filter }: TimeProps): JSX.Element {
  const more = eventParameters(filter);
  const path = pathOf(filter);
  if (filter.range)
    return (
      <RangeTools path={path} range={{ ...filter.range, pool: undefined, upstream: undefined }} more={more} />
    );
  return <PageTools address={eventsUrl(filter, "page")} />;
}

interface FilterProps {
  readonly filter: EventFilterState;
  readonly snapshot: Snapshot | undefined;
}

/** Kinds that an operator can cause; the audit trail contains no others. */
const auditKinds: ReadonlySet<string> = new Set([
  "mode",
  "weight",
  "backup",
  "member",
  "rehearsal",
  "reload",
  "login",
]);

function EventFilters({ filter, snapshot }: FilterProps): JSX.Element {
  const { fields, isAudit } = filter;
  const pools = snapshot?.pools.map(({ name }) => name) ?? [];
  const kinds = Object.entries(kindNames).filter(([kind]) => !isAudit || auditKinds.has(kind));
  return (
    <form class="event-filters" method="get" action={isAudit ? "/audit" : "/events"} role="search">
      {Object.entries(filter.range ? rangeQuery(filter.range) : {}).map(([name, value]) => (
        <input type="hidden" name={name} value={attribute(value)} />
      ))}
      <Choice kind="field" name="pool" label="Pool" value={fields.pool} choices={sameNamed(pools)} />
      <TextField kind="field" name="upstream" label="Upstream" value={fields.upstream} hint="any" />
      <Choice kind="field" name="kind" label="Kind" value={fields.kind} choices={kinds} />
      <TextField kind="field" name="by" label="By" value={fields.by} hint="any" />
      <TextField kind="field" name="text" label="Contains" value={fields.text} hint="any" />
      <div class="event-filter-buttons">
        <button class="button" type="submit">
          Filter
        </button>
        {isUnfiltered(filter) ? (
          ""
        ) : (
          <a class="button" href={isAudit ? "/audit" : "/events"}>
            Clear
          </a>
        )}
      </div>
    </form>
  );
}

/** A message of the live stream. Without news it is a keep-alive, which the page expects. */
export function renderNewEvents({ fresh, last, error }: NewEvents): string {
  const parts = [
    ...(error === undefined ? [] : [markup(<ErrorFragment text={error} />)]),
    ...(fresh.length === 0 ? [] : [markup(<NewEventsFragment fresh={fresh} />)]),
  ];
  return `id: ${last}\n${eventOf(parts.length > 0 ? parts.join("") : "<!-- alive -->")}`;
}

function NewEventsFragment({ fresh }: Pick<NewEvents, "fresh">): JSX.Element {
  return (
    <tag of="hx-partial" {...{ "hx-target": "#events", "hx-swap": "afterbegin" }}>
      <EventItems events={newestFirst(fresh)} />
    </tag>
  );
}

function ErrorFragment({ text }: { readonly text: string }): JSX.Element {
  return (
    <tag of="hx-partial" {...{ "hx-target": "#events-error", "hx-swap": "innerHTML" }}>
      <ErrorText text={text} />
    </tag>
  );
}
