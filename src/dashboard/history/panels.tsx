/** The panels beside the charts: values, events and requests of the pinned moment, or of the whole time. */
/** @jsxImportSource @kitajs/html */

import type { AdminResult } from "../admin-client.ts";
import { rangeAddress, type PageRange } from "../page-range.ts";
import type { RouteNames } from "../route-list/route-view.ts";
import { attribute } from "../responses.ts";
import type { RequestGroup } from "../../requests/request-store.ts";
import type { RequestSummary } from "../../requests/requests.ts";
import { formatCount, formatMs, formatRate, formatShare, formatSpan, nothing } from "../../wording/format.ts";
import { endingText, endingTone } from "../../wording/request-outcome.ts";
import type { PointValues, Totals } from "./columns.ts";
import { type Mark, marksAround } from "./marks.ts";
import { Moment, listForm } from "./moment.tsx";

/** The path of the page that a moment is pinned on; the page of an upstream has its name in the path. */
const defaultPage = "/history";

interface PanelProps {
  readonly range: PageRange;
  readonly page?: string;
}

/** The page with another moment pinned, or none. */
function pinAddress(page: string, range: PageRange, at: number | undefined): string {
  return rangeAddress(page, range, {
    change: { at, ...(page === defaultPage ? {} : { upstream: undefined }) },
  });
}

interface ValuesProps extends PanelProps {
  readonly pinned: PointValues | undefined;
  /** The same moment of the time that is compared. */
  readonly usual: PointValues | undefined;
  readonly totals: Totals;
  readonly neighbours: { readonly before: number | undefined; readonly after: number | undefined };
}

type Row = readonly [name: string, value: string, tone?: "bad" | "warn" | undefined];

export function ValuesPanel({
  range,
  page = defaultPage,
  pinned,
  usual,
  totals,
  neighbours,
}: ValuesProps): JSX.Element {
  const rows = pinned ? momentRows(pinned, usual) : totalRows(totals);
  const pinAt = (at: number | undefined) => (at === undefined ? undefined : pinAddress(page, range, at));
  return (
    <section class="card" aria-labelledby="values-name">
      <header class="card-head">
        <h2 id="values-name">
          {range.at === undefined ? (
            "In this time"
          ) : (
            <>
              At <Moment at={pinned?.to ?? range.at} />
            </>
          )}
        </h2>
        {range.at === undefined ? (
          ""
        ) : (
          <p class="quiet pin-steps">
            {pinned ? <span safe>{`${formatSpan(pinned.to - pinned.from)} `}</span> : ""}
            <StepLink text="←" label="Point before" href={pinAt(neighbours.before)} />
            <StepLink text="→" label="Point after" href={pinAt(neighbours.after)} />
            <a class="button" href={attribute(pinAddress(page, range, undefined))} data-role="unpin">
              Unpin
            </a>
          </p>
        )}
      </header>
      {range.at !== undefined && !pinned ? (
        <p class="empty">Nothing was measured at this moment.</p>
      ) : (
        <dl class="values">
          {rows.map(([name, value, tone]) => (
            <div>
              <dt>{name}</dt>
              <dd {...(tone ? { "data-tone": tone } : {})} safe>
                {value}
              </dd>
            </div>
          ))}
        </dl>
      )}
    </section>
  );
}

function StepLink({
  text,
  label,
  href,
}: {
  readonly text: string;
  readonly label: string;
  readonly href: string | undefined;
}): JSX.Element {
  return href === undefined ? (
    ""
  ) : (
    <a class="button" href={attribute(href)} aria-label={label}>
      {text}
    </a>
  );
}

function momentRows(point: PointValues, usual: PointValues | undefined): readonly Row[] {
  const { requestsPerSecond, errorsPerSecond, retriesPerSecond, queued, inFlight } = point;
  const rate = (value: number | null) => (value === null ? nothing : `${formatRate(value)}/s`);
  const beside = (text: string, before: string | undefined) =>
    before === undefined ? text : `${text}, before ${before}`;
  const share = requestsPerSecond ? (errorsPerSecond ?? 0) / requestsPerSecond : 0;
  const failed = share > 0 ? `${rate(errorsPerSecond)}, ${formatShare(share)}` : rate(errorsPerSecond);
  const latency = (name: string, quantity: "p50Ms" | "p95Ms" | "p99Ms"): Row => [
    name,
    beside(formatMs(point[quantity]), usual && formatMs(usual[quantity])),
  ];
  return [
    ["Requests", beside(rate(requestsPerSecond), usual && rate(usual.requestsPerSecond))],
    ["Errors", beside(failed, usual && rate(usual.errorsPerSecond)), share > 0 ? "bad" : undefined],
    latency("p50", "p50Ms"),
    latency("p95", "p95Ms"),
    latency("p99", "p99Ms"),
    ["Waiting", countText(queued), (queued ?? 0) > 0 ? "warn" : undefined],
    ["In flight", countText(inFlight)],
    ["Retries", rate(retriesPerSecond), (retriesPerSecond ?? 0) > 0 ? "warn" : undefined],
  ];
}

