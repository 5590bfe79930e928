import { problemOf } from "../support/problem-fixture.ts";
import { describe, expect, test } from "bun:test";
import { placeholders, fillPlaceholders } from "../../src/dashboard/login/placeholders.tsx";
import {
  renderLogin,
  renderAccessDenied,
  renderAccessDeniedFragment,
} from "../../src/dashboard/login/pages.tsx";
import { eventOf } from "../../src/dashboard/live/sse.ts";
import { renderNumbers } from "../../src/dashboard/charts/data-table.tsx";
import { parseAddForm } from "../../src/dashboard/actions/add-upstream.tsx";
import { parseActionForm } from "../../src/dashboard/actions/action-form.ts";
import { UndoHistory, undoOfAdding } from "../../src/dashboard/actions/undo.ts";
import { renderActionResult } from "../../src/dashboard/actions/result.tsx";
import { actions, effectOf } from "../../src/wording/effect.ts";
import {
  renderAdd,
  renderEffect,
  renderFailure,
  renderPanel,
  type RenderShape,
} from "../../src/dashboard/actions/render.tsx";
import { renderLive, renderPage } from "../../src/dashboard/overview/page.tsx";
import { renderUpstreamLive, renderUpstreamPage } from "../../src/dashboard/upstream/document.tsx";
import type { UpstreamTime } from "../../src/dashboard/upstream/time.tsx";
import { renderServed, type ServedProps } from "../../src/dashboard/upstream/served-routes.tsx";
import { type HistoryPageProps, renderHistoryPage } from "../../src/dashboard/history/page.tsx";
import { marksOf } from "../../src/dashboard/history/marks.ts";
import { parsePageRange } from "../../src/dashboard/page-range.ts";
import type { ReloadCardProps } from "../../src/dashboard/config/reload-card.tsx";
import { renderConfigPage, renderReload } from "../../src/dashboard/config/page.tsx";
import { renderEventsPage, renderNewEvents } from "../../src/dashboard/events/page.tsx";
import { renderAlertsPage } from "../../src/dashboard/alerts/page.tsx";
import type { AlertsSnapshot, AlertTestResult } from "../../src/alerts/alerts-snapshot.ts";
import { renderFleetLive, renderFleetPage } from "../../src/dashboard/fleet/page.tsx";
import type { FleetSnapshot, SeenSnapshot } from "../../src/snapshot/fleet-snapshot.ts";
import { troubledFleet } from "../support/fleet-fixture.ts";
import { parseEventFilter } from "../../src/dashboard/events/filter.ts";
import { renderDryRunResult, renderDryRunPage } from "../../src/dashboard/requests/dry-run-page.tsx";
import { renderExplainPage } from "../../src/dashboard/requests/explain-page.tsx";
import { renderCertificatesPage } from "../../src/dashboard/certificates/page.tsx";
import { renderRoutesPage } from "../../src/dashboard/route-list/page.tsx";
import { parseRouteView } from "../../src/dashboard/route-list/route-view.ts";
import { someRoutes } from "../support/route-reports.ts";
import type { RoutesReport } from "../../src/snapshot/route-report.ts";
import { renderFailing } from "../../src/dashboard/requests/failing-card.tsx";
import { renderRequestsPage } from "../../src/dashboard/requests/list-page.tsx";
import { renderRows } from "../../src/dashboard/requests/row.tsx";
import { filterNames, parseRequestFilter as requestsSought } from "../../src/dashboard/requests/filter.tsx";
import type { StoredRequest } from "../../src/requests/recent-requests.ts";
import type { DryRunResult } from "../../src/requests/dry-run.ts";
import { fakeRequestsApi, retriedRequest } from "../support/requests-fixture.ts";
import type { BalancerEvent, EventKind } from "../../src/state/event.ts";
import type { DashboardState } from "../../src/wording/verdict.ts";
import type { UpstreamPageState } from "../../src/dashboard/live/upstream-poller.ts";
import type { TrafficTime } from "../../src/dashboard/overview/traffic-panel.tsx";
import { type Row, rowSince } from "../../src/dashboard/overview/upstream-row.tsx";
import { viewOf } from "../../src/dashboard/view.ts";
import type { ServiceProblem } from "../../src/problems/problem.ts";
import type { FaultSnapshot, Snapshot, UpstreamDetail } from "../../src/snapshot/snapshot.ts";
import type { Mode } from "../../src/pool/upstream.ts";
import type { Intent } from "../../src/state/intent.ts";
import { columnsOf } from "../../src/history/point.ts";
import { busySnapshot, calmSnapshot, detailOf, upstreamsOf, wavesUntil } from "../support/fake-admin-api.ts";

