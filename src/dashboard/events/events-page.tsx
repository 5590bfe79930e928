/** The pages of events: everything that happened, or only what operators did. */
/** @jsxImportSource @kitajs/html */

import type { Snapshot } from "../../snapshot.ts";
import type { BalancerEvent } from "../../state/event.ts";
import type { AdminResult } from "../admin-client.ts";
import { attribute } from "../escape.ts";
import { markup, Shell } from "../shell.tsx";
import { kindNames } from "./event-words.ts";
import { eventsErrorSentence } from "./events-feed.ts";
import { eventsUrl, eventsPerPage, isPlain, type EventFilterState } from "./sought.ts";
import { EventItems, TroubleWords } from "./timeline.tsx";

export interface EventsPageProps {
  readonly sought: EventFilterState;
  /** Newest first, one more than a page has if there are older ones. */
  readonly told: AdminResult<readonly BalancerEvent[]>;
  /** For the choice among pools; undefined while nothing is known. */
  readonly snapshot: Snapshot | undefined;
}

const wordings = {
  events: {
    title: "Events",
    words: "What the balancer saw and did, and what it was told to do. Newest first, times in UTC.",
    empty: "Nothing has happened yet.",
  },
  audit: {
    title: "Audit",
    words: "What operators did: who, when, what and why. Newest first, times in UTC.",
    empty: "No operator has done anything yet.",
  },
} as const;

export function renderEventsPage({ sought, told, snapshot }: EventsPageProps): string {
  const here = sought.isAudit ? "audit" : "events";
  const { title, words, empty } = wordings[here];
  const events = "value" in told ? told.value : [];
  const shown = events.slice(0, eventsPerPage);
  const isNewest = sought.before === undefined && sought.after === undefined;
  const newest = String(shown[0]?.seq ?? 0);
  const live = isNewest ? eventsUrl(sought, "live", { since: newest }) : undefined;
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
          <p class="quiet">{words}</p>
        </header>
        <EventFilters sought={sought} snapshot={snapshot} />
        <section class="pool events-list" aria-label={title}>
          <p class="events-trouble" id="events-trouble" role="status">
            <TroubleWords words={eventsErrorSentence("trouble" in told ? told.trouble : undefined)} />
          </p>
          <ol class="events" id="events" data-kind={here}>
            <EventItems events={shown} />
          </ol>
          <p class="empty no-events">
            {isPlain(sought) && isNewest ? empty : "Nothing here matches what is asked for."}
          </p>
        </section>
        <Paging
          sought={sought}
          shown={shown}
          hasOlder={sought.after !== undefined || events.length > eventsPerPage}
          isNewest={isNewest}
        />
      </main>
    </Shell>,
  );
}

interface FilterProps {
  readonly sought: EventFilterState;
  readonly snapshot: Snapshot | undefined;
}

/** In the audit trail nothing stands that a machine decided. */
const auditKinds: ReadonlySet<string> = new Set([
  "mode",
  "weight",
  "backup",
  "member",
  "rehearsal",
  "reload",
  "login",
]);

function EventFilters({ sought, snapshot }: FilterProps): JSX.Element {
  const { fields, isAudit } = sought;
  const pools = snapshot?.pools.map(({ name }) => name) ?? [];
  const kinds = Object.entries(kindNames).filter(([kind]) => !isAudit || auditKinds.has(kind));
  return (
    <form class="event-filters" method="get" action={isAudit ? "/audit" : "/events"} role="search">
      <Choice name="pool" label="Pool" chosen={fields.pool} choices={pools.map((each) => [each, each])} />
      <Words name="upstream" label="Upstream" value={fields.upstream} />
      <Choice name="kind" label="Kind" chosen={fields.kind} choices={kinds} />
      <Words name="by" label="Who" value={fields.by} />
      <Words name="text" label="Containing" value={fields.text} />
      <div class="event-filter-buttons">
        <button class="button" type="submit">
          Filter
        </button>
        {isPlain(sought) ? (
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

interface WordsProps {
  readonly name: string;
  readonly label: string;
  readonly value: string;
}

function Words({ name, label, value }: WordsProps): JSX.Element {
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

/** What the address asks for stays chosen, even if there is no such thing any more. */
function Choice({ name, label, chosen, choices }: ChoiceProps): JSX.Element {
  const isKnown = chosen === "" || choices.some(([value]) => value === chosen);
  const all = isKnown ? choices : [...choices, [chosen, chosen] as const];
  return (
    <label class="field">
      <span>{label}</span>
      <select name={name}>
        <option value="">any</option>
        {all.map(([value, words]) => (
          <option value={attribute(value)} {...(value === chosen ? { selected: true } : {})} safe>
            {words}
          </option>
        ))}
      </select>
    </label>
  );
}

interface PagingProps {
  readonly sought: EventFilterState;
  readonly shown: readonly BalancerEvent[];
  readonly hasOlder: boolean;
  readonly isNewest: boolean;
}

function Paging({ sought, shown, hasOlder, isNewest }: PagingProps): JSX.Element {
  const [first, last] = [shown[0], shown.at(-1)];
  return (
    <nav class="paging" aria-label="Further events">
      {isNewest ? (
        ""
      ) : (
        <>
          <a class="button" href={attribute(eventsUrl(sought, "page"))}>
            Newest
          </a>
          {first ? (
            <a
              class="button"
              href={attribute(eventsUrl(sought, "page", { after: String(first.seq) }))}
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
          href={attribute(eventsUrl(sought, "page", { before: String(last.seq) }))}
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
