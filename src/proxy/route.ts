/** The contract of routes: where a route leads, what it does with a request, and how a request finds its route. */

import type { ProxyVersion } from "../net/proxy-protocol.ts";
import type { Pool } from "../pool/pool.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { ResponseCompression } from "./compression.ts";
import type { Deadlines } from "./deadlines.ts";
import type { FilteredRequest, MatchedRequest, RequestFilter, RouteIdentity } from "./filter.ts";
import type { HashKeyFn } from "./hash-key.ts";
import type { HeadEdit } from "./head-edit.ts";
import type { Queue } from "./queue.ts";
import type { ProtocolViolation, Refusal } from "./refusal.ts";
import type { RequestHead } from "./request-head.ts";
import type { RetryBudget } from "./retry-budget.ts";
import type { Sticky } from "./sticky.ts";

/** Limits of one pool's traffic, in milliseconds. */
export interface Timeouts {
  readonly connectMs: number;
  /** From the request's last byte to the response's head. */
  readonly headMs: number;
  /** From the request's head to the response's, over all attempts and waits; by default no limit. */
  readonly totalMs?: number;
  /** Between two pieces of a response's body. */
  readonly bodyIdleMs: number;
  /** Without a byte in either direction of an upgraded connection. */
  readonly tunnelIdleMs: number;
  /** Age at which an upstream connection is not reused any more; by default no limit. */
  readonly connectionAgeMs?: number;
}

/** Where a route leads: a pool and the settings of its requests. */
export interface Destination {
  readonly pool: Pool;
  readonly timeouts: Timeouts;
  /** Maximum number of retries. */
  readonly retries: number;
  /** Limits them; by default all are allowed. */
  readonly retryBudget?: RetryBudget;
  /** Present where `timeouts.totalMs` is. */
  readonly deadlines?: Deadlines;
  /** Where requests wait for a slot; without it they are refused. */
  readonly queue?: Queue;
  /** Response statuses that are retried like failures; by default every response is forwarded. */
  readonly retryStatuses?: ReadonlySet<number>;
  /** Whether requests that wait long may be hedged. */
  readonly mayHedge?: boolean;
  /** Version of the PROXY header that begins upstream connections, which then serve one client each; by default none. */
  readonly proxyProtocol?: ProxyVersion;
  /** Maximum size of a request body, bytes; by default no limit. */
  readonly maxRequestBodyBytes?: number;
  /** Present where clients stay with their upstreams. Its routes have `handling`. */
  readonly sticky?: Sticky;
  /** Present where the pool's policy uses a hash key. */
  readonly keyOf?: HashKeyFn;
}

/** Chooses one of several destinations for each request. */
export interface RouteSplit {
  /** The same request of the same client leads to the same destination, as long as the shares stay. */
  choose(request: FilteredRequest): Destination;
}

/** Computes what changes in the request for the upstream, or in the response for the client. */
export interface RequestEditor {
  edit(request: FilteredRequest): HeadEdit;
}

export interface ResponseEditor {
  /** @param upstream where the response comes from; undefined for one that the balancer makes */
  edit(request: FilteredRequest, upstream: Upstream | undefined): HeadEdit;
}

/** What happens to the requests that meet the conditions of a route. */
export interface Route extends RouteIdentity {
  /** Host names of the configuration, for people; undefined matches all. */
  readonly hosts?: readonly string[];
  /** Path of the configuration, for people; undefined matches all. */
  readonly path?: string;
  /** What its requests are counted under; undefined for one that is not counted. */
  readonly counter?: string;
  /** False if its requests are served where a listener redirects the others to https. */
  readonly isRedirected?: boolean;
  /** Where its requests go; undefined where a split decides, or a filter answers every request. */
  readonly destination?: Destination;
  readonly split?: RouteSplit;
  /** Absent on a route whose requests only go to its destination: nothing more is looked at then. */
  readonly handling?: RouteHandling;
}

/** What a route does with a request beyond sending it to a destination. */
export interface RouteHandling {
  /** In their fixed order. */
  readonly filters: readonly RequestFilter[];
  readonly requestEditor?: RequestEditor;
  readonly responseEditor?: ResponseEditor;
  readonly compression?: ResponseCompression;
  readonly errorPages?: ErrorPages;
}

/** Pages in place of the text of the balancer's own errors. */
export interface ErrorPages {
  /** @returns HTML; undefined where the response keeps its own body */
  pageFor(
    refused: Refusal,
    request: { readonly accept: string | undefined; readonly requestId: string },
  ): string | undefined;
}

/** A request with its route. */
export interface FoundRoute extends MatchedRequest {
  readonly route: Route;
  readonly violation?: undefined;
}

/** The routes tell paths apart, and servers do not agree about this one, or cannot read it. */
export interface UnclearRoute {
  readonly route?: undefined;
  readonly matchedPath?: string;
  readonly violation: ProtocolViolation;
  /** Where the path leads in two of its readings; undefined for no route. Present where servers do not agree. */
  readonly candidates?: readonly [Route | undefined, Route | undefined];
}

/** The route of a request, or why it has none. */
export type RouteMatch = FoundRoute | UnclearRoute;

/** A route that a request does not take, and why, as a clause. */
export interface ComparedRoute {
  readonly route: Route;
  readonly why: string;
}

export interface RouteExplanation {
  /** Routes that match the request too, from the most specific one on. At most five. */
  readonly over: readonly ComparedRoute[];
  /** Routes of its host that do not match, the nearest first. At most five. */
  readonly not: readonly ComparedRoute[];
  /** How servers read its path, and the route of each form; empty for a path that all read in one way. At most sixteen. */
  readonly readings: readonly { readonly path: string; readonly route: Route | undefined }[];
}

/** All routes of a configuration. */
export interface RouteTable {
  /** In the order of the configuration. */
  readonly routes: readonly Route[];
  /** Without a destination: what happens to requests that no other route takes, before they are refused. */
  readonly unmatched?: FoundRoute | undefined;
  /** The most specific route whose conditions hold; undefined if there is none. */
  find(head: RequestHead): RouteMatch | undefined;
  /** Whether a route takes requests for this host, given as in a Host header, or requests for any host. */
  takesHost(host: string): boolean;
}

/** A table that can say why a request has its route. */
export interface ExplainedRouteTable extends RouteTable {
  /** For a dry run: it looks at every route. */
  explain(head: RequestHead): RouteExplanation;
}