function countText(value: number | null): string {
  return value === null ? nothing : formatCount(value);
}

function totalRows({ requests, errors, retries, worst, ...rates }: Totals): readonly Row[] {
  const rate = (value: number | null) => (value === null ? nothing : `${formatRate(value)}/s`);
  const failed = errors > 0 ? `${formatCount(errors)}, ${formatShare(errors / Math.max(1, requests))}` : "0";
  return [
    ["Requests", `${formatCount(requests)}, ${rate(rates.requestsPerSecond)}`],
    ["Errors", failed, errors > 0 ? "bad" : undefined],
    ["Highest p50", formatMs(worst.p50Ms)],
    ["Highest p95", formatMs(worst.p95Ms)],
    ["Highest p99", formatMs(worst.p99Ms)],
    ["Most waiting", countText(worst.queued), (worst.queued ?? 0) > 0 ? "warn" : undefined],
    ["Most in flight", countText(worst.inFlight)],
    ["Retries", formatCount(retries), retries > 0 ? "warn" : undefined],
  ];
}

interface EventsProps extends PanelProps {
  readonly marks: readonly Mark[];
  readonly problem: string | undefined;
}

const listed = 8;

export function EventsPanel({ range, page = defaultPage, marks, problem }: EventsProps): JSX.Element {
  const { at } = range;
  const shown = marksAround(marks, at, listed);
  const here = at === undefined ? -1 : shown.findIndex((mark) => mark.at > at);
  const place = here < 0 ? shown.length : here;
  const entries = shown.map((mark) => <EventEntry mark={mark} range={range} page={page} />);
  const all = rangeAddress("/events", range, { change: { at: undefined, compareMs: undefined } });
  return (
    <section class="card" aria-labelledby="around-name">
      <header class="card-head">
        <h2 id="around-name">{at === undefined ? "Events of this time" : "What happened around it"}</h2>
        <a href={attribute(all)} safe>
          {marks.length > 0 ? `All ${formatCount(marks.length)}` : "All events"}
        </a>
      </header>
      {problem !== undefined ? (
        <p class="empty" safe>
          {problem}
        </p>
      ) : at === undefined && entries.length === 0 ? (
        <p class="empty">No events in this time.</p>
      ) : (
        <ol class="around">
          {at === undefined
            ? entries
            : [
                ...entries.slice(0, place),
                <li class="here">
                  <Moment at={at} form={listForm(range)} />
                  <b>You are here</b>
                </li>,
                ...entries.slice(place),
              ]}
        </ol>
      )}
    </section>
  );
}

function EventEntry({ mark, range, page }: Required<PanelProps> & { readonly mark: Mark }): JSX.Element {
  const { number, at, tone, text, event } = mark;
  return (
    <li>
      <a href={attribute(pinAddress(page, range, at))} title="Pin this moment">
        <Moment at={at} form={listForm(range)} />
      </a>
      <span class="mark-number" data-tone={tone}>
        {String(number)}
      </span>
      <span class="around-text" safe>
        {text}
      </span>
      <span class="around-by quiet" safe>
        {event.by}
      </span>
    </li>
  );
}

interface RequestsProps {
  readonly range: PageRange;
  /** The time of the requests, epoch milliseconds. */
  readonly from: number;
  readonly to: number;
  readonly result: AdminResult<RequestSummary>;
  readonly names: RouteNames;
}

const groupsShown = 5;

