/** A fake admin API: a real HTTP listener that serves a snapshot which tests replace, and stores the requests it receives. */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Setting } from "../../src/config/effective.ts";
import type {
  PoolSnapshot,
  Snapshot,
  Traffic,
  UpstreamDetail,
  UpstreamSnapshot,
  UptimeSnapshot,
  SourceSnapshot,
} from "../../src/snapshot/snapshot.ts";
import type { HistoryResult } from "../../src/history/history.ts";
import { maxRangePoints, rangeStep, type SeriesKey, windowNamed, windows } from "../../src/history/store.ts";
import { parseRange } from "../../src/lib/time-range.ts";
import { columnsOf, type Point } from "../../src/history/point.ts";
import type { Mode, Status } from "../../src/pool/upstream.ts";
import type { BalancerEvent, EventKind } from "../../src/state/event.ts";
import type { Intent } from "../../src/state/intent.ts";
import type { RoutesReport } from "../../src/snapshot/route-report.ts";
import { type FakeRequestsApi, fakeRequestsApi } from "./requests-fixture.ts";
import { someRoutes } from "./route-reports.ts";

export interface ModePost {
  readonly id: string;
  /** "draining" also for requests to the drain path. */
  readonly mode: unknown;
  readonly reason: unknown;
  readonly actor: string | undefined;
  readonly authorization: string | undefined;
}

export interface FakeAdminApi {
  readonly port: number;
  readonly url: string;
  /** The snapshot that is served; tests may replace it. */
  snapshot: Snapshot;
  /** How often the snapshot was read. */
  reads: number;
  /** Responds to all requests instead, when set. */
  respond: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
  /** The status of responses in the balancer's place. */
  balancerStatus: number;
  readonly posts: ModePost[];
  settings: readonly Setting[];
  routes: RoutesReport;
  /** What reading the files of certificates again changes; undefined refuses it. */
  rotation: object | undefined;
  alerts: object;
  /** The queries for the history. */
  readonly historyQueries: string[];
  readonly requestsApi: FakeRequestsApi;
  intents: readonly Intent[];
  /** Oldest first. */
  events: readonly BalancerEvent[];
  close(): Promise<void>;
}

