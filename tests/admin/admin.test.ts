import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { request } from "node:http";

import type { AdminBackend } from "../../src/admin/admin-options.ts";
import { startAdmin } from "../../src/admin/admin.ts";
import { type Control, commandError } from "../../src/control/control.ts";
import type { Mode } from "../../src/pool/upstream.ts";
import type { Phase, Snapshot, UpstreamDetail, UpstreamSnapshot } from "../../src/snapshot/snapshot.ts";
import { Requests } from "../../src/requests/requests.ts";
import { runtime } from "../../src/runtime/bun.ts";
import type { WebListener } from "../../src/runtime/runtime.ts";
import { AlertStand } from "../support/alerts.ts";
import { routeTable } from "../support/routes.ts";

/** The state in which an upstream is, and others that a test sets. */
type UpstreamState = Partial<UpstreamSnapshot>;

const upstream = { id: "10.0.0.1:80", url: "http://10.0.0.1:80", fit: true } as UpstreamSnapshot;

function stand(phase: Phase = "ready", state: UpstreamState = {}) {
  const set: [id: string, mode: Mode, by: string][] = [];
  const control: Pick<Control, "setMode" | "shared"> = {
    shared: () => Promise.resolve(),
    setMode(id, mode, { by }) {
      if (id !== upstream.id) return commandError(404, "upstream_unknown", `No upstream named "${id}".`);
      set.push([id, mode, by]);
      return undefined;
    },
  };
  const balancer: AdminBackend = {
    phase,
    snapshot: () =>
      ({ phase, pools: [{ name: "main", upstreams: [{ ...upstream, ...state }] }] }) as unknown as Snapshot,
    fleet: () => undefined,
    metricsText: () => Promise.resolve("evenkeel_up 1\n"),
    control: control as Control,
    requests: new Requests({
      registry: { routes: routeTable([]), entries: [] },
      clock: () => 0,
      wallClock: () => 0,
    }),
    problems: { open: [], closed: [], watch: () => () => {}, dismiss: () => "unknown" },
    routes: () => ({ routes: [], others: null }),
    alerts: new AlertStand([]).dispatcher,
    upstream: (id) =>
      id === upstream.id
        ? ({ ...upstream, pool: "main", mode: set.at(-1)?.[1] ?? "ready" } as UpstreamDetail)
        : undefined,
    history: ({ pool = "main", upstream: of, window, since }) =>
      pool === "main" && (of === undefined || of === upstream.id)
        ? { window, from: 0, to: 0, coarsestMs: 0, stepMs: since ?? 0, series: [] }
        : undefined,
    historyRange: ({ pool = "main", from, to }) =>
      pool === "main" ? { window: null, from, to, stepMs: 1_000, coarsestMs: 1_000, series: [] } : undefined,
  };
  return { balancer, set };
}

/** Uses node:http, because it sends the given Host header. */
function ask(
  port: number,
  path: string,
  init: { method?: string; headers?: Record<string, string>; body?: string } = {},
) {
  return new Promise<{ status: number; body: string; headers: Record<string, unknown> }>(
    (resolve, reject) => {
      const sent = request(
        { host: "127.0.0.1", port, path, method: init.method ?? "GET", headers: init.headers },
        (response) => {
          let body = "";
          response.setEncoding("utf8").on("data", (text: string) => (body += text));
          response.on("end", () =>
            resolve({ status: response.statusCode ?? 0, body, headers: response.headers }),
          );
        },
      );
      sent.on("error", reject).end(init.body);
    },
  );
}

const open: WebListener[] = [];
async function serve(options: { token?: string; hostname?: string } = {}, ...args: Parameters<typeof stand>) {
  const { balancer, set } = stand(...args);
  const bug = (error: unknown) => {
    throw error;
  };
  const listener = await startAdmin({ hostname: "127.0.0.1", port: 0, bug, ...options }, balancer, runtime);
  open.push(listener);
  return { port: listener.port, set };
}
afterAll(() => open.forEach((listener) => listener.close()));