const hostile = `<i>"'&raw`;

const openRecords: ReadonlySet<string> = new Set(["refusals", "errorsByReason", "codes"]);

/** The same value with every string in it, keys of open records included, replaced by the hostile one. */
function poisoned(value: unknown): unknown {
  if (typeof value === "string") return hostile;
  if (Array.isArray(value)) return value.map(poisoned);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) =>
      openRecords.has(key) ? [key, { [hostile]: 3 }] : [key, poisoned(part)],
    ),
  );
}

/** Numbers from far away may be anything as well. */
function poisonedColumns() {
  const columns = columnsOf(wavesUntil(Date.now(), { spanMs: 60_000, stepMs: 1_000, since: 0 }));
  return { ...columns, p50Ms: columns.p50Ms.map(() => hostile as unknown as number) };
}

const picture: DashboardState = {
  at: Date.now(),
  readAt: Date.now(),
  adminUrl: hostile,
  listenerCheck: {
    url: hostile,
    reachable: true,
    status: 200,
    detail: hostile,
    latencyMs: 1,
    checkedAt: Date.now(),
  },
  snapshot: poisoned(busySnapshot()) as DashboardState["snapshot"],
  outage: undefined,
  trends: [{ pool: hostile, upstream: hostile, columns: poisonedColumns() }],
};
const { snapshot } = picture;

const alertSubject = {
  balancer: "b",
  pool: "p",
  upstream: "u",
  certificate: null,
  peer: null,
  address: null,
};
const sentAlert: AlertsSnapshot["sent"][number] = {
  ...{ id: 1, receiver: "r", at: 1, tries: 2, endedAt: 3, answer: "a" },
  ...({ type: "problem.opened", state: "sent" } as const),
  problem: { id: "p", kind: "queue", level: "warning", title: "t", subject: alertSubject, end: null },
};
const alerts: AlertsSnapshot = {
  receivers: [
    {
      ...{ name: "r", format: "json", address: "a", waiting: 2, nextTryAt: 99, pools: ["p"] },
      ...({ kinds: ["queue"], level: "warning" } as const),
      failing: { since: 1, reason: "r", answer: "a" },
      last: { at: 1, kind: "failed", status: 503, answer: "a", tookMs: 3 },
      counts: { sent: 1, failed: 1, refused: 1, expired: 1, dropped: 1 },
    },
  ],
  sent: [sentAlert],
  silences: [{ id: "s", kind: "queue", pool: "p", upstream: "u", at: 1, until: 2, by: "b", why: "w" }],
};
const hostileAlerts = poisoned(alerts) as AlertsSnapshot;
const alertTest: AlertTestResult = {
  ...{ receiver: "r", reason: "r", status: 503, answer: "a", tookMs: 1, text: "t" },
  kind: "failed",
};

/** With every alert about the whole balancer. */
const certificate = {
  source: hostile,
  names: [hostile],
  keyType: hostile,
  fingerprint: hostile,
  validFrom: 0,
  expiresAt: 1,
  status: "expired",
} as const;

const hostileAct = {
  label: hostile,
  upstream: hostile,
  safe: false,
  role: "operator",
  command: hostile,
} as const;
const hostileProblem = problemOf({
  ...{ id: hostile, title: hostile, since: hostile, seenBy: [hostile, hostile] },
  subject: {
    balancer: hostile,
    pool: hostile,
    upstream: hostile,
    certificate: hostile,
    peer: hostile,
    address: hostile,
  },
  hits: { words: hostile, routes: [hostile, hostile, hostile], share: 1, perSecond: 1, requests: 1 },
  cause: { words: hostile, code: hostile, event: null },
  do: {
    ...{ ...hostileAct, verb: "drain", words: hostile },
    beside: { ...hostileAct, verb: "read", upstream: null },
  },
  links: { self: hostile, requests: hostile, history: hostile },
  silenced: { until: hostile, by: hostile, why: hostile },
});
const hostileProblems = [
  ...Array.from({ length: 6 }, () => hostileProblem),
  { ...hostileProblem, level: "notice" as const },
  {
    ...hostileProblem,
    state: "closed" as const,
    closedAt: hostile,
    end: { words: hostile, code: "over" as const },
  },
];

