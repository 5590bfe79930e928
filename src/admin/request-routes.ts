/** Routes of request records: list, explanation, dry run, and the live stream. */

import { isIP } from "node:net";

import type { Static } from "@sinclair/typebox";
import { Elysia } from "elysia";
import { listNames } from "../config/problem.ts";
import { type Schedule, systemWallClock } from "../lib/clock.ts";
import { formatDuration } from "../lib/units.ts";
import type { StoredRequest } from "../requests/recent-requests.ts";
import { matchesRequest, type RecordFilter } from "../requests/request-filter.ts";
import type { DryRunRequest } from "../requests/dry-run.ts";
import type { DryRunListener, Requests } from "../requests/requests.ts";
import {
  afterOf,
  countProblem,
  parameterProblem,
  queryParameters,
  readJsonBody,
  withoutParser,
} from "./request-input.ts";
import { cursorText, filterOf, listQueryOf } from "./request-query.ts";
import type { References } from "./references.ts";
import { json, problem, sseResponse } from "./responses.ts";
import { dryRunBody } from "./schemas/request.ts";
import { type SseClient, SseClients } from "./sse.ts";

const keptNone =
  "Cannot search requests: none are kept, because the setting requests.keep is 0, or the file of requests cannot be used.";

export function requestRoutes(requests: Requests, tail: RequestTail, { idOf }: Pick<References, "idOf">) {
  /** The same filter with the upstream's id. */
  const withId = <Query extends TailQuery>(query: Query): Query | Response => {
    if (query.upstream === undefined) return query;
    const upstream = idOf(query.upstream);
    return upstream instanceof Response ? upstream : { ...query, upstream };
  };
  return new Elysia({ handler: { standardHostname: false } })
    .get("/api/requests", ({ request }) => {
      const query = listQueryOf(queryParameters(request), systemWallClock());
      if (typeof query === "string") return problem(400, "query_invalid", query);
      const filter = withId(query.filter);
      if (filter instanceof Response) return filter;
      if (query.which !== "kept") return json(200, requests.list({ ...query, ...filter }));
      const { limit, cursor } = query;
      const found = requests.search({ filter, limit, ...(cursor && { cursor }) });
      if (!found) return problem(404, "requests_not_kept", keptNone);
      return json(200, { ...found, next: found.next && cursorText(found.next) });
    })

    .get("/api/requests/summary", ({ request }) => {
      const query = filterOf(queryParameters(request), systemWallClock());
      if (typeof query === "string") return problem(400, "query_invalid", query);
      const filter = withId(query);
      if (filter instanceof Response) return filter;
      const summary = requests.summary(filter);
      return summary ? json(200, summary) : problem(404, "requests_not_kept", keptNone);
    })

    .get("/api/requests/stream", ({ request }) => {
      const parameters = queryParameters(request);
      const query = filterOf(parameters, systemWallClock());
      if (typeof query === "string") return problem(400, "query_invalid", query);
      const after = afterOf(request);
      if (after === undefined) {
        return problem(400, "query_invalid", countProblem(parameters, ["after"]));
      }
      const filter = withId(query);
      if (filter instanceof Response) return filter;
      return sseResponse(tail.open({ query: filter, after }), "requests");
    })

    .post(
      "/api/requests/dry-run",
      async ({ request }) => {
        const body = await readJsonBody(request, dryRunBody);
        if (body instanceof Response) return body;
        const { method = "GET", host = "", target = "/", clientAddress = "127.0.0.1", headers = {} } = body;
        if (isIP(clientAddress) === 0) {
          const why = parameterProblem("clientAddress", {
            expected: "an IP address",
            received: clientAddress,
          });
          return problem(400, "clientAddress_invalid", why);
        }
        const entry = entryOf(body, requests.listeners);
        if (typeof entry === "string") return problem(400, "listener_invalid", entry);
        const lower = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
        const given = { method, host, target, clientAddress, ...entry, headers: Object.fromEntries(lower) };
        return json(200, requests.dryRun(given));
      },
      withoutParser,
    )

    .get("/api/requests/:id", ({ params: { id } }) => {
      const found = requests.explain(id);
      if (found) return json(200, found);
      return problem(404, "request_unknown", unknownText(id, requests));
    });
}