/** @param port 0 takes any free port; a fixed port lets a test restart at the same address */
export async function startFakeAdminApi(snapshot = calmSnapshot(), port = 0): Promise<FakeAdminApi> {
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => void respond(request, response));
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  const bound = (server.address() as AddressInfo).port;
  const api: FakeAdminApi = {
    port: bound,
    url: `http://127.0.0.1:${bound}`,
    snapshot,
    reads: 0,
    respond: undefined,
    balancerStatus: 200,
    posts: [],
    settings: someSettings,
    routes: someRoutes(),
    rotation: { changed: [], removed: [], refused: [] },
    alerts: { receivers: [], sent: [], silences: [] },
    historyQueries: [],
    requestsApi: fakeRequestsApi(),
    intents: someIntents(),
    events: someEvents(),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (api.respond) return api.respond(request, response);
    if (request.method === "GET" && request.url === "/api/snapshot") {
      api.reads += 1;
      return send(response, 200, { ...api.snapshot, at: Date.now() });
    }
    if (request.method === "GET" && request.url === "/api/me") {
      return send(response, 200, { kind: "anybody", name: null, role: "admin", login: false });
    }
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://admin.example");
    if (request.method === "GET" && pathname === "/api/history") {
      api.historyQueries.push(String(searchParams));
      const result = historyOf(api.snapshot, searchParams);
      return result ? send(response, 200, result) : send(response, 404, missing);
    }
    if (request.method === "GET" && pathname === "/api/config") {
      return send(response, 200, { settings: api.settings });
    }
    if (request.method === "GET" && pathname === "/api/alerts") return send(response, 200, api.alerts);
    if (request.method === "GET" && pathname === "/api/routes") return send(response, 200, api.routes);
    if (await api.requestsApi.handle(request, response)) return;
    if (request.method === "GET" && pathname === "/api/events") {
      const after = Number(searchParams.get("after") ?? 0);
      const isAudit = searchParams.has("by-operators");
      const kinds = searchParams.get("kind")?.split(",");
      const matching = api.events.filter(
        ({ seq, by, kind }) =>
          seq > after &&
          !(isAudit && ["prober", "balancer"].includes(by)) &&
          (kinds === undefined || kinds.includes(kind)),
      );
      return send(response, 200, { events: matching });
    }
    if (request.method === "GET" && pathname === "/api/problems") {
      return send(response, 200, { problems: api.snapshot.problems });
    }
    if (request.method === "GET" && pathname === "/api/state") {
      return send(response, 200, { intents: api.intents });
    }
    if (request.method === "GET" && pathname === "/api/state/export") {
      response.writeHead(200, { "content-type": "application/yaml" });
      return void response.end(someExport);
    }
    if (request.method === "POST" && pathname === "/api/certificates/reload") {
      return api.rotation ? send(response, 200, api.rotation) : send(response, 403, notAllowed);
    }
    if (request.method === "POST" && pathname === "/api/reload") {
      return send(response, 200, {
        applied: !searchParams.has("dry"),
        steps: [],
        needsRestart: ["listen.port"],
        diff: [
          "~ setting: listen.port 8080 → 9090 (needs a restart)",
          "~ pool main: policy round-robin → p2c",
          "+ upstream main/api-4: http://10.0.0.4:8080 weight 1",
          "- upstream main/localhost:8084: http://localhost:8084 weight 1",
        ],
      });
    }
    const one = /^\/api\/upstreams\/([^/]+)$/.exec(pathname);
    if (request.method === "GET" && one) {
      const id = decodeURIComponent(one[1] ?? "");
      const found = upstreamsOf(api.snapshot).find((each) => each.id === id);
      const holder = api.snapshot.pools.find(({ upstreams }) => upstreams.some((each) => each === found));
      return found
        ? send(response, 200, detailOf(found, { pool: holder?.name ?? "main" }))
        : send(response, 404, missing);
    }
    const match = /^\/api\/upstreams\/([^/]+)\/(mode|drain)$/.exec(pathname);
    if (request.method === "POST" && match) {
      const id = decodeURIComponent(match[1] ?? "");
      const body = JSON.parse(await bodyOf(request)) as { mode?: Mode; reason: string };
      const { mode = "draining", reason } = body;
      const { "x-evenkeel-actor": actor, authorization } = request.headers;
      api.posts.push({ id, mode, reason, actor: actor?.toString(), authorization });
      api.snapshot = withMode(api.snapshot, id, mode, { by: String(actor), why: reason });
      const changed = upstreamsOf(api.snapshot).find((upstream) => upstream.id === id);
      if (changed) return send(response, 200, changed);
      return send(response, 404, missing);
    }
    // The same listener also takes the balancer's place.
    send(response, api.balancerStatus, { path: request.url });
  }
  return api;
}

const notAllowed = { reason: "role_insufficient", detail: "Cannot do this: the role operator is required." };
const missing = { reason: "upstream_unknown", detail: "There is no such upstream." };

/** A day of sine waves, the same for every series: computed from the time alone, so that two responses agree. */
export function historyOf(snapshot: Snapshot, query: URLSearchParams): HistoryResult | undefined {
  const window = windowNamed(query.get("window") ?? "5m") ?? "5m";
  const keys: SeriesKey[] = snapshot.pools.flatMap(({ name, upstreams }) => [
    { pool: name, upstream: null },
    ...upstreams.map(({ id }) => ({ pool: name, upstream: id })),
  ]);
  const [pool, upstream] = [query.get("pool"), query.get("upstream")];
  const matching = keys.filter((key) => key.upstream === upstream && (pool === null || key.pool === pool));
  if (matching.length === 0 && (pool !== null || upstream !== null)) return undefined;
  const now = Date.now();
  const range =
    query.has("from") || query.has("to")
      ? parseRange(
          { from: query.get("from") ?? undefined, to: query.get("to") ?? undefined },
          { now, defaultMs: 3_600_000 },
        )
      : { from: now - windows[window].spanMs, to: now, isLive: true };
  if (typeof range === "string") throw new Error(range);
  const { from, to } = range;
  const isRange = query.has("from") || query.has("to");
  const stepMs = isRange
    ? rangeStep(to - from, Number(query.get("points") ?? maxRangePoints)).stepMs
    : windows[window].stepMs;
  const columns = columnsOf(
    wavesUntil(to, { spanMs: to - from, stepMs, since: Number(query.get("since") ?? 0) }),
  );
  return {
    ...{ window: isRange ? null : window, from, to, stepMs, coarsestMs: stepMs },
    series: matching.map((key) => ({ ...key, columns })),
  };
}

