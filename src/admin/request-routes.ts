/** The part of the admin API that is about requests: those of late, one explained, live, and imagined ones. */

import { Elysia } from "elysia";
import { afterOf, countOf, queryParameters, readJsonBody, withoutParser } from "./request-input.ts";
import { eventStream, json, problem } from "./responses.ts";
import { dryRunBody } from "./schemas/request.ts";
import { type SseClient, SseClients } from "./sse.ts";
import type { Schedule } from "../lib/clock.ts";
import {
  matchesRequest,
  type RequestListKind,
  type RequestQuery,
  type StoredRequest,
} from "../requests/recent-requests.ts";
import type { Requests } from "../requests/requests.ts";

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

// Who follows requests live: each listener gets those that its filter lets through, as long as it reads.

export type TailQuery = Omit<RequestQuery, "which" | "limit" | "before">;

export interface TailStart {
  readonly query: TailQuery;
  /** Begins after the request with this number; null with the next one that ends. */
  readonly after: number | null;
}

export interface RequestTailOptions {
  readonly requests: Pick<Requests, "since" | "watch">;
  readonly schedule: Schedule;
}

interface State {
  readonly query: TailQuery;
  /** Requests that it did not get, since it does not read fast enough. */
  missed: number;
}

const encoder = new TextEncoder();

/** `resting ──first listener──▶ hearing of every kept request ──last one gone──▶ resting` */
export class RequestTail {
  readonly #options: RequestTailOptions;
  readonly #listeners: SseClients<State>;

  constructor(options: RequestTailOptions) {
    this.#options = options;
    const { requests, schedule } = options;
    this.#listeners = new SseClients({
      maxClients: 50,
      maxWaitingBytes: 256 * 1024,
      schedule,
      begin: () => requests.watch((request) => this.#notify(request)),
    });
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  /** Undefined if too many listen already. */
  open({ query, after }: TailStart): ReadableStream<Uint8Array> | undefined {
    return this.#listeners.open(() => ({ query, missed: 0 }), {
      joins: (listener) => {
        const missed = after === null ? [] : this.#options.requests.since(after);
        for (const request of missed) this.#notify(request, [listener]);
      },
    });
  }

  /** The text is made once for all of them, and only if one of them wants it. */
  #notify(request: StoredRequest, listeners: Iterable<SseClient<State>> = this.#listeners): void {
    let bytes: Uint8Array | undefined;
    for (const listener of listeners) {
      if (!matchesRequest(request, listener.state.query)) continue;
      bytes ??= encoder.encode(`event: request\nid: ${request.seq}\ndata: ${JSON.stringify(request)}\n\n`);
      this.#send(listener, bytes);
    }
  }

  #send(listener: SseClient<State>, bytes: Uint8Array): void {
    const { state } = listener;
    const missed = `event: missed\ndata: {"count":${state.missed}}\n\n`;
    if (state.missed > 0 && listener.send(missed)) state.missed = 0;
    if (!listener.send(bytes)) state.missed += 1;
  }
}