/** All upstreams serve, a day is known, and a certificate ends in a month. */
function atEase(problems: readonly ServiceProblem[]): DashboardState {
  const calm = poisoned(calmSnapshot()) as Snapshot;
  const valid = { ...certificate, status: "valid" as const, expiresAt: calm.at + 30 * 86_400_000 };
  const usual = { requestsPerSecond: 1, errorShare: 0, p95Ms: 1, peakRequestsPerSecond: 1 };
  const pools = [calm.pools, calm.pools].flat().map((each) => ({ ...each, usual }));
  return {
    ...picture,
    snapshot: { ...calm, pools, problems, certificates: [valid] },
    day: {
      ...{ from: 0, to: 86_400_000, columns: poisonedColumns(), requests: 9, errors: 1, measuredMs: 9 },
      lastProblem: { title: hostile, since: 0, closedAt: 1 },
    },
  };
}

function inNeed(each: DashboardState): DashboardState {
  if (!each.snapshot) return each;
  const refused = { at: Date.now(), by: hostile, problems: [hostile] };
  const configuration = { takenAt: Date.now(), refused, needsRestart: [hostile] };
  const notKept = { since: 0, why: hostile };
  const memory = { rssBytes: 2, limitBytes: 1, shedding: true };
  const failure = { reason: hostile, detail: hostile, at: 0 };
  const due = { nextOrderAt: 0, isOrdering: false, failures: 2, failure };
  const orders = [{ host: hostile, directory: hostile, expiresAt: 1, ...due }];
  return {
    ...each,
    snapshot: {
      ...each.snapshot,
      configuration,
      memory,
      notKept,
      certificates: [certificate],
      orders,
      problems: hostileProblems,
    },
  };
}
const backups = snapshot && {
  ...snapshot,
  pools: snapshot.pools.map((pool) => ({
    ...pool,
    upstreams: pool.upstreams.map((upstream) => ({
      ...upstream,
      backup: true,
      weight: 7,
      mode: "ready" as const,
      status: "failing" as const,
      modeSet: null,
    })),
  })),
};

/** Something is played on every upstream. */
const rehearsed = {
  latencyMs: 2_000,
  errorShare: 0.3,
  error: hostile,
  probes: true,
  until: picture.at + 20_000,
  by: hostile,
  why: hostile,
} as unknown as FaultSnapshot;
const rehearsing = snapshot && {
  ...snapshot,
  pools: snapshot.pools.map((pool) => ({
    ...pool,
    upstreams: pool.upstreams.map((upstream) => ({ ...upstream, rehearsal: rehearsed })),
  })),
};

/** All are ejected and in slow start, with a weight set at run time. */
const panicking = snapshot && {
  ...snapshot,
  pools: snapshot.pools.map((pool) => ({
    ...pool,
    panic: true,
    traffic: { ...pool.traffic, errorShare: 0.9 },
    hedges: { won: 1, lost: 2 },
    upstreams: pool.upstreams.map((upstream) => ({
      ...upstream,
      mode: "ready" as const,
      status: "ejected" as const,
      slowStart: 0.4,
      outlier: { ...upstream.outlier, since: 1, cause: hostile },
      weightSet: { by: hostile, at: 0, why: hostile },
    })),
  })),
};