interface Waves {
  readonly spanMs: number;
  readonly stepMs: number;
  readonly since: number;
}

export function wavesUntil(now: number, { spanMs, stepMs, since }: Waves): readonly Point[] {
  const last = now - (now % stepMs);
  const count = Math.floor(spanMs / stepMs);
  const wave = (at: number, periods: number) => Math.sin((at / spanMs) * Math.PI * 2 * periods);
  return Array.from({ length: count }, (_, index) => last - (count - 1 - index) * stepMs)
    .filter((at) => at > since)
    .map((at) => {
      const perSecond = 600 + 180 * wave(at, 2) + 60 * wave(at, 23);
      const p50Ms = 92 + 14 * wave(at, 3) + 6 * wave(at, 31);
      return {
        at,
        spanMs: stepMs,
        retries: 0,
        rescues: 0,
        queued: 0,
        inFlight: Math.round(60 + 20 * wave(at, 5)),
        requests: Math.round((perSecond * stepMs) / 1_000),
        errors: wave(at, 4) > 0.93 ? Math.round((9 * stepMs) / 1_000) : 0,
        p50Ms,
        p95Ms: p50Ms * 1.6,
        p99Ms: p50Ms * (2.3 + 0.3 * wave(at, 13)),
      };
    });
}

export function detailOf(upstream: UpstreamSnapshot, change: Partial<UpstreamDetail> = {}): UpstreamDetail {
  const now = Date.now();
  const fails = upstream.status === "failing";
  return {
    ...upstream,
    pool: "main",
    policy: "round-robin",
    probe: "GET /readyz every 5s",
    probes: Array.from({ length: 60 }, (_, index) => {
      const success = !fails || index < 51;
      const latencyMs = success ? 1.2 + Math.abs(Math.sin(index * 1.7)) * 2 : 0.4;
      const detail = success ? "status 200" : "connection refused";
      return { at: now - (60 - index) * 5_000, success, detail, latencyMs };
    }),
    codes: { "200": upstream.traffic.requests - upstream.traffic.errors, "404": 31 },
    cancelled: 4,
    latencies: [12, 40, 210, 930, 1_410, 620, 180, 44, 9, 2].map((count, index) => ({
      fromMs: 2 ** ((10 + index) / 2),
      toMs: 2 ** ((11 + index) / 2),
      count,
    })),
    ...change,
  };
}

const someSettings: readonly Setting[] = [
  { name: "listen.port", value: "8080", source: "default" },
  { name: "engine", value: "fetch", source: "default" },
  { name: "admin.token", value: "(set)", source: "env ADMIN_TOKEN" },
  { name: "pools.main.policy", value: "p2c", source: "flag --policy" },
  {
    name: "pools.main.upstreams[0]",
    value: "{ url: http://localhost:8081, weight: 1, backup: false }",
    source: "file evenkeel.yaml:7",
  },
];

function someIntents(): readonly Intent[] {
  const now = Date.now();
  const ann = { by: "ann", at: now - 22_000, why: "kernel update" };
  const address = { protocol: "http", hostname: "10.0.0.7", port: 8080 } as const;
  const spec = { id: "api-7", address, weight: 1, backup: false };
  return [
    { kind: "added", upstream: "api-7", pool: "main", spec, by: "bob", at: now - 7_200_000, why: "" },
    {
      kind: "weight",
      upstream: "localhost:8083",
      weight: 2,
      by: "bob",
      at: now - 5_400_000,
      why: "more memory",
    },
    { kind: "mode", upstream: "localhost:8084", mode: "draining", ...ann },
  ];
}

type SomeEvent = readonly [
  agoMs: number,
  kind: EventKind,
  upstream: string | null,
  from: string,
  to: string,
  reason: string,
  by: string,
  detail: string,
];

