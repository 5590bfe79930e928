/** What a viewer may look for: pages, pools, upstreams, routes, and a request by its id. */

import type { RoutesReport } from "../../snapshot/route-report.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";
import { pageOf } from "../location.ts";
import { explainUrl } from "../requests/filter.tsx";
import { anchorOf } from "../responses.ts";
import { queryOf, plainView } from "../view.ts";

export interface FindResult {
  readonly kind: "Upstream" | "Pool" | "Route" | "Page" | "Request" | "Requests";
  readonly name: string;
  readonly address: string;
  /** What tells it from others of a like name; may be empty. */
  readonly detail: string;
}

interface Findable {
  /** What the admin API said last; undefined before the first read. */
  readonly snapshot: Pick<Snapshot, "pools"> | undefined;
  readonly routes: RoutesReport | undefined;
}

/** More would not be read: another letter narrows them down. */
const maxFound = 12;

/** In characters. */
const maxWanted = 200;

const pages: readonly FindResult[] = [
  ["Overview", "/", "problems, traffic, upstreams"],
  ["Requests", "/requests", "live, slowest, failed"],
  ["Dry run", "/requests/dry-run", "where a request would go"],
  ["Routes", "/routes", "traffic and targets"],
  ["History", "/history", "charts of a time"],
  ["Certificates", "/certificates", "names, ends, renewal"],
  ["Alerts", "/alerts", "receivers, silences"],
  ["Fleet", "/fleet", "all balancers"],
  ["Events", "/events", "state changes"],
  ["Audit", "/audit", "operator actions"],
  ["Configuration", "/config", "settings, reload"],
  ["All keys", "/keys", "of the dashboard"],
].map(([name = "", address = "", detail = ""]) => ({ kind: "Page", name, address, detail }));

/** The best matches first: equal, then at the beginning, then anywhere. Without a wanted text, the pages. */
export function findNamed(text: string, { snapshot, routes }: Findable): readonly FindResult[] {
  const wanted = text.trim().slice(0, maxWanted).toLowerCase();
  if (wanted === "") return pages.slice(0, maxFound);
  const candidates = [...(snapshot ? upstreamsOf(snapshot) : []), ...routesOf(routes), ...pages];
  const ranked = candidates
    .map((each) => ({ each, rank: rankOf(each, wanted) }))
    .filter(({ rank }) => rank < none)
    .toSorted((one, other) => one.rank - other.rank)
    .slice(0, maxFound - 2)
    .map(({ each }) => each);
  return [...ranked, ...requestsOf(text.trim().slice(0, maxWanted))];
}

const none = 4;

function rankOf({ name, detail }: FindResult, wanted: string): number {
  const lower = name.toLowerCase();
  if (lower === wanted) return 0;
  if (lower.startsWith(wanted)) return 1;
  if (lower.includes(wanted)) return 2;
  return detail.toLowerCase().includes(wanted) ? 3 : none;
}

function upstreamsOf({ pools }: Pick<Snapshot, "pools">): readonly FindResult[] {
  return pools.flatMap(({ name, upstreams }): readonly FindResult[] => [
    {
      kind: "Pool",
      name,
      address: `/${queryOf({ ...plainView, open: [name] })}#${anchorOf("pool", name)}`,
      detail: `${upstreams.length} upstreams`,
    },
    ...upstreams.map(({ id, url, status }): FindResult => ({
      kind: "Upstream",
      name: id,
      address: pageOf(id),
      detail: `${name}, ${url}, ${status}`,
    })),
  ]);
}

function routesOf(report: RoutesReport | undefined): readonly FindResult[] {
  return (report?.routes ?? []).map(({ route, name, place, leadsTo }) => ({
    kind: "Route",
    name: route,
    address: `/routes?${new URLSearchParams({ filter: name ?? route })}`,
    detail: `${place}, ${leadsTo.words}`,
  }));
}

/** A request is not looked for: its page says whether it is kept. */
function requestsOf(text: string): readonly FindResult[] {
  const path: FindResult = {
    kind: "Requests",
    name: `with ${text} in their path`,
    address: `/requests?${new URLSearchParams({ path: text })}`,
    detail: "",
  };
  const id: FindResult = { kind: "Request", name: text, address: explainUrl(text), detail: "by its id" };
  return /^[\w.:-]{6,}$/.test(text) ? [id, path] : [path];
}
