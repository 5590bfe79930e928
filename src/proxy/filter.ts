/** What stands between a route and its pool: filters that may answer a request, and the request as they see it. */

import { withoutCookies } from "./cookies.ts";
import { checkedField, type Field, FoldedNames, PlainNames } from "./head-edit.ts";
import type { Refusal, RefusalReason } from "./refusal.ts";
import type { RequestHead } from "./request-head.ts";
import type { TraceContext } from "./trace-context.ts";

/** What a route is called. */
export interface RouteIdentity {
  /** Where it stands in the configuration: "routes[3]". */
  readonly place: string;
  /** Its name in metrics and records, if it has one. */
  readonly name?: string;
}

/** What is known of a request that has found its route. */
export interface MatchedRequest {
  readonly route: RouteIdentity;
  /** The form of the path that was matched, where it differs from what arrived. */
  readonly matchedPath?: string;
  /** What the parameters of a path template matched, as it arrived. */
  readonly captures?: Readonly<Record<string, string>>;
}

/** What a split chose for a request. */
export interface SplitChoice {
  /** Name of the pool. */
  readonly pool: string;
  /** What the choice was made by, as in the configuration. */
  readonly by: string;
  /** The hash of the client's key, 0–1: equal for equal keys, and it does not reveal them. */
  readonly point: number;
  /** Another pool than the chosen one, which had no available upstream. */
  readonly isFallback: boolean;
}

/**
 * What became of a request to a sticky pool. `kept`: the upstream that its cookie names responded. `new`: it had no valid
 * cookie. `moved`: another upstream responded, and its cookie changed. `full`: another upstream responded, because the named one
 * had no slot, and its cookie stays.
 */
export type StickyResult = "kept" | "new" | "moved" | "full";

/** The result of a filter: what the client gets, or undefined for a request that goes on. */
export type FilterVerdict = Refusal | undefined;

/** One filter of a route. It serves all requests of the route, so it keeps nothing about one of them. */
export interface RequestFilter {
  /** Its key in the configuration. Records, log and metrics name it where it answers a request. */
  readonly name: string;
  /** @returns a promise where it has to wait; one that rejects is a bug, which the client gets as a 500 */
  admit(request: FilteredRequest): FilterVerdict | Promise<FilterVerdict>;
  /**
   * What it would do with a request that is not sent, for a dry run. It asks no server, takes nothing and changes nothing: a limit
   * takes no token, and a request to an authentication server is only described. Without it a dry run says that it cannot know.
   */
  foresee?(request: FilteredRequest): ForeseenVerdict;
}

/** The verdict of a filter on a request that is not sent. */
export interface ForeseenVerdict {
  /** `unknown` where it depends on what a dry run does not ask, such as another server. */
  readonly verdict: "passes" | "answers" | "unknown";
  /** With `answers`: why it refuses the request. Absent for an answer that is no failure, as a redirect. */
  readonly refusal?: RefusalReason;
  /** A clause: "192.0.2.7 is in 192.0.2.0/24", "99 of 100 left", "it would ask pool auth". */
  readonly why: string;
}

/** Stands for the host of the upstream that a request goes to, which a retry changes. */
export const ofUpstream = Symbol("the host of the upstream");

const noFields: readonly Field[] = Object.freeze([]);
/** Nothing is ever added to them. */
const noHiddenNames = new FoldedNames();
const noReplacedNames = new PlainNames();

