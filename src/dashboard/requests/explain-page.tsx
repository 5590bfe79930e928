/** The page that explains one request: what happened, the time of each phase, and the selection of its upstreams. */
/** @jsxImportSource @kitajs/html */

import type { AdminResult } from "../admin-client.ts";
import { markup, Shell } from "../layout/shell.tsx";
import { Glyph, toneShapes } from "../layout/widgets.tsx";
import { DecisionList } from "./decisions.tsx";
import { RequestNavigation } from "./list-page.tsx";
import { Moment, ZoneName } from "../history/moment.tsx";
import { addressText, formatBytes, requestTone, statusText } from "./row.tsx";
import { PhaseBars } from "./timing.tsx";
import { pageOf } from "../location.ts";
import { attribute } from "../responses.ts";
import { momentText } from "../../lib/time-range.ts";
import { endOf, lastUpstreamOf, requestOutcomeOf } from "../../requests/request-filter.ts";
import type { RequestRecord } from "../../proxy/record.ts";
import type { ExplainedRequest } from "../../requests/explanation.ts";
import { formatCount, formatMs } from "../../wording/format.ts";
import { reasonText } from "../../wording/request-outcome.ts";
import { adminApiErrorSentence, type DashboardState } from "../../wording/verdict.ts";

export interface ExplainPageProps {
  readonly requestId: string;
  readonly result: AdminResult<ExplainedRequest>;
  readonly state: DashboardState;
}

export function renderExplainPage({ requestId, result, state }: ExplainPageProps): string {
  const request = "value" in result ? result.value : undefined;
  const title = request ? `${request.method} ${addressText(request)}` : `Request ${requestId}`;
  return markup(
    <Shell title={`${title} · Evenkeel`} here="requests" snapshot={state.snapshot}>
      <main class="explained">
        <RequestNavigation />
        {"value" in result ? (
          <Explanation request={result.value} state={state} />
        ) : (
          <ExplanationError requestId={requestId} error={result.error} />
        )}
      </main>
    </Shell>,
  );
}

function ExplanationError({
  requestId,
  error,
}: {
  readonly requestId: string;
  readonly error: Extract<ExplainPageProps["result"], { error: unknown }>["error"];
}): JSX.Element {
  return (
    <section class="verdict" data-tone="warn">
      <Glyph shape="bang" />
      <div class="verdict-text">
        <h1>{error.reason === "missing" ? "Request not found" : "Cannot read the request"}</h1>
        <p class="reasons" safe>
          {adminApiErrorSentence(error)}
        </p>
        <p class="quiet">
          Request id:{" "}
          <code class="copied" safe>
            {requestId}
          </code>
        </p>
      </div>
    </section>
  );
}

function Explanation({
  request,
  state,
}: {
  readonly request: ExplainedRequest;
  readonly state: DashboardState;
}): JSX.Element {
  const tone = requestTone(request);
  const upstream = lastUpstreamOf(request);
  const policy = state.snapshot?.pools.find(({ name }) => name === request.pool)?.policy;
  return (
    <>
      <section class="verdict" data-tone={tone}>
        <Glyph shape={toneShapes[tone]} />
        <div class="verdict-text">
          <h1>
            <span class="explained-method" safe>
              {request.method}
            </span>{" "}
            <span safe>{addressText(request)}</span>
          </h1>
          <ul class="facts">
            <li>
              <Moment at={request.at} form="full" /> <ZoneName />
            </li>
            <li safe>{`from ${request.clientAddress}`}</li>
            <li safe>{request.pool === null ? "no pool" : `pool ${request.pool}`}</li>
            {request.route === null ? "" : <RouteItem route={request.route} />}
            {upstream === null ? (
              ""
            ) : (
              <li>
                upstream{" "}
                <a href={attribute(pageOf(upstream))} safe>
                  {upstream}
                </a>
              </li>
            )}
          </ul>
        </div>
        <p class="head-actions request-again">
          <a href={attribute(momentOf(request))}>This moment in the charts</a>
          <a href={attribute(alikeOf(request))}>Requests like this one</a>
          <a href={attribute(dryRunOf(request))}>Repeat as dry run</a>
        </p>
      </section>
      <dl class="totals explained-totals">
        <Figure
          name="Status"
          value={statusText(request)}
          note={request.reason === null ? statusNote(request) : reasonText(request.reason)}
          code={request.reason ?? ""}
        />
        <Figure
          name="Duration"
          value={formatMs(request.durationMs)}
          note={request.queuedMs > 0 ? `${formatMs(request.queuedMs)} of it queued` : "not queued"}
        />
        <Figure
          name="Attempts"
          value={formatCount(request.attempts.length)}
          note={request.retried.map(reasonText).join(", ") || (request.notRetried ?? "no retry")}
          code={request.retried.join(", ")}
        />
        <Figure name="Received" value={formatBytes(request.bytesIn)} note="from the client" />
        <Figure name="Sent" value={formatBytes(request.bytesOut)} note="to the client" />
      </dl>
      <div class="cards explained-cards">
        <div class="card-stack">
          <section class="card" aria-labelledby="account-name">
            <header class="card-head">
              <h2 id="account-name">What happened</h2>
            </header>
            <ol class="account">
              {request.account.map((sentence) => (
                <li safe>{sentence}</li>
              ))}
            </ol>
          </section>
          <section class="card" aria-labelledby="phases-name">
            <header class="card-head">
              <h2 id="phases-name">Time per phase</h2>
              <p class="quiet" safe>
                {formatMs(request.durationMs)}
              </p>
            </header>
            {request.attempts.length === 0 && request.queuedMs === 0 ? (
              <p class="empty">No attempt was made.</p>
            ) : (
              <PhaseBars request={request} />
            )}
          </section>
        </div>
        <div class="card-stack">
          <DecisionList request={request} policy={policy} />
          <Identity request={request} />
        </div>
      </div>
    </>
  );
}