const pictures: Readonly<Record<string, DashboardState>> = {
  "a panic": { ...picture, snapshot: panicking },
  "a known state": picture,
  "an outage": { ...picture, outage: { reason: "refused", message: hostile, since: picture.at } },
  "an outage from the start": {
    ...picture,
    snapshot: undefined,
    readAt: 0,
    outage: { reason: "unreachable", message: hostile, since: picture.at },
  },
  "an unreachable client listener": {
    ...picture,
    listenerCheck: { ...picture.listenerCheck, reachable: false, status: null },
  },
  "faults on every upstream": { ...picture, snapshot: rehearsing },
  "failing backups": { ...picture, snapshot: backups },
  "an empty pool next to one that serves": {
    ...picture,
    snapshot: snapshot && {
      ...snapshot,
      pools: [...snapshot.pools, ...snapshot.pools.map((pool) => ({ ...pool, upstreams: [] }))],
    },
  },
  "a fleet": {
    ...picture,
    snapshot: snapshot && { ...snapshot, fleet: poisoned(troubledFleet()) as FleetSnapshot },
  },
  "an even keel": atEase([]),
  "an even keel with notices": atEase([
    { ...hostileProblem, level: "notice" },
    { ...hostileProblem, level: "notice" },
  ]),
  "no pools": { ...picture, snapshot: snapshot && { ...snapshot, pools: [] } },
};

const place = { page: "upstream", id: hostile } as const;
const undoEntry = new UndoHistory().add(hostile, [undoOfAdding(hostile)]);

const hostileView = viewOf({ from: hostile, to: hostile, pool: hostile, tz: hostile });

const renderings: Readonly<Record<string, (picture: DashboardState) => string>> = {
  "the page in need": (each) =>
    renderPage({ state: inNeed(each), view: hostileView, traffic: trafficOfHostiles(true) }),
  "the page": (each) => renderPage({ state: each, traffic: trafficOfHostiles(false) }),
  "the page, sorted and filtered": (each) =>
    renderPage({ state: each, view: viewOf({ sort: "errors", filter: hostile }) }),
  "the page with a notice": (each) => renderPage({ state: each, notice: hostile }),
  "the page after an act": (each) => renderPage({ state: each, done: { entry: undoEntry, location: place } }),
  "the live fragment": (each) => renderLive(each),
  "the page of the fleet": renderFleetPage,
  "the live fragment of the fleet": renderFleetLive,
  "the certificates": (each) =>
    renderCertificatesPage({
      ...{ state: inNeed(each), events: { value: hostileEvents } },
      rotation: {
        value: { changed: [hostile], removed: [hostile], refused: [{ path: hostile, why: hostile }] },
      },
    }),
  "the certificates, of which nothing can be read": (each) =>
    renderCertificatesPage({ state: each, events: { error: refused }, rotation: { error: refused } }),
  "a live event": (each) => eventOf(renderLive(each)),
  "the answer to an act": () => renderActionResult({ entry: undoEntry, location: place }),
  "a live fragment after another one": (each) => {
    const other = (row: Row) => ({ ...row, cells: row.cells.map((cell, index) => (index % 2 ? cell : "")) });
    return renderLive(each, undefined, { writeRow: (row) => rowSince(row, other(row)), seen: each });
  },
};

const detail = poisoned(detailOf(upstreamsOf(busySnapshot())[1] as UpstreamDetail)) as UpstreamDetail;
const seenDetail = {
  ...detail,
  mode: "draining" as const,
  drain: { since: 0, deadline: null, inFlight: 0, drained: false, leaving: false },
  elsewhere: [hostile],
  seen: poisoned(troubledFleet().seen[0]) as SeenSnapshot,
};
const trend = { pool: hostile, upstream: hostile, columns: poisonedColumns() };
const shown: UpstreamPageState = {
  at: picture.at,
  state: picture,
  id: hostile,
  detail,
  trend,
  error: undefined,
};
const refused = { reason: "refused", message: hostile } as const;

