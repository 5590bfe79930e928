/** A real balancer with a past: history, events and kept requests of 15 days, with an incident of last night. */

import { join } from "node:path";

import { historyFileOf, openHistory } from "../../src/history/sqlite-store.ts";
import { resolutions, type StoredSeries, storedResolutions } from "../../src/history/store.ts";
import type { RequestRecord } from "../../src/proxy/record.ts";
import { endOf, requestOutcomeOf } from "../../src/requests/request-filter.ts";
import { openRequests, requestsFileOf } from "../../src/requests/sqlite-requests.ts";
import { openSqlite } from "../../src/state/sqlite-store.ts";
import type { BalancerEvent } from "../../src/state/event.ts";
import { BalancerFixture } from "./balancer-fixture.ts";
import { completedAttempt, goodRecord } from "./records.ts";

const minuteMs = 60_000;
const dayMs = 86_400_000;

/** How long the incident lasted. */
const incidentMs = 9 * minuteMs;

export interface PastFixture extends AsyncDisposable {
  readonly fixture: BalancerFixture;
  /** Epoch milliseconds at which the incident began: a full minute, 22 hours ago. */
  readonly incidentAt: number;
}

/** Two upstreams, of which `b` answered a quarter of its requests with 500 during the incident. */
export async function startPast(): Promise<PastFixture> {
  const fixture = new BalancerFixture();
  await fixture.startServers("a", "b");
  fixture.write(fixture.poolWith(["a", "b"]));
  const state = join(fixture.folder, "state.db");
  const now = Date.now();
  const incidentAt = Math.floor((now - 22 * 60 * minuteMs) / (5 * minuteMs)) * 5 * minuteMs + 2 * minuteMs;
  seedHistory(historyFileOf(state), now, incidentAt);
  seedEvents(state, incidentAt);
  seedRequests(requestsFileOf(state), incidentAt);
  await fixture.start();
  return { fixture, incidentAt, [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose]() };
}

function seedHistory(file: string, now: number, incidentAt: number): void {
  const store = openHistory(file, () => now);
  for (const resolution of storedResolutions) {
    const { stepMs, retentionMs } = resolution;
    const points: StoredSeries[] = [];
    const last = Math.floor(now / stepMs) * stepMs;
    for (let at = last - retentionMs + 2 * stepMs; at <= last; at += stepMs) {
      const isIncident = at > incidentAt && at <= incidentAt + incidentMs;
      const wave = Math.sin((at / dayMs) * Math.PI * 2);
      const perSecond = 600 + 120 * wave + 15 * Math.sin(at / 47_000);
      const point = {
        at,
        spanMs: stepMs,
        requests: Math.round((perSecond * stepMs) / 1_000),
        errors: isIncident ? Math.round((75 * stepMs) / 1_000) : 0,
        retries: isIncident ? Math.round((20 * stepMs) / 1_000) : 0,
        rescues: 0,
        queued: isIncident ? 214 : 0,
        inFlight: isIncident ? 310 : 40,
        p50Ms: isIncident ? 158 : 42,
        p95Ms: isIncident ? 2_400 : 128,
        p99Ms: isIncident ? 3_400 : 240,
      };
      points.push({ series: { pool: "main", upstream: null }, resolution, point });
      if (resolution === resolutions[2])
        points.push({ series: { pool: "main", upstream: "b" }, resolution, point: { ...point, queued: 0 } });
    }
    store.write(points);
  }
  store.close();
}

function seedEvents(file: string, incidentAt: number): void {
  const store = openSqlite(file);
  const event = (offsetMs: number, more: Partial<BalancerEvent>): BalancerEvent => ({
    seq: incidentAt + offsetMs,
    at: incidentAt + offsetMs,
    kind: "outlier",
    pool: "main",
    upstream: "b",
    from: "",
    to: "",
    reason: "",
    by: "balancer",
    detail: "",
    ...more,
  });
  store.record([
    event(-54_000, { kind: "reload", pool: null, upstream: null, to: "applied", by: "deploy-bot" }),
    event(12_000, { from: "passing", to: "ejected", reason: "failure_ratio" }),
    event(14_000, { kind: "panic", upstream: null, from: "calm", to: "panic" }),
    event(4 * minuteMs, {
      kind: "mode",
      from: "ready",
      to: "draining",
      by: "ann",
      reason: "operator",
      detail: "bad image",
    }),
    event(incidentMs, { from: "ejected", to: "passing" }),
  ]);
  store.close();
}

function seedRequests(file: string, incidentAt: number): void {
  const store = openRequests(file);
  let seq = incidentAt - dayMs;
  const add = (count: number, recordAt: (index: number) => Partial<RequestRecord>) => {
    const batch = Array.from({ length: count }, (_, index) => {
      seq += 1;
      const request = {
        ...goodRecord,
        requestId: `past-${seq - incidentAt + dayMs}`,
        target: "/",
        ...recordAt(index),
        seq,
      };
      return { request, endedAt: endOf(request), outcome: requestOutcomeOf(request) };
    });
    store.write(batch);
  };
  const on = (upstream: string, status: number) => [{ ...completedAttempt, upstream, status }];
  add(120, (index) => ({
    at: incidentAt + 13_000 + index * 4_000,
    durationMs: 11,
    status: 500,
    method: "POST",
    target: `/checkout/pay/${index}`,
    pool: "main",
    route: "checkout",
    attempts: on("b", 500),
  }));
  add(40, (index) => ({
    at: incidentAt + 20_000 + index * 9_000,
    durationMs: 1_900,
    target: "/search",
    pool: "main",
    route: "search",
    attempts: on("a", 200),
  }));
  add(60, (index) => ({
    at: incidentAt - 200_000 + index * 12_000,
    durationMs: 24,
    target: `/products/${index}`,
    pool: "main",
    attempts: on("a", 200),
  }));
  store.close();
}
