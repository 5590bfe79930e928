/** The routes of one place in the table: by what may follow the path there, then by their conditions. */

import type { RequestHead } from "../proxy/request-head.ts";
import type { Route, RouteMatch } from "../proxy/route.ts";
import type { RequestCheck } from "./condition-checks.ts";
import type { PathPattern, PatternEnd } from "./path-pattern.ts";

/** A route at one place of the table. Lists of them are linked: a lookup touches as few objects as possible. */
export interface TableRoute {
  readonly route: Route;
  readonly match: RouteMatch;
  /** Present where requests have captures. */
  readonly captured: PathPattern | undefined;
  /** All of them must hold; undefined for none. */
  readonly checks: readonly RequestCheck[] | undefined;
  /** The next one of the same place. */
  next: TableRoute | undefined;
  /** Of the first one: the last one with conditions. */
  tail: TableRoute | undefined;
}

/**
 * Adds to a list: it keeps the order, except that the route without conditions is last. A second one without conditions would
 * get no requests, and is left out.
 * @returns the first of the list
 */
export function withTableRoute(first: TableRoute | undefined, added: TableRoute): TableRoute {
  added.tail = added;
  if (!first) return added;
  if (!first.checks) {
    if (!added.checks) return first;
    added.next = first;
    return added;
  }
  const tail = first.tail ?? first;
  if (!added.checks) tail.next ??= added;
  else {
    added.next = tail.next;
    tail.next = added;
    first.tail = added;
  }
  return first;
}

/** The first of a list whose conditions hold. */
export function firstThatHolds(first: TableRoute | undefined, head: RequestHead): TableRoute | undefined {
  for (let placed = first; placed; placed = placed.next)
    if (!placed.checks || holds(placed.checks, head)) return placed;
  return undefined;
}

function holds(checks: readonly RequestCheck[], head: RequestHead): boolean {
  for (let i = 0; i < checks.length; i++) if (!(checks[i] as RequestCheck).holds(head)) return false;
  return true;
}

/** The routes of one path. */
export class PathEnds {
  exact: TableRoute | undefined;
  exactSlash: TableRoute | undefined;
  rest: TableRoute | undefined;
  slash: TableRoute | undefined;
  prefix: TableRoute | undefined;

  add(end: PatternEnd, placed: TableRoute): void {
    this[end] = withTableRoute(this[end], placed);
  }

  /** The most specific route whose conditions hold, for a path that begins with this one and goes on at `at`. */
  find(path: string, at: number, head: RequestHead): TableRoute | undefined {
    if (at === path.length) return firstThatHolds(this.exact, head) ?? firstThatHolds(this.prefix, head);
    const atEnd = at + 1 === path.length ? firstThatHolds(this.exactSlash, head) : undefined;
    return (
      atEnd ??
      firstThatHolds(this.rest, head) ??
      firstThatHolds(this.slash, head) ??
      firstThatHolds(this.prefix, head)
    );
  }
}
