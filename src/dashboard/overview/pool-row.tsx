/** The rows of a pool beside its upstreams: the summary, what is unusual about the pool, and what is left out. */
/** @jsxImportSource @kitajs/html */

import { AddLink } from "../actions/menu.tsx";
import { PoolBox } from "../actions/selection.tsx";
import { Icon } from "../layout/icon.tsx";
import { markup } from "../layout/shell.tsx";
import type { ShownPool } from "./folding.ts";
import { PoolMap } from "./pool-map.tsx";
import { anchorOf, attribute } from "../responses.ts";
import { NumberCell, StateMark } from "./upstream-cells.tsx";
import type { Row } from "./upstream-row.tsx";
import { openIn, queryOf, type View, withPool } from "../view.ts";
import type { PoolSnapshot, UpstreamSnapshot } from "../../snapshot/snapshot.ts";
import { formatCount, formatMs, formatRate, formatShare } from "../../wording/format.ts";
import { poolServingText } from "../../wording/problems.ts";
import { refusalNote, slotsInUse } from "../../wording/reasons.ts";
import { type LeadingRoutes, leadingText } from "../../wording/routes.ts";
import { isTroubled, sourceText } from "../../wording/sources.ts";
import { concernOf } from "../../wording/verdict.ts";

interface PoolRowProps {
  readonly shown: ShownPool;
  /** Epoch milliseconds by the balancer's clock. */
  readonly now: number;
  readonly view: View;
}

/** The address of the table with another state of a pool, scrolled to that pool. */
function addressWith(view: View, pool: string, state: Parameters<typeof withPool>[2]): string {
  const next = { ...withPool(view, pool, state), onlyProblems: undefined };
  return `/${queryOf(next)}#${anchorOf("pool", pool)}`;
}

interface LeadsProps {
  readonly pool: PoolSnapshot;
  /** The routes that lead to it; undefined without any, and before they were read. */
  readonly leading: LeadingRoutes | undefined;
}

type SummaryProps = PoolRowProps & Pick<LeadsProps, "leading">;

/** Its numbers stand in the columns of its upstreams. */
export function summaryRow({ shown, now, view, leading }: SummaryProps): Row {
  const { pool, tone, isOpen, all } = shown;
  const { name, traffic, policy } = pool;
  const text = poolServingText(pool);
  const inFlight = pool.upstreams.reduce((sum, upstream) => sum + slotsInUse(upstream), 0);
  const cells = [
    <td role="cell" class="s-pick">
      <PoolBox pool={name} count={pool.upstreams.length} />
    </td>,
    <th role="rowheader" scope="rowgroup" colspan="2" class="s-name">
      <a
        class="pool-toggle"
        href={attribute(addressWith(view, name, isOpen ? "closed" : "open"))}
        id={anchorOf("toggle", name)}
        aria-expanded={isOpen ? "true" : "false"}
        data-view
      >
        <Icon name="chevron" />
        <StateMark tone={tone} />
        <span class="pool-name" safe>
          {name}
        </span>
      </a>
      <span class="pool-facts" safe>
        {`${text} · ${policy}`}
      </span>
    </th>,
    <td role="cell" colspan="2" class="s-map">
      <PoolMap upstreams={all} text={text} />
    </td>,
    <NumberCell kind="s-wide" value={formatCount(inFlight)} />,
    <NumberCell value={formatRate(traffic.requestsPerSecond)} />,
    <NumberCell
      kind="s-errors"
      value={formatShare(traffic.errorShare)}
      isWrong={concernOf(traffic.errorShare) === "grave"}
    />,
    <NumberCell kind="s-wide" value={formatMs(traffic.p50Ms)} />,
    <NumberCell kind="s-p95" value={formatMs(traffic.p95Ms)} />,
    <NumberCell kind="s-wide" value={formatMs(traffic.p99Ms)} />,
    <LeadsCell pool={pool} leading={leading} />,
    <td role="cell" class="s-acts">
      <PoolMenu pool={pool} now={now} view={view} />
    </td>,
  ];
  const attributes = { role: "row", class: "pool-row", id: anchorOf("pool", name), "data-tone": tone };
  return { attributes, cells: cells.map(markup) };
}

/** Where its requests come from; without a route its probe. The page's script searches all of its routes. */
function LeadsCell({ pool: { name, probe }, leading }: LeadsProps): JSX.Element {
  const address = `/routes?${new URLSearchParams({ pool: name })}`;
  return (
    <td
      role="cell"
      colspan="2"
      class="s-probes quiet"
      title={attribute(`Probe: ${probe}`)}
      {...(leading ? { "data-leads": attribute(leading.find) } : {})}
    >
      {leading ? (
        <a href={attribute(address)} title={attribute(leadingText(leading))}>
          <span safe>{leading.first}</span>
          {leading.count > 1 ? <span>{`+${leading.count - 1}`}</span> : ""}
        </a>
      ) : (
        <span safe>{probe}</span>
      )}
    </td>
  );
}

interface PoolMenuProps {
  readonly pool: PoolSnapshot;
  readonly now: number;
  readonly view: View;
}