const plan = {
  applied: false,
  diff: [hostile, `+ ${hostile}`, `- ${hostile}`],
  needsRestart: [hostile],
  notes: [hostile],
};
const configuration = {
  takenAt: 0,
  needsRestart: [hostile],
  refused: { at: 0, by: hostile, problems: [hostile] },
};
const reloads: readonly ReloadCardProps[] = [
  { configuration, now: 9, preview: { kind: "dry", result: { value: plan } } },
  { configuration, now: 9 },
  { configuration, now: 9, preview: { kind: "dry", result: { value: plan }, isStale: true } },
  { configuration, now: 9, preview: { kind: "apply", result: { value: { ...plan, applied: true } } } },
  {
    configuration,
    now: 9,
    preview: { kind: "apply", result: { error: { ...refused, problems: [hostile] } } },
  },
];
const said = { upstream: hostile, by: hostile, why: hostile, at: 0 };
const hostileAddress = { protocol: "http", hostname: hostile, port: 1 } as const;
const hostileIntents: readonly Intent[] = [
  { kind: "mode", mode: hostile as Mode, ...said },
  { kind: "weight", weight: hostile as unknown as number, ...said },
  {
    kind: "added",
    pool: hostile,
    ...said,
    spec: { id: hostile, address: hostileAddress, weight: 1, backup: false },
  },
  { kind: "removed", pool: hostile, address: hostileAddress, ...said },
];

const event = { seq: 3, at: 0, pool: hostile, upstream: hostile, from: hostile, to: hostile };
const hostileEvents: readonly BalancerEvent[] = [
  { ...event, kind: hostile as EventKind, reason: hostile, by: hostile, detail: `${hostile}\n${hostile}` },
  { ...event, kind: "mode", upstream: null, reason: "operator", by: hostile, detail: hostile },
  { ...event, seq: hostile as unknown as number, kind: "mode", reason: hostile, by: hostile, detail: "" },
];
const soughtFor = (isAudit: boolean) => {
  const fields = { pool: hostile, upstream: hostile, kind: hostile, by: hostile, text: hostile };
  return parseEventFilter(new URLSearchParams({ ...fields, before: "9", from: hostile }), isAudit, 0);
};

const request = poisoned(retriedRequest(1, { complaint: "no Host field" })) as StoredRequest;
const explained = { ...request, account: [hostile] };
const filter = requestsSought(
  new URLSearchParams(Object.fromEntries(filterNames.map((name) => [name, hostile]))),
  86_400_000,
);
const found = { value: { requests: [request], sampled: true } };
const imagined = {
  method: hostile,
  host: hostile,
  target: hostile,
  clientAddress: hostile,
  listener: hostile,
  scheme: hostile,
  headers: hostile,
};
const foreseen = poisoned(fakeRequestsApi().dryRun) as DryRunResult;

const requestRenderings: Readonly<Record<string, () => string>> = {
  requests: () => renderRequestsPage({ filter, result: found, state: picture }),
  "older requests": () =>
    renderRequestsPage({ filter: { ...filter, before: 9 }, result: found, state: picture }),
  "no requests": () =>
    renderRequestsPage({
      filter: requestsSought(new URLSearchParams(), 0),
      state: picture,
      result: { value: { requests: [], sampled: false } },
    }),
  "requests that cannot be read": () =>
    renderRequestsPage({ filter, result: { error: refused }, state: picture }),
  "kept requests": () =>
    renderRequestsPage({
      filter,
      result: { value: { ...found.value, next: hostile } },
      state: picture,
      kept: keptOfHostiles(true),
    }),
  "kept requests that cannot be read": () =>
    renderRequestsPage({ filter, result: { error: refused }, state: picture, kept: keptOfHostiles(false) }),
  "rows of the tail": () => renderRows([request]),
  "a request explained": () =>
    renderExplainPage({ requestId: hostile, result: { value: explained }, state: picture }),
  "a request without attempts": () =>
    renderExplainPage({
      requestId: hostile,
      state: picture,
      result: { value: { ...explained, attempts: [], choices: [], isClientGone: true } },
    }),
  "a request that is not retried": () =>
    renderExplainPage({
      requestId: hostile,
      state: picture,
      result: { value: { ...explained, choices: explained.choices.slice(1), status: 0 } },
    }),
  "a request that is not remembered": () =>
    renderExplainPage({
      requestId: hostile,
      result: { error: { ...refused, reason: "missing" } },
      state: picture,
    }),
  "a dry run": () => renderDryRunPage({ form: imagined, reply: { value: foreseen } }),
  "a dry run without an available upstream": () =>
    renderDryRunPage({ form: imagined, reply: { value: { ...foreseen, chosen: null } } }),
  "a part of a dry run": () => renderDryRunResult({ value: foreseen }),
  "a dry run with mistakes": () => renderDryRunResult({ problems: [hostile] }),
  "a refused dry run": () => renderDryRunResult({ error: refused }),
  "failing requests": () => renderFailing({ upstream: hostile, result: found }),
  "failing requests that cannot be read": () =>
    renderFailing({ upstream: hostile, result: { error: refused } }),
  "an upstream's page with its failing requests": () =>
    renderUpstreamPage({ shown, failing: found, served: servedOfHostiles(true) }),
  "the routes of an upstream": () => renderServed(servedOfHostiles(true)),
  "the routes of an upstream that cannot be read": () => renderServed(servedOfHostiles(false)),
};

