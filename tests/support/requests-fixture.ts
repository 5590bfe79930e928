/** The requests part of the fake admin API: stored requests, streams of new ones, and a dry run. */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { StoredRequest } from "../../src/requests/recent-requests.ts";
import type { RequestSummary } from "../../src/requests/requests.ts";
import type { DryRunResult, DryRunInput } from "../../src/requests/dry-run.ts";
import type { AttemptRecord, Candidate, SelectionRecord } from "../../src/proxy/record.ts";

export interface FakeRequestsApi {
  /** Newest first. */
  requests: StoredRequest[];
  sampled: boolean;
  /** Of kept requests. */
  summary: RequestSummary;
  dryRun: DryRunResult;
  readonly dryRuns: DryRunInput[];
  /** The queries of the lists and streams. */
  readonly queries: string[];
  /** Number of open streams. */
  readonly streams: number;
  /** Stores a request and sends it to every stream. */
  add(request: StoredRequest): void;
  sendMissed(count: number): void;
  /** Ends every stream and refuses new ones until {@link reconnect}, like a balancer that restarts. */
  disconnect(): void;
  reconnect(): void;
  /** Responds to requests of this part; resolves with false for others. */
  handle(request: IncomingMessage, response: ServerResponse): Promise<boolean>;
}

export function fakeRequestsApi(): FakeRequestsApi {
  const streams = new Set<ServerResponse>();
  let isDisconnected = false;
  const broadcast = (name: string, value: unknown) => {
    for (const stream of streams) stream.write(`event: ${name}\ndata: ${JSON.stringify(value)}\n\n`);
  };
  const api: FakeRequestsApi = {
    requests: someRequests(),
    sampled: false,
    summary: someSummary(),
    dryRun: someDryRun,
    dryRuns: [],
    queries: [],
    get streams() {
      return streams.size;
    },
    add(request) {
      api.requests.unshift(request);
      broadcast("request", request);
    },
    sendMissed: (count) => broadcast("missed", { count }),
    disconnect() {
      isDisconnected = true;
      for (const stream of streams) stream.end();
    },
    reconnect() {
      isDisconnected = false;
    },
    async handle(request, response) {
      const { pathname, searchParams } = new URL(request.url ?? "/", "http://admin.example");
      if (!pathname.startsWith("/api/requests")) return false;
      if (pathname === "/api/requests/dry-run" && request.method === "POST") {
        let body = "";
        for await (const chunk of request) body += String(chunk);
        api.dryRuns.push(JSON.parse(body) as DryRunInput);
        return send(response, 200, api.dryRun);
      }
      if (pathname === "/api/requests/stream") {
        if (isDisconnected)
          return send(response, 503, { reason: "away", detail: "Cannot follow the requests now" });
        api.queries.push(`stream ${searchParams}`);
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.write(":\n\n");
        streams.add(response);
        response.on("close", () => streams.delete(response));
        return true;
      }
      if (pathname === "/api/requests") {
        api.queries.push(`list ${searchParams}`);
        if (searchParams.get("status") === "teapot") return send(response, 400, badQuery);
        return send(response, 200, {
          requests: filterRequests(api.requests, searchParams),
          sampled: api.sampled,
        });
      }
      if (pathname === "/api/requests/summary") {
        api.queries.push(`summary ${searchParams}`);
        return send(response, 200, api.summary);
      }
      const id = decodeURIComponent(pathname.slice("/api/requests/".length));
      const found = api.requests.find(({ requestId }) => requestId === id);
      return found
        ? send(response, 200, { ...found, account: explanationOf(found) })
        : send(response, 404, unknownRequest);
    },
  };
  return api;
}

/** Failures of one upstream on two routes, and slow requests of many upstreams on five. */
function someSummary(): RequestSummary {
  const times = { firstAt: Date.now() - 600_000, lastAt: Date.now() };
  return {
    counts: { failed: 1_038, refused: 0, retried: 0, slow: 756, sampled: 0 },
    routes: [
      { route: "routes[0]", counts: { failed: 720, refused: 0, retried: 0, slow: 356, sampled: 0 } },
      { route: "login", counts: { failed: 318, refused: 0, retried: 0, slow: 400, sampled: 0 } },
    ],
    routeCount: 2,
    slowMs: 1_000,
    groups: [
      {
        ...{ outcome: "failed", status: 500, reason: null, count: 1_020, ...times },
        ...{ upstreams: ["localhost:8083"], upstreamCount: 1, routes: ["routes[0]", "login"], routeCount: 2 },
      },
      {
        ...{ outcome: "slow", status: 200, reason: null, count: 756, ...times },
        ...{ upstreams: ["localhost:8081", "localhost:8082", "localhost:8083"], upstreamCount: 3 },
        ...{ routes: ["routes[0]", "login", "routes[2]", "routes[3]", "routes[4]"], routeCount: 5 },
      },
      {
        ...{ outcome: "failed", status: 503, reason: "queue_full", count: 18, ...times },
        ...{ upstreams: [], upstreamCount: 0, routes: ["login"], routeCount: 1 },
      },
    ],
  };
}

