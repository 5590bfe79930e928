/** The event pages and their live updates: all events, or only the events that operators caused. */
/** @jsxImportSource @kitajs/html */

import type { AdminResult } from "../admin-client.ts";
import { ErrorText, EventItems, kindNames } from "./timeline.tsx";
import { eventsErrorSentence, type NewEvents } from "./feed.ts";
import { type EventFilterState, eventsPerPage, eventsUrl, isUnfiltered, newestFirst } from "./filter.ts";
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
    intro: "State changes and operator actions, newest first. Times in UTC.",
    empty: "No events yet.",
  },
  audit: {
    title: "Audit",
    intro: "Operator actions: who, when, what and why, newest first. Times in UTC.",
    empty: "No operator actions yet.",
  },
} as const;

export function renderEventsPage({ filter, result, snapshot }: EventsPageProps): string {
  const here = filter.isAudit ? "audit" : "events";
  const { title, intro, empty } = pageTexts[here];
  const events = "value" in result ? result.value : [];
  const shown = events.slice(0, eventsPerPage);
  const isNewest = filter.before === undefined && filter.after === undefined;
  const newest = String(shown[0]?.seq ?? 0);
  const live = isNewest ? eventsUrl(filter, "live", { since: newest }) : undefined;
  const streaming = live && {
    "hx-sse:connect": attribute(live),
    "hx-trigger": "load, every 5s",
    "hx-swap": "none",
  };
  return markup(
    <Shell title={`${title} · Evenkeel`} here={here} {...(live === undefined ? {} : { live })}>
      <main {...streaming}>
        <header class="plain-head">
          <h1>{title}</h1>
          <p class="quiet">{intro}</p>
        </header>
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
          filter={filter}
          shown={shown}
          hasOlder={filter.after !== undefined || events.length > eventsPerPage}
          isNewest={isNewest}
        />
      </main>
    </Shell>,
  );
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
      <Choice name="pool" label="Pool" chosen={fields.pool} choices={pools.map((each) => [each, each])} />
      <TextField name="upstream" label="Upstream" value={fields.upstream} />
      <Choice name="kind" label="Kind" chosen={fields.kind} choices={kinds} />
      <TextField name="by" label="By" value={fields.by} />
      <TextField name="text" label="Contains" value={fields.text} />
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

interface TextFieldProps {
  readonly name: string;
  readonly label: string;
  readonly value: string;
}

function TextField({ name, label, value }: TextFieldProps): JSX.Element {
  return (
    <label class="field">
      <span>{label}</span>
      <input
        type="text"
        name={name}
        value={attribute(value)}
        placeholder="any"
        autocomplete="off"
        spellcheck="false"
      />
    </label>
  );
}

interface ChoiceProps {
  readonly name: string;
  readonly label: string;
  readonly chosen: string;
  readonly choices: readonly (readonly [value: string, name: string])[];
}

/** Keeps the address's value selected, even if it no longer exists. */
function Choice({ name, label, chosen, choices }: ChoiceProps): JSX.Element {
  const isKnown = chosen === "" || choices.some(([value]) => value === chosen);
  const all = isKnown ? choices : [...choices, [chosen, chosen] as const];
  return (
    <label class="field">
      <span>{label}</span>
      <select name={name}>
        <option value="">any</option>
        {all.map(([value, text]) => (
          <option value={attribute(value)} {...(value === chosen ? { selected: true } : {})} safe>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

interface PagingProps {
  readonly filter: EventFilterState;
  readonly shown: readonly BalancerEvent[];
  readonly hasOlder: boolean;
  readonly isNewest: boolean;
}

function Paging({ filter, shown, hasOlder, isNewest }: PagingProps): JSX.Element {
  const [first, last] = [shown[0], shown.at(-1)];
  return (
    <nav class="paging" aria-label="More events">
      {isNewest ? (
        ""
      ) : (
        <>
          <a class="button" href={attribute(eventsUrl(filter, "page"))}>
            Newest
          </a>
          {first ? (
            <a
              class="button"
              href={attribute(eventsUrl(filter, "page", { after: String(first.seq) }))}
              rel="prev"
            >
              Newer
            </a>
          ) : (
            ""
          )}
        </>
      )}
      {hasOlder && last ? (
        <a
          class="button"
          href={attribute(eventsUrl(filter, "page", { before: String(last.seq) }))}
          rel="next"
        >
          Older
        </a>
      ) : (
        ""
      )}
    </nav>
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