/** Of every kind of target. */
const hostileRoutes: RoutesReport = {
  ...(poisoned(someRoutes()) as RoutesReport),
  routes: someRoutes().routes.map((route) => {
    const { leadsTo, ...rest } = poisoned(route) as typeof route;
    return { ...rest, leadsTo: { ...leadsTo, kind: route.leadsTo.kind } };
  }),
};

const furtherRenderings: Readonly<Record<string, () => string>> = {
  "an upstream's page": () =>
    renderUpstreamPage({ shown, time: upstreamTimeOfHostiles(true), notice: hostile }),
  "an upstream's page whose time cannot be read": () =>
    renderUpstreamPage({ shown, time: upstreamTimeOfHostiles(false) }),
  "an upstream's page in a fleet": () => renderUpstreamPage({ shown: { ...shown, detail: seenDetail } }),
  "an upstream's page without its history": () => renderUpstreamPage({ shown }),
  "an upstream's page, failing": () =>
    renderUpstreamPage({ shown: { ...shown, detail: { ...detail, mode: "ready", status: "failing" } } }),
  "an upstream's page, by configuration": () =>
    renderUpstreamPage({ shown: { ...shown, detail: { ...detail, mode: "draining", modeSet: null } } }),
  "an upstream's page in an outage": () => renderUpstreamPage({ shown: { ...shown, error: refused } }),
  "the page of an upstream that is not there": () =>
    renderUpstreamPage({
      shown: { ...shown, detail: undefined, error: { ...refused, reason: "missing" } },
    }),
  "an upstream's live fragment": () => renderUpstreamLive(shown),
  "an upstream's page during fault injection": () =>
    renderUpstreamPage({ shown: { ...shown, detail: { ...detail, rehearsal: rehearsed } } }),
  "the routes": () =>
    renderRoutesPage({
      view: parseRouteView({ pool: hostile, from: "-1h", sort: "errors" }, 86_400_000),
      result: { value: hostileRoutes },
      ...{ snapshot: inNeed(picture).snapshot, readAt: 0 },
    }),
  "the routes that cannot be read": () =>
    renderRoutesPage({
      view: parseRouteView({ pool: hostile, filter: hostile, from: hostile }, 86_400_000),
      ...{ result: { error: refused }, snapshot, readAt: 0 },
    }),
  "the configuration": () =>
    renderConfigPage({
      settings: { value: [{ name: hostile, value: hostile, source: hostile }] },
      intents: { value: hostileIntents },
      exported: { value: hostile },
      reload: reloads[0] as ReloadCardProps,
    }),
  "the configuration whose intents cannot be read": () =>
    renderConfigPage({
      settings: { value: [] },
      intents: { error: refused },
      exported: { error: refused },
      reload: reloads[1] as ReloadCardProps,
    }),
  "the configuration that cannot be read": () =>
    renderConfigPage({
      settings: { error: refused },
      intents: { error: refused },
      exported: { error: refused },
      reload: { configuration: undefined, now: 0 },
    }),
  "the events": () =>
    [false, true]
      .map((isAudit) =>
        renderEventsPage({ filter: soughtFor(isAudit), result: { value: hostileEvents }, snapshot }),
      )
      .join(""),
  "events that cannot be read": () =>
    renderEventsPage({ filter: soughtFor(false), result: { error: refused }, snapshot: undefined }),
  "the history": () =>
    ["-1h", "-7d", hostile].map((from) => renderHistoryPage(historyOfHostiles(from, true))).join(""),
  "the history that cannot be read": () => renderHistoryPage(historyOfHostiles("-1h", false)),
  "a new event": () => renderNewEvents({ fresh: hostileEvents, last: 3, error: hostile }),
  "the alerts": () =>
    renderAlertsPage({
      ...{
        result: { value: hostileAlerts },
        pools: [hostile],
        upstreams: [hostile],
        balancer: snapshot,
        now: 9,
      },
      test: { value: poisoned(alertTest) as typeof alertTest },
      refused: {
        form: { kind: hostile, pool: hostile, upstream: hostile, for: hostile, reason: hostile },
        why: hostile,
      },
      problem: hostile,
    }),
  "the alerts that cannot be read": () =>
    renderAlertsPage({
      ...{ result: { error: refused }, pools: [], upstreams: [], balancer: snapshot, now: 9 },
      test: { error: refused },
    }),
  "a reload": () => reloads.map(renderReload).join(""),
  "the login": () => renderLogin({ csrf: hostile, next: hostile, name: hostile, text: hostile, tone: "bad" }),
  "a refusal": () => renderAccessDenied({ title: hostile, text: hostile }),
  "a refusal for htmx": () => renderAccessDeniedFragment({ title: hostile, text: hostile }),
  "who is logged in": () =>
    fillPlaceholders(placeholders.who, { name: hostile, role: "viewer", csrf: "token" }),
};