/** What is rarely looked at: counts since the start, sources of members, refusals; and what leads on. */
function PoolMenu({ pool, now, view }: PoolMenuProps): JSX.Element {
  const { name, policy, probe, discovery = [], refusals } = pool;
  const menu = anchorOf("pool-menu", name);
  const refused = Object.entries(refusals).filter(([, count]) => count > 0);
  const subject = new URLSearchParams({ pool: name });
  return (
    <div class="acts">
      <button
        type="button"
        class="dots"
        popovertarget={menu}
        id={`${menu}-button`}
        aria-label={attribute(`More about pool ${name}`)}
      >
        <Icon name="dots" />
      </button>
      <div class="popover menu" id={menu} popover="auto">
        <h3 safe>{`Pool ${name}`}</h3>
        <ul class="menu-facts">
          <li safe>{`policy: ${policy}`}</li>
          <li safe>{`probe: ${probe}`}</li>
          {countsOf(pool).map((fact) => (
            <li safe>{fact}</li>
          ))}
          {discovery.map((source) => (
            <li safe>{sourceText(source, now)}</li>
          ))}
          {refused.map(([reason, count]) => (
            <li class="refused" safe>
              {refusalNote(reason, count)}
            </li>
          ))}
        </ul>
        <AddLink pool={name} location={{ page: "overview", view }} place="menu" />
        <nav aria-label={attribute(`Pages about pool ${name}`)}>
          <a href={attribute(`/history?${subject}&from=-1h`)}>History</a>
          <a href={attribute(`/requests?${subject}&outcome=failed&from=-1h&to=now`)}>Failed requests</a>
        </nav>
      </div>
    </div>
  );
}

/** Counts since start; zero counts are omitted except for retries. */
function countsOf({ retries, rescues, hedges, queued }: PoolSnapshot): readonly string[] {
  const hedged = hedges.won + hedges.lost;
  return [
    `${formatCount(retries)} retries`,
    ...(rescues > 0 ? [`${formatCount(rescues)} of them rescues`] : []),
    ...(hedged > 0 ? [`${formatCount(hedged)} hedges, ${formatCount(hedges.won)} won`] : []),
    ...(queued > 0 ? [`${formatCount(queued)} queued`] : []),
  ];
}

/** What an operator should know of the pool itself, also while it is closed. */
export function noteRows({ shown: { pool, isOpen }, now }: PoolRowProps): readonly Row[] {
  const { name, discovery = [], panic, upstreams } = pool;
  const panicNote = "Panic mode: all upstreams that pass their probes are ejected, so ejections are ignored.";
  return [
    ...(panic ? [{ kind: "panic", text: panicNote }] : []),
    ...discovery.filter(isTroubled).map((source, index) => ({
      kind: `source-${index}`,
      text: sourceText(source, now),
    })),
    ...(isOpen && upstreams.length === 0 ? [{ kind: "empty", text: "This pool has no upstreams yet." }] : []),
  ].map(({ kind, text }) =>
    noteRow(
      { id: anchorOf(kind, name), class: kind === "empty" ? "note-row" : "note-row heed" },
      <span {...(kind === "panic" ? { role: "status" } : {})} safe>
        {text}
      </span>,
    ),
  );
}

/** The further cells stand for columns that narrower screens do not have: a wider first cell would make new ones there. */
function noteRow(attributes: Row["attributes"], content: JSX.Element): Row {
  const cells = [
    <td role="cell" colspan="9">
      {content}
    </td>,
    <td class="s-wide" colspan="3" aria-hidden="true"></td>,
    <td class="s-probes" colspan="2" aria-hidden="true"></td>,
  ];
  return { attributes: { role: "row", ...attributes }, cells: cells.map(markup) };
}

/** One line in place of the upstreams that serve as usual, and one that only a narrow screen shows. */
export function restRows({ shown, view }: PoolRowProps): readonly Row[] {
  const { pool, folded, usual, shown: rows } = shown;
  const { name } = pool;
  if (folded.length > 0) {
    const id = anchorOf("rest", name);
    const text = rows.length === 0 ? "all" : "more";
    return [noteRow({ id, class: "note-row" }, <Rest pool={pool} left={folded} view={view} more={text} />)];
  }
  if (usual.length > 0 && !view.onlyProblems) {
    const attributes = { id: anchorOf("brief", name), class: "note-row narrow-only" };
    return [noteRow(attributes, <Rest pool={pool} left={usual} view={view} more="more" />)];
  }
  if (openIn(view, name) && rows.length > 12) {
    const address = attribute(addressWith(view, name, "default"));
    const link = (
      <a href={address} data-view>
        Show fewer
      </a>
    );
    return [noteRow({ id: anchorOf("fewer", name), class: "note-row" }, link)];
  }
  return [];
}

interface RestProps {
  readonly pool: PoolSnapshot;
  readonly left: readonly UpstreamSnapshot[];
  readonly view: View;
  readonly more: "all" | "more";
}

/** "Show 15 more that serve as usual: at most 0.1% errors, p95 216 ms to 264 ms" */
function Rest({ pool: { name }, left, view, more }: RestProps): JSX.Element {
  const count = formatCount(left.length);
  return (
    <>
      <a href={attribute(addressWith(view, name, "open"))} data-view safe>
        {more === "all" ? `Show all ${count}` : `Show ${count} more`}
      </a>
      <span safe>{` that serve as usual: ${rangeText(left)}`}</span>
    </>
  );
}

function rangeText(upstreams: readonly UpstreamSnapshot[]): string {
  const errors = Math.max(...upstreams.map(({ traffic }) => traffic.errorShare));
  const p95s = upstreams.map(({ traffic }) => traffic.p95Ms).filter((value) => value !== null);
  const [fastest, slowest] = [formatMs(Math.min(...p95s)), formatMs(Math.max(...p95s))];
  return [
    errors > 0 ? `at most ${formatShare(errors)} errors` : "no errors",
    ...(p95s.length === 0 ? [] : [`p95 ${fastest === slowest ? fastest : `${fastest} to ${slowest}`}`]),
  ].join(", ");
}
