/** What stands between a route and its pool: filters that may answer a request, and the request as they see it. */

import { withoutCookies } from "./cookies.ts";
import {
  checkedField,
  eitherOf,
  type Field,
  type FieldEdit,
  FoldedNames,
  foldedNamed,
  type NameSet,
  noFields,
  plainNamed,
  PlainNames,
} from "./head-edit.ts";
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

const noHiddenNames: NameSet = new FoldedNames();
const noReplacedNames: NameSet = new PlainNames();

/** Filters often hide nothing, or the same as another. */
function both(one: NameSet | undefined, other: NameSet): NameSet {
  if (one === undefined || one === other || one === noReplacedNames) return other;
  return other === noReplacedNames ? one : eitherOf(one, other);
}

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
  #hiddenNames: NameSet | undefined;
  /** What filters change in the response. Never changed in place: it may be one that serves many requests. */
  #responseEdit: FieldEdit | undefined;
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
    this.#hide(name);
    if (value !== undefined) (this.#upstreamFields ??= []).push(checkedField(name, value));
  }

  /** The same for a field that was checked when it was made, by `checkedField`. */
  setCheckedUpstreamField(field: Field): void {
    this.#hide(field[0]);
    (this.#upstreamFields ??= []).push(field);
  }

  #hide(name: string): void {
    this.#hiddenNames = both(this.#hiddenNames, foldedNamed(name));
  }

  /** The upstream does not get the cookie of this name: it is the balancer's own. */
  hideCookie(name: string): void {
    const cookies = this.head.header("cookie");
    if (cookies === undefined) return;
    const kept = withoutCookies(cookies, (this.#hiddenCookies ??= new Set()).add(name));
    if (kept === cookies) return;
    this.#hide("Cookie");
    this.#cookies = kept === "" ? undefined : checkedField("Cookie", kept);
  }

  /** Adds a field to the response that the client gets, also if the balancer makes it. */
  addResponseField(name: string, value: string): void {
    this.editResponse({ removed: noReplacedNames, added: [checkedField(name, value)] });
  }

  /** Writes a field of the response in place of the upstream's. @param value undefined only removes the upstream's */
  setResponseField(name: string, value: string | undefined): void {
    const added = value === undefined ? noFields : [checkedField(name, value)];
    this.editResponse({ removed: plainNamed(name), added });
  }

  /** Several such changes. @param edit may serve many requests; its fields were made by `checkedField` */
  editResponse(edit: FieldEdit): void {
    const before = this.#responseEdit;
    this.#responseEdit = before
      ? { removed: both(before.removed, edit.removed), added: [...before.added, ...edit.added] }
      : edit;
  }

  /** Fields that the upstream gets, in the order of the filters. */
  get upstreamFields(): readonly Field[] {
    const fields = this.#upstreamFields ?? noFields;
    return this.#cookies ? [this.#cookies, ...fields] : fields;
  }

  /** Names whose fields of the client end here. */
  get hiddenNames(): NameSet {
    return this.#hiddenNames ?? noHiddenNames;
  }

  /** What filters change in the response; undefined for nothing. */
  get responseEdit(): FieldEdit | undefined {
    return this.#responseEdit;
  }

  /** Whether a filter changes anything in the request for the upstream: a head without changes goes on as it was written. */
  get changesRequest(): boolean {
    // Each field that is written hides the client's of its name.
    return (
      this.upstreamTarget !== undefined || this.upstreamHost !== undefined || this.#hiddenNames !== undefined
    );
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