export function RequestsPanel({ range, from, to, result, names }: RequestsProps): JSX.Element {
  const at = {
    from,
    to,
    isLive: range.isLive && range.at === undefined,
    at: undefined,
    compareMs: undefined,
  };
  const address = (more: Readonly<Record<string, string>>) =>
    rangeAddress("/requests", range, { change: at, more });
  const { groups = [], counts, slowMs = 0 } = "value" in result ? result.value : {};
  const kept = Object.values(counts ?? {}).reduce((sum, count) => sum + count, 0);
  return (
    <section class="card" aria-labelledby="ended-name">
      <header class="card-head">
        <h2 id="ended-name">
          {range.at === undefined ? "Requests of this time" : "Requests of that moment"}
        </h2>
        {kept > 0 ? (
          <a href={attribute(address({ which: "kept" }))} safe>{`All ${formatCount(kept)} kept`}</a>
        ) : (
          ""
        )}
      </header>
      {"error" in result ? (
        <p class="empty" safe>{`${result.error.message}.`}</p>
      ) : groups.length === 0 ? (
        <p class="empty">No requests are kept of this time.</p>
      ) : (
        <GroupList groups={groups.slice(0, groupsShown)} slowMs={slowMs} names={names} address={address} />
      )}
    </section>
  );
}

interface GroupsProps {
  readonly groups: readonly RequestGroup[];
  readonly slowMs: number;
  readonly names: RouteNames;
  /** The address of the requests with a further filter. */
  readonly address: (more: Readonly<Record<string, string>>) => string;
}

/** What ended alike: how many of the kept requests, on which servers and routes. */
export function GroupList({ groups, slowMs, names, address }: GroupsProps): JSX.Element {
  return (
    <ul class="alike">
      {groups.map((group) => (
        <li>
          <span class="alike-count" data-tone={endingTone(group)} safe>
            {formatCount(group.count)}
          </span>
          <span class="alike-text">
            <span safe>{endingText(group, slowMs)}</span>
            <Places
              group={group}
              names={names}
              address={(place) => address({ ...filterOfGroup(group), ...place })}
            />
          </span>
          <a
            href={attribute(address(filterOfGroup(group)))}
            aria-label={attribute(`Show ${endingText(group, slowMs)}`)}
          >
            Show
          </a>
        </li>
      ))}
    </ul>
  );
}

/** Names of routes and upstreams that are links. */
const namesShown = 2;

/** "on checkout-07, cart and pay" */
function Places({ group, names, address }: PlacesProps): JSX.Element {
  const { upstreams, upstreamCount, routes, routeCount } = group;
  const more = routeCount - Math.min(namesShown, routes.length);
  return (
    <span class="quiet">
      {upstreamCount === 0 ? (
        ""
      ) : upstreamCount > namesShown ? (
        <span safe>{`on ${formatCount(upstreamCount)} upstreams`}</span>
      ) : (
        <>
          on <FilterNames name="upstream" values={upstreams} address={address} />
        </>
      )}
      {upstreamCount > 0 && routeCount > 0 ? ", " : ""}
      {routeCount === 0 ? (
        ""
      ) : (
        <>
          <FilterNames name="route" values={routes} names={names} address={address} />
          {more > 0 ? <span safe>{` and ${formatCount(more)} more`}</span> : ""}
        </>
      )}
    </span>
  );
}

interface PlacesProps extends Pick<GroupsProps, "names" | "address"> {
  readonly group: RequestGroup;
}

interface NamesProps extends Pick<GroupsProps, "address"> {
  readonly name: "upstream" | "route";
  readonly values: readonly string[];
  readonly names?: RouteNames;
}

/** Each of several is a filter; the filter of the group has one that stands alone. */
function FilterNames({ name, values, names, address }: NamesProps): JSX.Element {
  const shown = (value = "") => names?.get(value) ?? value;
  if (values.length === 1) return <span safe>{shown(values[0])}</span>;
  return (
    <>
      {values.slice(0, namesShown).map((value, index) => (
        <>
          {index === 0 ? "" : " and "}
          <a href={attribute(address({ [name]: value }))} safe>
            {shown(value)}
          </a>
        </>
      ))}
    </>
  );
}

function filterOfGroup({
  outcome,
  status,
  reason,
  upstreams,
  upstreamCount,
  routes,
  routeCount,
}: RequestGroup): Record<string, string> {
  return {
    outcome,
    ...(outcome === "sampled" ? {} : { status: String(status) }),
    ...(reason === null ? {} : { reason }),
    ...(upstreamCount === 1 && upstreams[0] !== undefined ? { upstream: upstreams[0] } : {}),
    ...(routeCount === 1 && routes[0] !== undefined ? { route: routes[0] } : {}),
  };
}