const badQuery = {
  reason: "query_invalid",
  detail: 'Cannot list requests: status must be a number or a class like 4xx, received "teapot".',
};

const unknownRequest = {
  reason: "request_unknown",
  detail: "The last 1,000 requests are kept, and of the failed and the slowest 200 each.",
};

function send(response: ServerResponse, status: number, value: unknown): true {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
  return true;
}

function filterRequests(
  requests: readonly StoredRequest[],
  query: URLSearchParams,
): readonly StoredRequest[] {
  const [which, status] = [query.get("which"), query.get("status")];
  const before = Number(query.get("before") ?? Number.POSITIVE_INFINITY);
  const matching = requests
    .filter(({ seq }) => seq < before)
    .filter(({ method }) => (query.get("method") ?? method) === method)
    .filter(({ target }) => target.startsWith(query.get("path") ?? ""))
    .filter(
      ({ status: requestStatus }) =>
        status === null || String(requestStatus).startsWith(status.replace(/x+$/, "")),
    )
    .filter(
      ({ attempts }) =>
        !query.has("upstream") || attempts.some(({ upstream }) => upstream === query.get("upstream")),
    )
    .filter(({ reason, retried }) => which !== "failed" || reason !== null || retried.length > 0);
  const inOrder =
    which === "slowest" ? matching.toSorted((left, right) => right.durationMs - left.durationMs) : matching;
  return inOrder.slice(0, Number(query.get("limit") ?? 50));
}

export function someRequest(seq: number, change: Partial<StoredRequest> = {}): StoredRequest {
  return {
    seq,
    requestId: `6f1e0c2a-${seq.toString(16).padStart(6, "0")}`,
    clientAddress: "192.0.2.14",
    peerAddress: "192.0.2.14",
    matchedPath: null,
    filter: null,
    route: "routes[0]",
    routeConditions: null,
    user: null,
    scheme: "http",
    listener: "main",
    protocol: "http/1.1",
    status: 200,
    bytesIn: 412,
    bytesOut: 18_240,
    isClientGone: false,
    at: Date.now() - (100 - seq) * 730,
    durationMs: 12.4,
    method: "GET",
    target: "/",
    host: "shop.example",
    pool: "main",
    key: null,
    reason: null,
    complaint: null,
    notRetried: null,
    retried: [],
    queuedMs: 0,
    attempts: [someAttempt("localhost:8081")],
    choices: [someChoice("localhost:8081")],
    traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
    ...change,
  };
}

export function someAttempt(upstream: string, change: Partial<AttemptRecord> = {}): AttemptRecord {
  return {
    upstream,
    startMs: 0.2,
    connectMs: null,
    headMs: 11.1,
    endMs: 12.1,
    status: 200,
    outcome: "response",
    phase: null,
    reason: null,
    rehearsed: false,
    ...change,
  };
}

const candidates: readonly Candidate[] = [
  { upstream: "localhost:8081", inFlight: 61, weight: 1, latencyMs: 96.2 },
  { upstream: "localhost:8082", inFlight: 2, weight: 0.4, latencyMs: null },
  { upstream: "localhost:8083", inFlight: 118, weight: 2, latencyMs: 88.4 },
];

export function someChoice(chosen: string): SelectionRecord {
  return { chosen, candidates, fit: candidates.length };
}

/** A request with two attempts: the first upstream refused it, the second responded. */
export function retriedRequest(seq: number, change: Partial<StoredRequest> = {}): StoredRequest {
  return someRequest(seq, {
    target: "/cart/checkout?step=2",
    durationMs: 148.2,
    queuedMs: 21.5,
    reason: null,
    retried: ["connect_refused"],
    attempts: [
      someAttempt("localhost:8082", {
        startMs: 21.7,
        connectMs: null,
        headMs: null,
        endMs: 3.1,
        status: 0,
        outcome: "failure",
        phase: "connect",
        reason: "connect_refused",
      }),
      someAttempt("localhost:8083", { startMs: 25, connectMs: 6.2, headMs: 97.4, endMs: 123.1 }),
    ],
    choices: [someChoice("localhost:8082"), someChoice("localhost:8083")],
    ...change,
  });
}