const modePath = `/api/upstreams/${encodeURIComponent(upstream.id)}/mode`;
const setMode = (mode: unknown, headers: Record<string, string> = {}) => {
  const body = JSON.stringify({ mode });
  return {
    method: "POST",
    body,
    headers: { "content-type": "application/json", "content-length": String(body.length), ...headers },
  };
};

describe("the admin listener", () => {
  let port = 0;
  let set: ReturnType<typeof stand>["set"] = [];
  beforeAll(async () => ({ port, set } = await serve()));

  const out: UpstreamState = { fit: false, status: "failing", mode: "ready", weight: 1, maxInFlight: null };
  const slots: UpstreamState = { maxInFlight: 2, inFlight: 2, tunnels: 0, streams: 0 };
  const full: UpstreamState = { ...out, ...slots, status: "passing" };
  for (const [path, phase, upstreams, state, status] of [
    ["/livez", "starting", "available", {}, 200],
    ["/livez", "draining", "available", {}, 200],
    ["/readyz", "starting", "available", {}, 503],
    ["/readyz", "ready", "failing", out, 200],
    ["/readyz", "draining", "available", {}, 503],
    ["/healthz", "ready", "available", {}, 200],
    ["/healthz", "ready", "failing", out, 503],
    ["/healthz", "ready", "full", full, 200],
    ["/healthz", "ready", "full and failing", { ...out, ...slots }, 503],
    ["/healthz", "ready", "full and drained", { ...full, mode: "draining" }, 503],
    ["/healthz", "draining", "available", {}, 503],
  ] as const) {
    test(`responds ${status} to ${path} while ${phase} and all upstreams are ${upstreams}`, async () => {
      const listener = await serve({}, phase, state);
      expect((await ask(listener.port, path)).status).toBe(status);
    });
  }

  test("shows the snapshot and the metrics", async () => {
    expect(JSON.parse((await ask(port, "/api/snapshot")).body)).toMatchObject({ phase: "ready" });
    const metrics = await ask(port, "/metrics");
    expect(metrics.body).toBe("evenkeel_up 1\n");
    expect(metrics.headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8");
  });

  test("shows one upstream, its history and the configuration", async () => {
    const path = `/api/upstreams/${encodeURIComponent(upstream.id)}`;
    expect(JSON.parse((await ask(port, path)).body)).toMatchObject({ id: upstream.id, pool: "main" });
    expect((await ask(port, "/api/upstreams/none")).status).toBe(404);
    const history = `/api/history?upstream=${encodeURIComponent(upstream.id)}&window=1h&since=17`;
    expect(JSON.parse((await ask(port, history)).body)).toMatchObject({
      window: "1h",
      stepMs: 17,
      series: [],
    });
    const range = "/api/history?from=2026-11-28T03:04:00Z&to=2026-11-28T03:24:00Z";
    expect(JSON.parse((await ask(port, range)).body)).toMatchObject({
      window: null,
      from: Date.parse("2026-11-28T03:04:00Z"),
      to: Date.parse("2026-11-28T03:24:00Z"),
    });
    expect(JSON.parse((await ask(port, "/api/history")).body)).toMatchObject({ window: "5m" });
    expect(JSON.parse((await ask(port, "/api/config")).body)).toEqual({ settings: [] });
  });

  for (const [query, status, reason, detail] of [
    [
      "?window=2h",
      400,
      "window_invalid",
      'Cannot use window: expected one of 5m, 1h, 24h, 7d (received "2h").',
    ],
    [
      "?since=yesterday",
      400,
      "since_invalid",
      'Cannot use since: expected a time in epoch milliseconds (received "yesterday").',
    ],
    ["?pool=none", 404, "series_unknown", 'Cannot show the history: no pool named "none".'],
    ["?upstream=none", 404, "series_unknown", 'Cannot show the history: no upstream named "none".'],
  ] as const) {
    test(`rejects the history with ${query} and explains it`, async () => {
      const response = await ask(port, `/api/history${query}`);
      expect(response.status).toBe(status);
      expect(JSON.parse(response.body)).toMatchObject({ reason, detail });
    });
  }

  test("sets a mode, with the actor", async () => {
    const response = await ask(port, modePath, setMode("draining", { "x-evenkeel-actor": "ann" }));
    expect(response.status).toBe(200);
    expect(JSON.parse(response.body)).toMatchObject({ id: upstream.id, mode: "draining" });
    await ask(port, modePath, setMode("ready", { "x-evenkeel-actor": "<script>" }));
    expect(set).toEqual([
      [upstream.id, "draining", "ann"],
      [upstream.id, "ready", "api"],
    ]);
  });

  for (const [what, init, status] of [
    ["an unknown mode", setMode("asleep"), 400],
    ["no mode", setMode(undefined), 400],
    [
      "a body that is not JSON",
      { ...setMode("ready"), body: "{mode:ready}", headers: { "content-length": "12" } },
      400,
    ],
    [
      "a body that is too long",
      { ...setMode("ready", { "content-length": "5000" }), body: " ".repeat(5_000) },
      400,
    ],
    ["GET", {}, 405],
  ] as const) {
    test(`rejects ${what} with ${status} and explains it`, async () => {
      const response = await ask(port, modePath, init);
      expect(response.status).toBe(status);
      expect(response.headers["content-type"]).toBe("application/problem+json");
      expect(JSON.parse(response.body)).toMatchObject({
        type: "about:blank",
        status,
        detail: expect.any(String),
      });
    });
  }

  test("responds 404 for an unknown upstream and an unknown path", async () => {
    expect(JSON.parse((await ask(port, "/api/upstreams/none/mode", setMode("ready"))).body).reason).toBe(
      "upstream_unknown",
    );
    expect((await ask(port, "/api/nothing")).status).toBe(404);
  });
});

describe("the admin listener's guard", () => {
  test("rejects a foreign Host on loopback (DNS rebinding), but not for health checks", async () => {
    const { port } = await serve();
    for (const host of ["evil.example", "127.0.0.1.evil.example:80"]) {
      expect((await ask(port, "/api/snapshot", { headers: { host } })).status).toBe(403);
    }
    for (const host of ["localhost", `127.0.0.1:${port}`, "[::1]:8091"]) {
      expect((await ask(port, "/api/snapshot", { headers: { host } })).status).toBe(200);
    }
    expect((await ask(port, "/readyz", { headers: { host: "10.2.3.4:8091" } })).status).toBe(200);
  });

  test("rejects pages of another origin, for reading and writing", async () => {
    const { port, set } = await serve();
    for (const [name, value] of [
      ["origin", "https://evil.example"],
      ["origin", "null"],
      ["sec-fetch-site", "cross-site"],
      ["sec-fetch-site", "same-site"],
    ] as const) {
      const headers = { [name]: value };
      expect((await ask(port, modePath, setMode("draining", headers))).status).toBe(403);
      expect((await ask(port, "/api/snapshot", { headers })).status).toBe(403);
    }
    expect(set).toEqual([]);
    expect(
      (
        await ask(port, "/api/snapshot", {
          headers: { origin: `http://127.0.0.1:${port}`, host: `127.0.0.1:${port}` },
        })
      ).status,
    ).toBe(200);
  });

  test("requires the token everywhere except for health checks", async () => {
    const { port } = await serve({ token: "s3cret" });
    for (const authorization of ["", "Bearer wrong1", "Bearer s3cre", "Basic s3cret", "Bearer s3cret2"]) {
      const response = await ask(port, "/metrics", { headers: { authorization } });
      expect(response.status).toBe(401);
      expect(response.headers["www-authenticate"]).toContain("Bearer");
      expect(response.body).not.toContain("s3cret");
    }
    expect((await ask(port, "/metrics", { headers: { authorization: "Bearer s3cret" } })).status).toBe(200);
    expect((await ask(port, "/livez")).status).toBe(200);
  });
});
