/** The page that lists requests: the most recent, the slowest, or the failed ones. */
/** @jsxImportSource @kitajs/html */

import type { AdminResult } from "../admin-client.ts";
import { attribute } from "../responses.ts";
import { adminApiErrorSentence, type DashboardState, urlOrigin } from "../../wording/verdict.ts";
import { PageTools } from "../layout/page-tools.tsx";
import { Paging } from "../layout/fields.tsx";
import { markup, Shell } from "../layout/shell.tsx";
import { carriedQuery, rangeWords } from "../page-range.ts";
import { listForm } from "../history/moment.tsx";
import { KeptGroups, type KeptPart, KeptProblems, keptText, KeptTime, KeptTools } from "./kept-part.tsx";
import {
  filterQuery,
  isFiltered,
  type Kind,
  kinds,
  onFirstPage,
  RequestFilters,
  type RequestFilterState,
  requestsUrl,
} from "./filter.tsx";
import { FilterFold } from "./filter-fold.tsx";
import { RequestRows, RowHead } from "./row.tsx";
import type { RequestPage } from "./request-client.ts";

export interface RequestsPageProps {
  readonly filter: RequestFilterState;
  readonly result: AdminResult<RequestPage>;
  readonly state: DashboardState;
  /** Present for kept requests. */
  readonly kept?: KeptPart | undefined;
}

/** The page's script keeps at most four times as many rows. */
export const requestsPerPage = 50;

const kindLabels: Readonly<Record<Kind, string>> = {
  recent: "Recent",
  slowest: "Slowest",
  failed: "Failed",
  kept: "Search the past",
};

const descriptions: Readonly<Record<Kind, string>> = {
  recent: "Requests and their outcomes, newest first.",
  slowest: "The slowest recorded requests, slowest first.",
  failed: "Requests that failed, were refused or were retried, newest first.",
  kept: "",
};

export function renderRequestsPage({ filter, result, state, kept }: RequestsPageProps): string {
  const isTail =
    (filter.kind === "recent" && filter.before === undefined) ||
    (filter.kind === "kept" && filter.range?.isLive === true && filter.cursor === undefined);
  const query = filterQuery(filter);
  const live = `/live/requests${query.size > 0 ? `?${query}` : ""}`;
  const streaming = isTail && {
    "hx-sse:connect": attribute(live),
    "hx-trigger": "load, every 5s",
    "hx-swap": "none",
  };
  return markup(
    <Shell
      title="Requests · Evenkeel"
      here="requests"
      snapshot={state.snapshot}
      {...(isTail ? { live } : {})}
      carried={kept && carriedQuery(kept.range)}
    >
      <main id="requests" {...streaming}>
        {kept ? <KeptProblems kept={kept} /> : ""}
        <RequestsHead filter={filter} kept={kept} />
        {kept ? <KeptTime filter={filter} kept={kept} /> : ""}
        <FilterFold filter={filter}>
          <RequestFilters filter={filter} snapshot={state.snapshot} />
        </FilterFold>
        {kept ? <KeptGroups filter={filter} kept={kept} /> : ""}
        <section class="pool" aria-label={`${kindLabels[filter.kind]} requests`}>
          <div class="request-bar">
            <Tabs filter={filter} />
            {isTail ? <TailState /> : <RefreshLink filter={filter} />}
          </div>
          <RequestListSection filter={filter} result={result} state={state} />
        </section>
        <Paging
          label="More requests"
          newest={
            filter.before === undefined && filter.cursor === undefined
              ? undefined
              : requestsUrl(onFirstPage(filter))
          }
          older={olderUrl({ filter, result })}
        />
      </main>
    </Shell>,
  );
}

function RequestsHead({ filter, kept }: Pick<RequestsPageProps, "filter" | "kept">): JSX.Element {
  const text = kept ? `${rangeWords(kept.range)}. ${keptText(kept)}` : descriptions[filter.kind];
  return (
    <header class="plain-head request-page-head">
      <div>
        <h1>{titles.get(filter.filter.outcome ?? "") ?? "Requests"}</h1>
        <p class="quiet" safe>
          {text}
        </p>
      </div>
      <div class="request-tools">
        {kept ? <KeptTools filter={filter} kept={kept} /> : <PageTools address={requestsUrl(filter)} />}
        <IdSearch />
      </div>
    </header>
  );
}

/** By the outcomes of the filter. */
const titles: ReadonlyMap<string, string> = new Map([
  ["failed,slow", "Failed and slow requests"],
  ["failed", "Failed requests"],
  ["slow", "Slow requests"],
  ["retried", "Requests with a second attempt"],
  ["refused", "Refused requests"],
]);

