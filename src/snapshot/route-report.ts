/** What the admin API tells of routes: their traffic in the last minute and since the start, and where each leads. */

/** Where the requests of a route go. */
export interface RouteTarget {
  readonly kind: "pool" | "split" | "redirect" | "respond";
  /** Pools, with weights where a split has them; the address of a redirect; the status of a response. */
  readonly words: string;
  readonly pools: readonly string[];
}

export interface RouteNumbers {
  readonly requests: number;
  /** Of these, the ones that ended with a 5xx status at the client. */
  readonly errors: number;
  /** Further attempts after a failed one. */
  readonly retries: number;
  /** Requests that the balancer refused itself. */
  readonly refusals: number;
}

/** About the last minute. */
export interface RecentRouteTraffic extends RouteNumbers {
  /** Length of the window. */
  readonly seconds: number;
  readonly requestsPerSecond: number;
  /** Errors ÷ requests, 0–1; 0 without requests. */
  readonly errorShare: number;
  /** From the request's head to the end of the response, milliseconds; null without any. */
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
}

export interface RouteCountsReport {
  readonly recent: RecentRouteTraffic;
  /** Since the process started, or since the route was added. */
  readonly total: RouteNumbers;
}

export interface RouteReport extends RouteCountsReport {
  /** Name, or host and path. */
  readonly route: string;
  readonly name: string | null;
  /** Where it stands in the configuration: "routes[3]". */
  readonly place: string;
  readonly hosts: readonly string[];
  /** Null for every path. */
  readonly path: string | null;
  readonly leadsTo: RouteTarget;
}

/** Routes beyond the limit, counted together. */
export interface OtherRoutesReport extends RouteCountsReport {
  /** How many they are. */
  readonly routes: number;
}

export interface RoutesReport {
  /** The most failing requests of the last minute first. */
  readonly routes: readonly RouteReport[];
  /** Null where every route has counters of its own. */
  readonly others: OtherRoutesReport | null;
}
