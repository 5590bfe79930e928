/** Finds the upstreams and pools that admin requests name, in paths and in filters. */

import { problemSentence, quote } from "../config/problem.ts";
import type { EventQuery } from "../control/event-log.ts";
import type { BalancerEvent } from "../state/event.ts";
import { findReference, listOf, type NamedPools } from "../snapshot/upstream-reference.ts";
import { problem } from "./responses.ts";

export interface References {
  /** The id; the reference itself if nothing has this name; the error response if several upstreams have it. */
  idOf(reference: string): string | Response;
  /** The pool of the upstream with this id; undefined if there is none. */
  poolOf(id: string): string | undefined;
  /** The same query with ids; the error response if nothing has such a name, now or in the event log. */
  eventFilter<Query extends Pick<EventQuery, "upstream" | "pool">>(query: Query): Query | Response;
}

export interface ReferenceSources {
  /** Whether there is an upstream with this id: it needs no snapshot of all. */
  readonly hasUpstream: (id: string) => boolean;
  readonly pools: () => NamedPools;
  readonly events: (query: EventQuery) => readonly BalancerEvent[];
}

export function references({ hasUpstream, pools, events }: ReferenceSources): References {
  const idOf = (reference: string) => {
    if (hasUpstream(reference)) return reference;
    const found = findReference(reference, pools());
    if (found.kind === "found") return found.id;
    if (found.kind === "unknown") return reference;
    const why = `several upstreams have this address: ${listOf(found.candidates)}`;
    return problem(409, "upstream_ambiguous", sentence("find the upstream", why, reference));
  };
  /** A removed upstream or pool still has events. */
  const isRecorded = (query: Omit<EventQuery, "limit">) => events({ ...query, limit: 1 }).length > 0;
  return {
    idOf,
    poolOf: (id) => pools().find(({ upstreams }) => upstreams.some((one) => one.id === id))?.name,
    eventFilter(query) {
      const { pool } = query;
      const upstream = query.upstream === undefined ? undefined : idOf(query.upstream);
      if (upstream instanceof Response) return upstream;
      if (upstream !== undefined && !hasUpstream(upstream) && !isRecorded({ upstream })) {
        const known = pools().flatMap(({ name, upstreams }) => upstreams.map(({ id }) => `${name}/${id}`));
        return problem(404, "upstream_unknown", sentence("use upstream", expected(known), upstream));
      }
      const names = pool === undefined ? [] : pools().map(({ name }) => name);
      if (pool !== undefined && !names.includes(pool) && !isRecorded({ pool }))
        return problem(404, "pool_unknown", sentence("use pool", expected(names), pool));
      return upstream === undefined ? query : { ...query, upstream };
    },
  };
}

function expected(names: readonly string[]): string {
  return `expected one of ${listOf(names)}`;
}

function sentence(action: string, why: string, received: string): string {
  return problemSentence({ action, why, received: quote(received) });
}