const targets = [
  ...[
    "/",
    "/products?page=3",
    "/products/4711",
    "/cart",
    "/assets/app.3f2a91.css",
    "/api/prices?currency=eur",
  ],
  ...["/search?q=walking+boots&sort=price", "/products/92/reviews", "/account/orders"],
];

/** Forty requests, newest first. */
export function someRequests(): StoredRequest[] {
  const broken = { status: 0, outcome: "failure", headMs: null } as const;
  const special: Readonly<Record<number, StoredRequest>> = {
    98: retriedRequest(98),
    95: someRequest(95, { method: "POST", target: "/cart", status: 201, durationMs: 44.1 }),
    91: someRequest(91, {
      method: "POST",
      target: "/orders",
      status: 502,
      reason: "upstream_reset",
      durationMs: 1_204.6,
      notRetried: "method_not_idempotent",
      attempts: [
        someAttempt("localhost:8083", { ...broken, endMs: 1_204.3, phase: "head", reason: "upstream_reset" }),
      ],
      choices: [someChoice("localhost:8083")],
    }),
    88: someRequest(88, { target: "/favicon.ico", status: 404, durationMs: 3.2 }),
    86: someRequest(86, {
      target: "/reports/2026-11.pdf",
      durationMs: 6_120.9,
      status: 200,
      isClientGone: true,
      pool: "main",
      attempts: [someAttempt("localhost:8081", { outcome: "cancelled", headMs: 402.2, endMs: 6_120.4 })],
    }),
    81: someRequest(81, {
      host: "old.example",
      target: "/legacy",
      status: 404,
      reason: "no_route",
      durationMs: 0.3,
      pool: null,
      attempts: [],
      choices: [],
      traceId: null,
    }),
    77: someRequest(77, {
      target: "/search?q=tents",
      status: 503,
      reason: "queue_timeout",
      durationMs: 1_000.4,
      queuedMs: 1_000.2,
      attempts: [],
      choices: [],
    }),
    72: retriedRequest(72, {
      target: "/api/prices?currency=usd",
      status: 504,
      reason: "head_timeout",
      durationMs: 30_041.8,
      queuedMs: 0,
      notRetried: "retries_spent",
    }),
  };
  return Array.from({ length: 40 }, (_, index) => 100 - index).map(
    (seq) =>
      special[seq] ??
      someRequest(seq, {
        target: targets[seq % targets.length] ?? "/",
        durationMs: 4 + (seq % 13) * 9.7,
        attempts: [someAttempt(seq % 3 === 0 ? "localhost:8083" : "localhost:8081")],
      }),
  );
}

function explanationOf({ attempts, retried, pool, status }: StoredRequest): readonly string[] {
  const [first, ...rest] = attempts;
  if (!first) return [`The balancer answered itself with ${status}, without asking any upstream.`];
  return [
    `It came in for pool ${pool ?? "none"}; three upstreams were fit.`,
    `${first.upstream} was chosen, and ${first.reason === null ? `answered with ${first.status}` : `failed: ${first.reason}`}.`,
    ...rest.map(
      ({ upstream, status: own }) => `It was tried again at ${upstream}, which answered with ${own}.`,
    ),
    retried.length > 0 ? "The client noticed nothing but the time." : `The client was sent ${status}.`,
  ];
}

const someDryRun: DryRunResult = {
  listener: "main",
  scheme: "http",
  route: { place: "routes[3]", name: "cart", host: "shop.example", path: "/cart" },
  over: [{ route: "routes[0]", why: "its path is less specific" }],
  not: [{ route: "routes[2]", why: "method POST" }],
  readings: [],
  answeredBy: null,
  split: { pool: "main", by: "client", point: 0.0312, isFallback: false },
  filters: [{ name: "allow", verdict: "passes", why: "192.0.2.7 is in 192.0.2.0/24" }],
  pool: "main",
  matchedPath: null,
  complaint: null,
  policy: "p2c",
  key: null,
  chosen: "localhost:8083",
  candidates,
  refusal: null,
  fit: candidates.length,
  out: 2,
  others: [
    { upstream: "localhost:8084", why: "draining, set by ann" },
    { upstream: "localhost:8085", why: "failing: connection refused" },
  ],
};