/** The events of a morning, oldest first. */
function someEvents(): readonly BalancerEvent[] {
  const rows: readonly SomeEvent[] = [
    [9_000_000, "phase", null, "starting", "ready", "lifecycle", "balancer", ""],
    [7_200_000, "member", "api-7", "absent", "added", "operator", "bob", ""],
    [5_400_000, "weight", "localhost:8083", "1", "2", "operator", "bob", "more memory"],
    [3_700_000, "outlier", "localhost:8081", "up", "ejected", "consecutive_failures", "balancer", "for 30s"],
    [3_670_000, "outlier", "localhost:8081", "ejected", "probation", "time_up", "balancer", ""],
    [3_669_000, "outlier", "localhost:8081", "probation", "up", "success", "balancer", ""],
    [1_900_000, "reload", null, "", "refused", "configuration", "ann", 'Cannot use pools.main.policy: it must be one of round-robin, p2c, received "best"'],
    [1_800_000, "reload", null, "", "applied", "configuration", "ann", "~ pool main: retries 1 → 2\n+ upstream main/localhost:8084: http://localhost:8084 weight 1"],
    [22_000, "mode", "localhost:8084", "ready", "draining", "operator", "ann", "kernel update"],
    [14_000, "probe", "localhost:8082", "passing", "failing", "probe_failed", "prober", "connection refused"],
  ]; // prettier-ignore
  const now = Date.now();
  return rows.map(([agoMs, kind, upstream, from, to, reason, by, detail], index) => ({
    seq: index + 1,
    at: now - agoMs,
    kind,
    upstream,
    from,
    to,
    reason,
    by,
    detail,
    pool: upstream === null ? null : "main",
  }));
}

const someExport = `# Set at run time: these lists replace the ones in the configuration file.
pools:
  main:
    upstreams:
      - { url: http://localhost:8083, weight: 2 } # weight set by bob: more memory
`;

export function upstreamsOf(snapshot: Snapshot): readonly UpstreamSnapshot[] {
  return snapshot.pools.flatMap((pool) => pool.upstreams);
}

/** The same snapshot with one upstream changed. */
export function withUpstream(snapshot: Snapshot, id: string, change: Partial<UpstreamSnapshot>): Snapshot {
  const pools = snapshot.pools.map((pool) => ({
    ...pool,
    upstreams: pool.upstreams.map((upstream) => (upstream.id === id ? { ...upstream, ...change } : upstream)),
  }));
  return { ...snapshot, pools };
}

function withMode(
  snapshot: Snapshot,
  id: string,
  mode: Mode,
  change: { readonly by: string; readonly why: string },
): Snapshot {
  const status: Status = mode === "ready" ? "passing" : mode;
  const now = Date.now();
  const drain = { since: now, deadline: now + 30_000, inFlight: 0, drained: true, leaving: false };
  return withUpstream(snapshot, id, {
    mode,
    status,
    fit: mode === "ready",
    statusSince: now,
    modeSet: { ...change, at: now },
    drain: mode === "draining" ? drain : null,
  });
}

export function traffic(change: Partial<Traffic> = {}): Traffic {
  return {
    requests: 0,
    errors: 0,
    requestsPerSecond: 0,
    errorShare: 0,
    p50Ms: null,
    p95Ms: null,
    p99Ms: null,
    ...change,
  };
}

export function upstream(id: string, change: Partial<UpstreamSnapshot> = {}): UpstreamSnapshot {
  return {
    id,
    url: `http://${id}`,
    weight: 1,
    backup: false,
    status: "passing",
    statusSince: Date.now() - 3_600_000,
    mode: "ready",
    modeSet: null,
    weightSet: null,
    added: null,
    drain: null,
    rehearsal: null,
    fit: true,
    effectiveWeight: 1,
    slowStart: null,
    inFlight: 0,
    tunnels: 0,
    streams: 0,
    maxInFlight: 256,
    rescues: 0,
    outlier: { state: "up", since: null, until: null, reason: null, cause: null, count: 0 },
    lastProbe: { at: Date.now() - 2_000, success: true, detail: "status 200", latencyMs: 1.3 },
    probeHistory: "+".repeat(60),
    uptime: upFor(3_600_000),
    traffic: traffic(),
    errorsByReason: {},
    ...change,
  };
}

/** @param share the uptime's share of the counted time, which is at most a day */
export function upFor(sinceMs: number, share = 1): UptimeSnapshot {
  return { state: "up", since: Date.now() - sinceMs, share, countedMs: Math.min(sinceMs, 86_400_000) };
}

export function pool(change: Partial<PoolSnapshot> = {}): PoolSnapshot {
  return {
    name: "main",
    policy: "round-robin",
    probe: "GET /readyz every 5s",
    panic: false,
    upstreams: [],
    traffic: traffic(),
    turnedAwayPerSecond: 0,
    retries: 0,
    rescues: 0,
    hedges: { won: 0, lost: 0 },
    retryBudget: 30,
    queued: 0,
    maxQueued: 1_024,
    notRetried: {},
    refusals: {},
    events: [],
    ...change,
  };
}

