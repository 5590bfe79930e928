/** The page of requests: what comes in just now, what took longest, and what failed. */
/** @jsxImportSource @kitajs/html */

import type { AdminResult } from "../admin-client.ts";
import { attribute } from "../escape.ts";
import type { DashboardState } from "../picture.ts";
import { markup, Shell } from "../shell.tsx";
import { urlOrigin } from "../verdict.ts";
import { RequestFilters } from "./filters.tsx";
import { RequestRows, RowHead } from "./row.tsx";
import type { RequestList } from "../../requests/request.ts";
import { requestsUrl, filterQuery, isFiltered, type Kind, kinds, type RequestFilterState } from "./sought.ts";

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

export function renderRequestsPage({ sought, told, picture }: RequestsPageProps): string {
  const isTail = sought.kind === "recent" && sought.before === undefined;
  const query = filterQuery(sought);
  const live = `/live/requests${query.size > 0 ? `?${query}` : ""}`;
  const streaming = isTail && {
    "hx-sse:connect": attribute(live),
    "hx-trigger": "load, every 5s",
    "hx-swap": "none",
  };
  return markup(
    <Shell title="Requests · Evenkeel" here="requests" {...(isTail ? { live } : {})}>
      <main id="requests" {...streaming}>
        <RequestsHead words={orders[sought.kind]} />
        <RequestFilters sought={sought} snapshot={picture.snapshot} />
        <section class="pool" aria-label={`${names[sought.kind]} requests`}>
          <div class="request-bar">
            <Tabs sought={sought} />
            {isTail ? <TailState /> : <Reload sought={sought} />}
          </div>
          <ListOf sought={sought} told={told} picture={picture} />
        </section>
        <Older sought={sought} told={told} />
      </main>
    </Shell>,
  );
}

function RequestsHead({ words }: { readonly words: string }): JSX.Element {
  return (
    <header class="plain-head request-page-head">
      <div>
        <h1>Requests</h1>
        <p class="quiet" safe>
          {words}
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

function Tabs({ sought }: { readonly sought: RequestFilterState }): JSX.Element {
  return (
    <nav class="windows" aria-label="Which requests">
      {kinds.map((kind) => (
        <a
          href={attribute(requestsUrl({ ...sought, kind, before: undefined }))}
          {...(kind === sought.kind ? { "aria-current": "page" } : {})}
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

function Reload({ sought }: { readonly sought: RequestFilterState }): JSX.Element {
  return (
    <p class="tail-state">
      <a href={attribute(requestsUrl(sought))}>Reload</a>
    </p>
  );
}

function ListOf({ sought, told, picture }: RequestsPageProps): JSX.Element {
  const { requests, sampled } = "value" in told ? told.value : { requests: [], sampled: false };
  return (
    <>
      <p class="tail-trouble" data-role="trouble" role="status">
        {"trouble" in told ? <span safe>{requestsErrorSentence(told.trouble)}</span> : ""}
      </p>
      <RowHead />
      <ol class="requests" data-role="rows" aria-live="off">
        <RequestRows requests={requests} />
      </ol>
      <p class="empty no-requests" safe>
        {isFiltered(sought)
          ? "No request that is remembered matches this filter."
          : emptyWords(sought.kind, picture)}
      </p>
      <p class="request-foot quiet" data-role="sampled" {...(sampled ? {} : { hidden: true })}>
        More requests come than are kept: this is a sample of them, with all that failed or took long.
      </p>
    </>
  );
}

function emptyWords(kind: Kind, { frontDoor }: DashboardState): string {
  if (kind === "failed") return "Nothing has failed yet.";
  return `No requests yet: send one to ${urlOrigin(frontDoor.url)}.`;
}

type Trouble = Extract<AdminResult<unknown>, { trouble: unknown }>["trouble"];

/** Why there is nothing to see. */
export function requestsErrorSentence({ reason, message }: Trouble): string {
  if (reason === "missing" || reason === "not_understood") {
    return "This balancer tells nothing of its requests: it is of an older version than this dashboard.";
  }
  return `The requests cannot be read: ${message}.`;
}

function Older({ sought, told }: Pick<RequestsPageProps, "sought" | "told">): JSX.Element {
  const requests = "value" in told ? told.value.requests : [];
  const last = requests.at(-1);
  const isWhole = sought.kind === "slowest" || requests.length < requestsPerPage;
  if (sought.before === undefined && (isWhole || !last)) return "";
  return (
    <nav class="request-paging" aria-label="Further requests">
      {sought.before === undefined ? (
        ""
      ) : (
        <a href={attribute(requestsUrl({ ...sought, before: undefined }))}>Newest</a>
      )}
      {isWhole || !last ? (
        ""
      ) : (
        <a rel="next" href={attribute(requestsUrl({ ...sought, before: last.seq }))}>
          Older
        </a>
      )}
    </nav>
  );
}