function historyOfHostiles(from: string, isRead: boolean): HistoryPageProps {
  const range = parsePageRange(
    { from, to: "now", at: "-30m", pool: hostile, upstream: hostile, compare: hostile, tz: "local" },
    86_400_000,
  );
  const columns = poisonedColumns();
  const group = { outcome: "failed", status: 500, count: 3, firstAt: 0, lastAt: 0 } as const;
  const names = { upstreams: [hostile], upstreamCount: 1, routes: [hostile, hostile], routeCount: 3 };
  const counts = { failed: 3, refused: 0, retried: 0, slow: 0, sampled: 0 };
  const series = [{ pool: hostile, upstream: hostile, columns }];
  return {
    range,
    history: isRead
      ? { value: { window: null, from: range.from, to: range.to, stepMs: 1_000, coarsestMs: 60_000, series } }
      : { error: refused },
    before: undefined,
    strip: undefined,
    marks: marksOf(hostileEvents, { pool: hostile }),
    problems: [
      { id: hostile, title: hostile, level: hostile, since: 0, closedAt: null, upstreams: [hostile] },
      { id: hostile, title: hostile, level: hostile, since: range.from, closedAt: range.to, upstreams: [] },
    ],
    eventsError: isRead ? undefined : refused,
    requests: {
      from: range.from,
      to: range.to,
      result: isRead
        ? {
            value: {
              ...{ counts, groups: [{ ...group, ...names, reason: hostile }], slowMs: 1_000 },
              ...{ routes: [{ route: hostile, counts }], routeCount: 30 },
            },
          }
        : { error: refused },
      names: new Map([[hostile, hostile]]),
    },
    pools: [hostile, `${hostile}2`],
  };
}

function trafficOfHostiles(isRead: boolean): TrafficTime {
  const { range, ...data } = historyOfHostiles("-1h", isRead);
  return { range, data };
}

function upstreamTimeOfHostiles(isRead: boolean): UpstreamTime {
  const { range: subject, requests, ...data } = historyOfHostiles("-1h", isRead);
  return { range: { ...subject, upstream: undefined }, subject, data, requests };
}

function servedOfHostiles(isRead: boolean): ServedProps {
  const { range, requests } = historyOfHostiles("-1h", isRead);
  return { subject: range, result: requests.result, names: requests.names };
}

function keptOfHostiles(isRead: boolean) {
  const { range, history, marks, problems, requests } = historyOfHostiles("-1h", isRead);
  return { range, history, marks, problems, summary: requests.result, names: requests.names };
}