export function snapshotOf(...pools: PoolSnapshot[]): Snapshot {
  return {
    at: Date.now(),
    phase: "ready",
    version: "0.1.0",
    runtime: "bun 1.4.5",
    engine: "fetch",
    startedAt: Date.now() - 5_400_000,
    listen: "0.0.0.0:8080",
    listeners: [{ name: "main", host: "0.0.0.0", port: 8080, tls: false, protocols: ["http1"] }],
    inFlight: 0,
    clients: 24,
    memory: { rssBytes: 90_000_000, limitBytes: null, shedding: false },
    notKept: null,
    configuration: { takenAt: Date.now() - 5_400_000, refused: null, needsRestart: [] },
    problems: [],
    pools,
    events: [],
  };
}

/** Three passing upstreams without traffic. */
export function calmSnapshot(): Snapshot {
  return snapshotOf(
    pool({ upstreams: [upstream("localhost:8081"), upstream("localhost:8082"), upstream("localhost:8083")] }),
  );
}

/** A busy balancer: traffic on all upstreams, one with failing probes, one draining, one worker restarting. */
export function busySnapshot(): Snapshot {
  const now = Date.now();
  const busy = (requests: number, rate: number, p50Ms: number, errors = 0) =>
    traffic({
      requests,
      errors,
      requestsPerSecond: rate,
      errorShare: errors / requests,
      p50Ms,
      p95Ms: p50Ms * 1.62,
      p99Ms: p50Ms * 2.31,
    });
  const upstreams = [
    upstream("localhost:8081", {
      inFlight: 61,
      uptime: upFor(3_700_000, 0.9996),
      traffic: busy(482_114, 611.4, 96),
    }),
    upstream("localhost:8082", {
      status: "failing",
      fit: false,
      lastProbe: { at: now - 1_000, success: false, detail: "connection refused", latencyMs: 0.6 },
      statusSince: now - 14_000,
      probeHistory: `${"+".repeat(51)}---------`,
      uptime: { state: "down", since: now - 14_000, share: 0.99984, countedMs: 86_400_000 },
      traffic: traffic({ ...busy(468_903, 0, 101, 37), requestsPerSecond: 0, errorShare: 0 }),
      errorsByReason: { connect_refused: 31, head_timeout: 4, status_503: 2 },
    }),
    upstream("localhost:8083", {
      discovered: { source: "dns api.internal:8083", name: "api-7", gone: true },
      weight: 2,
      effectiveWeight: 2,
      inFlight: 118,
      traffic: busy(951_220, 1_198.7, 88, 212),
      errorsByReason: { status_500: 212 },
    }),
    upstream("localhost:8084", {
      mode: "draining",
      status: "draining",
      fit: false,
      modeSet: { by: "ann", at: now - 22_000, why: "kernel update" },
      statusSince: now - 22_000,
      uptime: { state: "out", since: now - 22_000, share: 1, countedMs: 86_400_000 },
      drain: { since: now - 22_000, deadline: now + 38_000, inFlight: 3, drained: false, leaving: false },
      inFlight: 3,
      traffic: traffic({ ...busy(470_006, 0, 104), requestsPerSecond: 0 }),
    }),
  ];
  const total = traffic({
    requests: 2_372_243,
    errors: 249,
    requestsPerSecond: 1_810.1,
    errorShare: 0.0004,
    p50Ms: 91,
    p95Ms: 147,
    p99Ms: 213,
  });
  const events = someEvents().filter(({ pool: named }) => named !== null);
  const workers = [
    { pid: 41_870, ready: true, restarts: 0, inFlight: 93, requests: 1_190_004 },
    { pid: 42_113, ready: true, restarts: 1, inFlight: 89, requests: 1_182_239 },
    { pid: 42_977, ready: false, restarts: 3, inFlight: 0, requests: 0 },
  ];
  const discovery: readonly SourceSnapshot[] = [
    {
      ...{
        source: "dns api.internal:8083",
        state: "stale",
        why: "SERVFAIL",
        skipped: ["api-9: it has no port"],
      },
      ...{ answeredAt: now - 90_000, since: now - 60_000, members: 1, omitted: 0, failures: 12 },
    },
  ];
  const busiest = pool({ upstreams, discovery, traffic: total, retries: 41, events });
  return { ...snapshotOf(busiest), inFlight: 182, workers };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of request) body += String(chunk);
  return body;
}

function send(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
}