function unknownText(id: string, { keptLimits }: Pick<Requests, "keptLimits">): string {
  const recent = "the last 1,000, recent failed ones and the slowest of ten minutes; under load a sample";
  const kept = keptLimits
    ? `; and of ${formatDuration(keptLimits.keepMs)} failed and slow ones and a sample`
    : "";
  return `Cannot explain ${id}: no such request is stored. The balancer stores ${recent}${kept}.`;
}

/** The listener and scheme of a dry run's request, or a sentence with the error. A scheme alone finds a listener that has it. */
function entryOf(
  { listener, scheme }: Static<typeof dryRunBody>,
  listeners: readonly DryRunListener[],
): Pick<DryRunRequest, "listener" | "scheme"> | string {
  const found = listeners.find(
    (one) =>
      (listener === undefined || one.name === listener) &&
      (listener !== undefined || scheme === undefined || one.scheme === scheme),
  );
  if (listener !== undefined && !found)
    return parameterProblem("listener", {
      expected: `one of ${listNames(listeners.map(({ name }) => name))}`,
      received: listener,
    });
  const [first] = listeners;
  return {
    listener: (found ?? first)?.name ?? "",
    scheme: scheme ?? found?.scheme ?? "http",
  };
}

export type TailQuery = RecordFilter;

export interface TailStart {
  readonly query: TailQuery;
  /** Number of the request after which the stream begins; null to begin with the next request that ends. */
  readonly after: number | null;
}

export interface RequestTailOptions {
  readonly requests: Pick<Requests, "since" | "watch">;
  readonly schedule: Schedule;
}

interface StreamState {
  readonly query: TailQuery;
  /** Requests that were not sent because the client was behind. */
  missed: number;
}

const encoder = new TextEncoder();

/**
 * The live stream of request records: each client gets the records that match its filter.
 * ```
 *   idle ──first client──▶ watches every stored request ──last client left──▶ idle
 * ```
 */
export class RequestTail {
  readonly #options: RequestTailOptions;
  readonly #clients: SseClients<StreamState>;

  constructor(options: RequestTailOptions) {
    this.#options = options;
    const { requests, schedule } = options;
    this.#clients = new SseClients({
      maxClients: 50,
      maxWaitingBytes: 256 * 1024,
      schedule,
      begin: () => requests.watch((request) => this.#broadcast(request)),
    });
  }

  /** Number of connected clients. */
  get clients(): number {
    return this.#clients.size;
  }

  /** Undefined if too many clients are connected. */
  open({ query, after }: TailStart): ReadableStream<Uint8Array> | undefined {
    return this.#clients.open(() => ({ query, missed: 0 }), {
      onJoin: (client) => {
        const missed = after === null ? [] : this.#options.requests.since(after);
        for (const request of missed) this.#broadcast(request, [client]);
      },
    });
  }

  /** Encodes the message once for all clients, and only if one of them wants it. */
  #broadcast(request: StoredRequest, clients: Iterable<SseClient<StreamState>> = this.#clients): void {
    let bytes: Uint8Array | undefined;
    for (const client of clients) {
      if (!matchesRequest(request, client.state.query)) continue;
      bytes ??= encoder.encode(`event: request\nid: ${request.seq}\ndata: ${JSON.stringify(request)}\n\n`);
      this.#send(client, bytes);
    }
  }

  #send(client: SseClient<StreamState>, bytes: Uint8Array): void {
    const { state } = client;
    const missed = `event: missed\ndata: {"count":${state.missed}}\n\n`;
    if (state.missed > 0 && client.send(missed)) state.missed = 0;
    if (!client.send(bytes)) state.missed += 1;
  }
}