function statusNote({ status, isClientGone }: ExplainedRequest): string {
  if (isClientGone) return "the client disconnected";
  return status === 0 ? "no response was sent" : "from the upstream";
}

/** What is shown around a request, on either side of its end. */
const aroundMs = 10 * 60_000;

/** The history around the end of a request, with its moment pinned. */
function momentOf(request: ExplainedRequest): string {
  return `/history?${new URLSearchParams({ ...timeAround(request), at: momentText(endOf(request)) })}`;
}

/** Kept requests around it that ended alike on the same upstream. */
function alikeOf(request: ExplainedRequest): string {
  const upstream = lastUpstreamOf(request);
  const query = new URLSearchParams({
    ...timeAround(request),
    outcome: requestOutcomeOf(request),
    status: String(request.status),
    ...(request.reason === null ? {} : { reason: request.reason }),
    ...(upstream === null ? {} : { upstream }),
  });
  return `/requests?${query}`;
}

function timeAround(request: ExplainedRequest): Record<string, string> {
  const { pool } = request;
  const [from, to] = [endOf(request) - aroundMs, endOf(request) + aroundMs];
  return { from: momentText(from), to: momentText(to), ...(pool === null ? {} : { pool }) };
}

/** The dry run page with this request in its form. */
function dryRunOf(request: ExplainedRequest): string {
  const { method, host, target, clientAddress, listener = "", scheme } = request;
  const fields = { method, host, target, clientAddress, listener, scheme };
  return `/requests/dry-run?${new URLSearchParams(fields)}`;
}

interface FigureProps {
  readonly name: string;
  readonly value: string;
  readonly note: string;
  /** Reasons as logs and the API write them. */
  readonly code?: string;
}

function Figure({ name, value, note, code = "" }: FigureProps): JSX.Element {
  return (
    <div class="tile">
      <dt safe>{name}</dt>
      <dd class="figure" safe>
        {value}
      </dd>
      <dd class="sub" title={attribute(code || note)} safe>
        {note}
      </dd>
    </div>
  );
}

/** The identifiers of a request in logs, traces and responses, each with a copy button. */
export function Identity({ request }: { readonly request: RequestRecord }): JSX.Element {
  const rows: readonly (readonly [name: string, value: string | null])[] = [
    ["Request id", request.requestId],
    ["Trace id", request.traceId],
    ["Client", request.clientAddress],
    ["Peer", request.peerAddress ?? null],
    ["Scheme", request.scheme],
    ["Listener", request.listener ?? null],
    ["Protocol", request.protocol ?? null],
    ["Host", request.host],
    ["Target", request.target],
    ["Key", request.key],
  ];
  return (
    <section class="card" aria-labelledby="identity-name">
      <header class="card-head">
        <h2 id="identity-name">Identifiers</h2>
      </header>
      <dl class="identity">
        {rows.map(([name, value]) => (
          <div>
            <dt>{name}</dt>
            <dd>
              {value === null || value === "" ? (
                <span class="quiet">none</span>
              ) : (
                <>
                  <code class="copied" safe>
                    {value}
                  </code>
                  <button
                    type="button"
                    class="copy"
                    data-copy={attribute(value)}
                    aria-label={`Copy ${name.toLowerCase()}`}
                    hidden
                  >
                    Copy
                  </button>
                </>
              )}
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

/** Leads to the route in the list of routes. */
function RouteItem({ route }: { readonly route: string }): JSX.Element {
  return (
    <li>
      route{" "}
      <a href={attribute(`/routes?${new URLSearchParams({ filter: route })}`)} safe>
        {route}
      </a>
    </li>
  );
}