const shapes: readonly RenderShape[] = ["page", "part", "partial"];
/** Both pages that an action may come from. */
const fieldsOf = (action: string) => [
  new URLSearchParams({ act: action, upstream: hostile, at: hostile, weight: "3", reason: hostile }),
  new URLSearchParams({
    act: action,
    upstream: hostile,
    filter: hostile,
    sort: "errors",
    reason: hostile,
  }),
];

describe("a hostile string never reaches the markup of an act raw", () => {
  const check = (html: string) => {
    expect(html).toContain("&lt;i");
    for (const raw of ["<i>", `"'`, "&raw"]) expect(html).not.toContain(raw);
  };
  const whole = snapshot as NonNullable<typeof snapshot>;
  for (const action of actions) {
    test(`its confirmation: ${action}`, () => {
      for (const fields of fieldsOf(action)) {
        const asked = parseActionForm(fields) as NonNullable<ReturnType<typeof parseActionForm>>;
        const effect = effectOf(whole, asked);
        for (const shape of shapes) {
          check(renderPanel({ form: asked, effect, problem: hostile }, shape));
          const many = { ...asked, ids: [hostile, `${hostile}2`] };
          check(renderPanel({ form: many, effect: undefined, problem: hostile }, shape));
        }
        for (const raw of ["<i>", `"'`, "&raw"]) expect(renderEffect(effect, true)).not.toContain(raw);
      }
    });
  }
  test("the form for a new upstream", () => {
    const fields = new URLSearchParams({
      "add-to": hostile,
      pool: hostile,
      url: hostile,
      name: hostile,
      weight: hostile,
    });
    for (const at of ["", hostile]) {
      fields.set("at", at);
      const adding = parseAddForm(fields) as NonNullable<ReturnType<typeof parseAddForm>>;
      for (const shape of shapes) check(renderAdd({ form: adding, problem: hostile }, shape));
    }
  });
  test("what was not done", () => {
    for (const shape of shapes) check(renderFailure(hostile, shape, place));
  });
});

describe("a hostile string never reaches the markup of the further pages raw", () => {
  for (const [name, render] of Object.entries({ ...furtherRenderings, ...requestRenderings })) {
    test(name, () => {
      const html = render();
      expect(html).toContain("&lt;i");
      for (const raw of ["<i>", `"'`, "&raw"]) expect(html).not.toContain(raw);
    });
  }

  test("the table of numbers", () => {
    const html = renderNumbers(poisonedColumns(), 300_000);
    for (const raw of ["<i>", `"'`, "&raw"]) expect(html).not.toContain(raw);
  });
});

describe("a hostile string never reaches the markup raw", () => {
  for (const [state, each] of Object.entries(pictures)) {
    for (const [name, render] of Object.entries(renderings)) {
      test(`${name}, ${state}`, () => {
        const html = render(each);
        expect(html).toContain("&lt;i");
        for (const raw of ["<i>", `"'`, "&raw"]) expect(html).not.toContain(raw);
      });
    }
  }
});

test("numbers that are not numbers become no markup either", () => {
  const text = JSON.stringify(busySnapshot(), (_, value) => (typeof value === "number" ? hostile : value));
  const html = renderPage({
    state: { ...picture, snapshot: JSON.parse(text) as DashboardState["snapshot"] },
  });
  for (const raw of ["<i>", `"'`, "&raw"]) expect(html).not.toContain(raw);
});

test("numbers of an upstream that are not numbers become no markup either", () => {
  const text = JSON.stringify(detail, (_, value) => (typeof value === "number" ? hostile : value));
  const html = renderUpstreamPage({ shown: { ...shown, detail: JSON.parse(text) as UpstreamDetail } });
  for (const raw of ["<i>", `"'`, "&raw"]) expect(html).not.toContain(raw);
});

test("numbers of a request that are not numbers become no markup either", () => {
  const text = JSON.stringify(explained, (_, value) => (typeof value === "number" ? hostile : value));
  const value = JSON.parse(text) as typeof explained;
  const html =
    renderExplainPage({ requestId: hostile, result: { value }, state: picture }) + renderRows([value]);
  for (const raw of ["<i>", `"'`, "&raw"]) expect(html).not.toContain(raw);
});
