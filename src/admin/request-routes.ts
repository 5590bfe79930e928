/** The part of the admin API that is about requests: those of late, one explained, live, and imagined ones. */

import { Elysia } from "elysia";

import type { Requests } from "../requests/requests.ts";
import type { RequestQuery, RequestListKind } from "../requests/request.ts";
import { eventStream, json, problem } from "./responses.ts";
import { afterOf, countOf, queryParameters } from "./request-input.ts";
import { readJsonBody, withoutParser } from "./bodies.ts";
import type { RequestTail, TailQuery } from "./request-tail.ts";
import { dryRunBody } from "./schemas/request.ts";

const defaultLimit = 50;
const maxConcurrent = 500;
const lists: readonly RequestListKind[] = ["recent", "slowest", "failed"];

export function requestRoutes(requests: Requests, tail: RequestTail) {
  return new Elysia({ handler: { standardHostname: false } })
    .get("/api/requests", ({ request }) => {
      const query = listQueryOf(queryParameters(request));
      return typeof query === "string"
        ? problem(400, "query_invalid", query)
        : json(200, requests.list(query));
    })

    .get("/api/requests/stream", ({ request }) => {
      const query = filterOf(queryParameters(request));
      if (typeof query === "string") return problem(400, "query_invalid", query);
      const after = afterOf(request);
      if (after === undefined) {
        return problem(400, "query_invalid", "Cannot follow the requests: after needs a whole number");
      }
      return eventStream(tail.open({ query, after }), "the requests");
    })

    .post(
      "/api/requests/dry-run",
      async ({ request }) => {
        const given = await readJsonBody(request, dryRunBody);
        if (given instanceof Response) return given;
        const { method = "GET", host = "", target = "/", clientAddress = "127.0.0.1", headers = {} } = given;
        const lower = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
        return json(
          200,
          requests.dryRun({ method, host, target, clientAddress, headers: Object.fromEntries(lower) }),
        );
      },
      withoutParser,
    )

    .get("/api/requests/:id", ({ params: { id } }) => {
      const found = requests.explain(id);
      if (found) return json(200, found);
      const kept =
        "kept are the last thousand, those that failed, and the slowest of ten minutes; of a flood a sample";
      return problem(
        404,
        "request_unknown",
        `Cannot explain ${id}: it is not among the requests that are kept; ${kept}`,
      );
    });
}

/** A sentence that says what is wrong with it. */
function listQueryOf(query: URLSearchParams): RequestQuery | string {
  const which = lists.find((known) => known === (query.get("which") ?? "recent"));
  if (!which) return `Cannot list requests: which must be one of ${lists.join(", ")}`;
  const [limit, before] = [countOf(query, "limit"), countOf(query, "before")];
  if (limit === undefined || before === undefined) {
    return "Cannot list requests: limit and before need whole numbers";
  }
  const filter = filterOf(query);
  if (typeof filter === "string") return filter;
  return {
    ...{ which, limit: Math.min(limit ?? defaultLimit, maxConcurrent) },
    ...(before !== null && { before }),
    ...filter,
  };
}

function filterOf(query: URLSearchParams): TailQuery | string {
  const status = query.get("status");
  if (status && !/^\d(\d\d|xx)$/.test(status)) {
    return "Cannot filter requests: status needs a status such as 404, or a class such as 4xx";
  }
  const names = ["pool", "upstream", "method", "status", "path", "reason"] as const;
  // An empty one comes from an empty field of a form, and filters nothing.
  return Object.fromEntries(
    names.flatMap((name) => (query.get(name) ? [[name, query.get(name) ?? ""]] : [])),
  );
}
