/** The page of requests: what comes in just now, what took longest, and what failed. */
/** @jsxImportSource @kitajs/html */

import type { AdminResult } from "../admin-client.ts";
import { attribute } from "../responses.ts";
import { type DashboardState, urlOrigin } from "../../wording/verdict.ts";
import { markup, Shell } from "../layout/shell.tsx";
import {
  filterQuery,
  isFiltered,
  type Kind,
  kinds,
  RequestFilters,
  type RequestFilterState,
  requestsUrl,
} from "./filter.tsx";
import { RequestRows, RowHead } from "./row.tsx";
import type { RequestList } from "../../requests/recent-requests.ts";

export interface RequestsPageProps {
  readonly sought: RequestFilterState;
  readonly told: AdminResult<RequestList>;
  readonly picture: DashboardState;
}

/** The page's script keeps no more than four of these. */
export const requestsPerPage = 50;

const names: Readonly<Record<Kind, string>> = { recent: "Recent", slowest: "Slowest", failed: "Failed" };

const orders: Readonly<Record<Kind, string>> = {
  recent: "What clients asked and what came of it, newest first.",
  slowest: "What took longest of what is remembered, slowest first.",
  failed: "What failed, was refused or was tried again, newest first.",
};

export function renderRequestsPage({
  sought: filter,
  told: result,
  picture: state,
}: RequestsPageProps): string {
  const isTail = filter.kind === "recent" && filter.before === undefined;
  const query = filterQuery(filter);
  const live = `/live/requests${query.size > 0 ? `?${query}` : ""}`;
  const streaming = isTail && {
    "hx-sse:connect": attribute(live),
    "hx-trigger": "load, every 5s",
    "hx-swap": "none",
  };
  return markup(
    <Shell title="Requests · Evenkeel" here="requests" {...(isTail ? { live } : {})}>
      <main id="requests" {...streaming}>
        <RequestsHead words={orders[filter.kind]} />
        <RequestFilters sought={filter} snapshot={state.snapshot} />
        <section class="pool" aria-label={`${names[filter.kind]} requests`}>
          <div class="request-bar">
            <Tabs sought={filter} />
            {isTail ? <TailState /> : <Reload sought={filter} />}
          </div>
          <ListOf sought={filter} told={result} picture={state} />
        </section>
        <Older sought={filter} told={result} />
      </main>
    </Shell>,
  );
}

function RequestsHead({ words: text }: { readonly words: string }): JSX.Element {
  return (
    <header class="plain-head request-page-head">
      <div>
        <h1>Requests</h1>
        <p class="quiet" safe>
          {text}
        </p>
      </div>
      <IdSearch />
    </header>
  );
}

/** Above what is about one request: the way back, and to another one. */
export function RequestWay(): JSX.Element {
  return (
    <div class="request-way">
      <a href="/requests">All requests</a>
      <IdSearch />
    </div>
  );
}

function IdSearch(): JSX.Element {
  return (
    <form class="request-search" method="get" action="/requests/find" role="search" aria-label="One request">
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

function Tabs({ sought: filter }: { readonly sought: RequestFilterState }): JSX.Element {
  return (
    <nav class="windows" aria-label="Which requests">
      {kinds.map((kind) => (
        <a
          href={attribute(requestsUrl({ ...filter, kind, before: undefined }))}
          {...(kind === filter.kind ? { "aria-current": "page" } : {})}
        >
          {names[kind]}
        </a>
      ))}
    </nav>
  );
}

/** Shown where there is a script to keep it true; its words are the script's. */
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

function Reload({ sought: filter }: { readonly sought: RequestFilterState }): JSX.Element {
  return (
    <p class="tail-state">
      <a href={attribute(requestsUrl(filter))}>Reload</a>
    </p>
  );
}

function ListOf({ sought: filter, told: result, picture: state }: RequestsPageProps): JSX.Element {
  const { requests, sampled } = "value" in result ? result.value : { requests: [], sampled: false };
  return (
    <>
      <p class="tail-error" data-role="error" role="status">
        {"error" in result ? <span safe>{requestsErrorSentence(result.error)}</span> : ""}
      </p>
      <RowHead />
      <ol class="requests" data-role="rows" aria-live="off">
        <RequestRows requests={requests} />
      </ol>
      <p class="empty no-requests" safe>
        {isFiltered(filter)
          ? "No request that is remembered matches this filter."
          : emptyText(filter.kind, state)}
      </p>
      <p class="request-foot quiet" data-role="sampled" {...(sampled ? {} : { hidden: true })}>
        More requests come than are kept: this is a sample of them, with all that failed or took long.
      </p>
    </>
  );
}

function emptyText(kind: Kind, { frontDoor }: DashboardState): string {
  if (kind === "failed") return "Nothing has failed yet.";
  return `No requests yet: send one to ${urlOrigin(frontDoor.url)}.`;
}

type RequestsError = Extract<AdminResult<unknown>, { error: unknown }>["error"];

/** Why there is nothing to see. */
export function requestsErrorSentence({ reason, message }: RequestsError): string {
  if (reason === "missing" || reason === "not_understood") {
    return "This balancer tells nothing of its requests: it is of an older version than this dashboard.";
  }
  return `The requests cannot be read: ${message}.`;
}

function Older({ sought: filter, told: result }: Pick<RequestsPageProps, "sought" | "told">): JSX.Element {
  const requests = "value" in result ? result.value.requests : [];
  const last = requests.at(-1);
  const isWhole = filter.kind === "slowest" || requests.length < requestsPerPage;
  if (filter.before === undefined && (isWhole || !last)) return "";
  return (
    <nav class="request-paging" aria-label="Further requests">
      {filter.before === undefined ? (
        ""
      ) : (
        <a href={attribute(requestsUrl({ ...filter, before: undefined }))}>Newest</a>
      )}
      {isWhole || !last ? (
        ""
      ) : (
        <a rel="next" href={attribute(requestsUrl({ ...filter, before: last.seq }))}>
          Older
        </a>
      )}
    </nav>
  );
}