/** Navigation above a page about one request: back to the list, and to another request. */
export function RequestNavigation(): JSX.Element {
  return (
    <div class="request-nav">
      <a href="/requests">All requests</a>
      <IdSearch />
    </div>
  );
}

function IdSearch(): JSX.Element {
  return (
    <form class="request-search" method="get" action="/requests/find" role="search" aria-label="Find request">
      <label class="unseen" for="request-id">
        Request id
      </label>
      <input
        type="search"
        id="request-id"
        name="id"
        required
        placeholder="Request id"
        autocomplete="off"
        spellcheck="false"
      />
      <button type="submit">Explain</button>
      <a href="/requests/dry-run">Dry run</a>
    </form>
  );
}

function Tabs({ filter }: { readonly filter: RequestFilterState }): JSX.Element {
  return (
    <nav class="windows" aria-label="Requests shown">
      {kinds.map((kind) => (
        <a
          href={attribute(requestsUrl(asKind(filter, kind)))}
          {...(kind === filter.kind ? { "aria-current": "page" } : {})}
        >
          {kindLabels[kind]}
        </a>
      ))}
    </nav>
  );
}

/** The same filter on another list. Only kept requests have an outcome and a time. */
function asKind({ filter, range }: RequestFilterState, kind: Kind): RequestFilterState {
  const { outcome, ...common } = filter;
  const isKept = kind === "kept";
  return {
    kind,
    filter: isKept ? { ...common, outcome: outcome ?? "failed,slow" } : common,
    before: undefined,
    ...(isKept && { range }),
  };
}

/** State of the live tail. Shown only with the script, which fills in the texts. */
function TailState(): JSX.Element {
  return (
    <div class="tail-state" data-role="tail-state">
      <span class="tail-count quiet" data-role="count" aria-hidden="true"></span>
      <span class="unseen" role="status" data-role="spoken"></span>
      <button type="button" data-role="held" hidden></button>
      <button type="button" data-role="pause" aria-pressed="false">
        Pause
      </button>
    </div>
  );
}

function RefreshLink({ filter }: { readonly filter: RequestFilterState }): JSX.Element {
  return (
    <p class="tail-state">
      <a href={attribute(requestsUrl(filter))}>Refresh</a>
    </p>
  );
}

function RequestListSection({ filter, result, state }: RequestsPageProps): JSX.Element {
  const { requests, sampled } = "value" in result ? result.value : { requests: [], sampled: false };
  return (
    <>
      <p class="tail-error" data-role="error" role="status">
        {"error" in result ? <span safe>{requestsErrorSentence(result.error)}</span> : ""}
      </p>
      <RowHead />
      <ol class="requests" data-role="rows" aria-live="off">
        <RequestRows requests={requests} hasDay={filter.range && listForm(filter.range) === "stamp"} />
      </ol>
      <p class="empty no-requests" safe>
        {filter.kind === "kept"
          ? "No kept request matches this filter."
          : isFiltered(filter)
            ? "No recorded request matches this filter."
            : emptyText(filter.kind, state)}
      </p>
      <p class="request-foot quiet" data-role="sampled" {...(sampled ? {} : { hidden: true })}>
        Showing a sample. Slow requests, and up to 200 failed requests per second, are kept.
      </p>
    </>
  );
}

function emptyText(kind: Kind, { listenerCheck }: DashboardState): string {
  if (kind === "failed") return "No failed requests yet.";
  return `No requests yet. Send one to ${urlOrigin(listenerCheck.url)}.`;
}

type RequestsError = Extract<AdminResult<unknown>, { error: unknown }>["error"];

/** Why the requests cannot be shown. */
export function requestsErrorSentence(error: RequestsError): string {
  if (error.reason === "missing" || error.reason === "not_understood") {
    return "This balancer does not list requests: it is older than this dashboard.";
  }
  return adminApiErrorSentence(error);
}

/** The address of the next page; undefined on the last one. */
function olderUrl({ filter, result }: Pick<RequestsPageProps, "filter" | "result">): string | undefined {
  const requests = "value" in result ? result.value.requests : [];
  const last = requests.at(-1);
  if (filter.kind === "kept") {
    const next = "value" in result ? result.value.next : undefined;
    return next ? requestsUrl({ ...filter, cursor: next }) : undefined;
  }
  const isLastPage = filter.kind === "slowest" || requests.length < requestsPerPage;
  return isLastPage || !last ? undefined : requestsUrl({ ...filter, before: last.seq });
}