/** A request on a route that has filters. One is created for each such request, and for no other. */
export class FilteredRequest {
  readonly head: RequestHead;
  readonly match: MatchedRequest;
  readonly requestId: string;
  /** Its position in a trace that upstreams continue. */
  readonly trace: TraceContext | undefined;
  /** Who was authenticated. */
  user: string | undefined;
  /** What a split chose. */
  split: SplitChoice | undefined;
  /** What became of it in a sticky pool. */
  sticky: StickyResult | undefined;
  /** Path and query for the upstream, where a filter changes them. */
  upstreamTarget: string | undefined;
  /** The Host of the upstream's request, where a filter changes it; `ofUpstream` for the one of the upstream's address. */
  upstreamHost: string | typeof ofUpstream | undefined;
  // Most requests use few of them.
  #upstreamFields: Field[] | undefined;
  #hiddenNames: FoldedNames | undefined;
  #responseFields: Field[] | undefined;
  #replacedNames: PlainNames | undefined;
  #hiddenCookies: Set<string> | undefined;
  /** The client's other cookies, where some are hidden. */
  #cookies: Field | undefined;
  #controller: AbortController | undefined;
  #isOver = false;

  constructor(
    head: RequestHead,
    match: MatchedRequest,
    { requestId, trace }: { readonly requestId: string; readonly trace: TraceContext | undefined },
  ) {
    this.head = head;
    this.match = match;
    this.requestId = requestId;
    this.trace = trace;
  }

  /**
   * Writes a field of the upstream's request in place of the client's, in every spelling of its name.
   * @param value undefined only removes the client's
   */
  setUpstreamField(name: string, value: string | undefined): void {
    (this.#hiddenNames ??= new FoldedNames()).add(name);
    if (value !== undefined) (this.#upstreamFields ??= []).push(checkedField(name, value));
  }

  /** The upstream does not get the cookie of this name: it is the balancer's own. */
  hideCookie(name: string): void {
    const cookies = this.head.header("cookie");
    if (cookies === undefined) return;
    const kept = withoutCookies(cookies, (this.#hiddenCookies ??= new Set()).add(name));
    if (kept === cookies) return;
    (this.#hiddenNames ??= new FoldedNames()).add("Cookie");
    this.#cookies = kept === "" ? undefined : checkedField("Cookie", kept);
  }

  /** Adds a field to the response that the client gets, also if the balancer makes it. */
  addResponseField(name: string, value: string): void {
    const field = checkedField(name, value);
    (this.#responseFields ??= []).push(field);
  }

  /** The same for fields that were checked when they were made, by `checkedField`. */
  addCheckedFields(fields: readonly Field[]): void {
    if (fields.length === 0) return;
    const added = (this.#responseFields ??= []);
    for (let index = 0; index < fields.length; index++) added.push(fields[index] as Field);
  }

  /** Writes a field of the response in place of the upstream's. @param value undefined only removes the upstream's */
  setResponseField(name: string, value: string | undefined): void {
    (this.#replacedNames ??= new PlainNames()).add(name);
    if (value !== undefined) this.addResponseField(name, value);
  }

  /** Fields that the upstream gets, in the order of the filters. */
  get upstreamFields(): readonly Field[] {
    const fields = this.#upstreamFields ?? noFields;
    return this.#cookies ? [this.#cookies, ...fields] : fields;
  }

  /** Names whose fields of the client end here. */
  get hiddenNames(): FoldedNames {
    return this.#hiddenNames ?? noHiddenNames;
  }

  /** Fields that the client gets. */
  get responseFields(): readonly Field[] {
    return this.#responseFields ?? noFields;
  }

  /** Names whose fields of the upstream end here. */
  get replacedNames(): PlainNames {
    return this.#replacedNames ?? noReplacedNames;
  }

  /** Whether a filter changes anything in the request for the upstream: a head without changes goes on as it was written. */
  get changesRequest(): boolean {
    // Each field that is written hides the client's of its name.
    return (
      this.upstreamTarget !== undefined || this.upstreamHost !== undefined || this.#hiddenNames !== undefined
    );
  }

  /** Whether a filter changes anything in the response. */
  get changesResponse(): boolean {
    return this.#responseFields !== undefined || this.#replacedNames !== undefined;
  }

  /** Aborted when the verdict is not needed any more: the client has left, or the request's time is over. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#isOver) this.#controller.abort();
    return this.#controller.signal;
  }

  /** The verdict is not needed any more. */
  abandon(): void {
    this.#isOver = true;
    this.#controller?.abort();
  }
}
