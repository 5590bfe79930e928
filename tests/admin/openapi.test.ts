import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Static, TSchema } from "@sinclair/typebox";
import { Type } from "@sinclair/typebox";

import { documentOf, type OpenApiDocument, operations } from "../../src/admin/openapi/document.ts";
import { type Operation, statusReasons } from "../../src/admin/openapi/operation.ts";
import type { alertListSchema } from "../../src/admin/schemas/alert.ts";
import type { AlertsSnapshot } from "../../src/alerts/alerts-snapshot.ts";
import type { drainReportSchema } from "../../src/admin/schemas/commands.ts";
import { problemSchema } from "../../src/admin/schemas/commands.ts";
import type {
  eventSchema,
  historySchema,
  reloadReportSchema,
  rotationReportSchema,
  settingsSchema,
  stateSchema,
} from "../../src/admin/schemas/record.ts";
import type { upstreamDetailSchema } from "../../src/admin/schemas/snapshot.ts";
import { snapshotSchema } from "../../src/admin/schemas/snapshot.ts";
import { nameOf } from "../../src/config/problem.ts";
import type { Setting } from "../../src/config/effective.ts";
import { schemaErrors } from "../../src/config/schema-kit.ts";
import type { DrainReport, ReloadReport } from "../../src/control/control.ts";
import type { Snapshot, UpstreamDetail } from "../../src/snapshot/snapshot.ts";
import type { HistoryResult } from "../../src/history/history.ts";
import type { BalancerEvent } from "../../src/state/event.ts";
import type { RotationReport } from "../../src/control/certificate-rotation.ts";
import type { Intent } from "../../src/state/intent.ts";
import { BalancerFixture } from "../support/balancer-fixture.ts";
import { until } from "../support/wait.ts";
import { routesOfAdmin } from "./fixture.ts";

const keyOf = ({ method, path }: { method: string; path: string }) => `${method} ${path}`;

/** The compiler compares the schemas with the types: these lines fail the type check when they differ. */
type Frozen<T> = T extends (infer Item)[]
  ? readonly Frozen<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Frozen<T[Key]> }
    : T;
type Same<One, Other> = [Frozen<One>, Frozen<Other>] extends [Frozen<Other>, Frozen<One>] ? true : false;
const agreed: true[] = [
  true satisfies Same<Static<typeof snapshotSchema>, Snapshot>,
  true satisfies Same<Static<typeof alertListSchema>, AlertsSnapshot>,
  true satisfies Same<Static<typeof upstreamDetailSchema>, UpstreamDetail>,
  true satisfies Same<Static<typeof eventSchema>, BalancerEvent>,
  true satisfies Same<Static<typeof historySchema>, HistoryResult>,
  true satisfies Same<Static<typeof stateSchema>, { intents: readonly Intent[] }>,
  true satisfies Same<Static<typeof settingsSchema>, { settings: readonly Setting[] }>,
  true satisfies Same<Static<typeof reloadReportSchema>, ReloadReport & { diff: readonly string[] }>,
  true satisfies Same<Static<typeof rotationReportSchema>, RotationReport>,
  true satisfies Same<
    Static<typeof drainReportSchema>,
    DrainReport & { id: string; upstream: UpstreamDetail | null }
  >,
];

/** Closes every object, so that undocumented keys are found. */
function strictly(schema: TSchema): TSchema {
  const closed: Record<string | symbol, unknown> = { ...schema };
  if (schema["properties"]) {
    closed["additionalProperties"] ??= false;
    closed["properties"] = Object.fromEntries(
      Object.entries(schema["properties"] as Record<string, TSchema>).map(([key, value]) => [
        key,
        strictly(value),
      ]),
    );
  }
  if (schema["items"]) closed["items"] = strictly(schema["items"]);
  if (schema["anyOf"]) closed["anyOf"] = (schema["anyOf"] as TSchema[]).map(strictly);
  return closed as unknown as TSchema;
}

describe("the OpenAPI document", () => {
  test("has every registered route, and no other", () => {
    const routes = routesOfAdmin()
      .map(([method, path]) => keyOf({ method, path }))
      .toSorted();
    const hint = "a route needs an entry in src/admin/openapi/*-operations.ts, and an entry needs its route";
    expect(operations.map(keyOf).toSorted(), hint).toEqual(routes);
  });

  test("has schemas that match the types", () => expect(agreed).toHaveLength(10));

  test("has one id per operation, and no dangling reference", () => {
    const document = documentOf(operations);
    const text = JSON.stringify(document);
    const ids = [...text.matchAll(/"operationId":"(\w+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(operations.length);
    const references = [...text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name);
    expect(references.length).toBeGreaterThan(20);
    for (const name of references) expect(document.components.schemas).toHaveProperty(name ?? "");
    expect(text).not.toContain("errorMessage");
    expect(text).not.toContain("evenkeel-");
  });

  test("rejects two schemas with the same title", () => {
    const response = (description: string) => ({
      description,
      type: "application/json",
      schema: Type.Object({}, { title: "A" }),
    });
    const entry = { tag: "State", summary: "", responses: { 200: response("") } } as const;
    const twice: Operation[] = [
      { ...entry, method: "GET", path: "/a" },
      { ...entry, method: "GET", path: "/b", responses: { 200: response("another") } },
    ];
    expect(() => documentOf(twice)).toThrow("two schemas as A");
  });
});

/** One request and the expected status. */
interface ApiRequest {
  readonly status: number;
  readonly path?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Requests to the real balancer, in this order. An operation without an entry fails: add a request for each documented
 * response, and for each problem that can be provoked.
 */
const requests: Readonly<Record<string, readonly ApiRequest[]>> = {
  "GET /livez": [{ status: 200 }],
  "GET /readyz": [{ status: 200 }],
  "GET /healthz": [{ status: 200 }],
  "GET /metrics": [{ status: 200 }],
  "GET /api/snapshot": [{ status: 200 }],
  "GET /api/problems": [
    { status: 200 },
    { status: 200, path: "/api/problems?state=all&level=critical&pool=main&from=-1h&to=now" },
    { status: 400, path: "/api/problems?state=both" },
    { status: 404, path: "/api/problems?pool=none" },
  ],
  "GET /api/routes": [{ status: 200 }],
  "GET /api/alerts": [{ status: 200 }],
  "POST /api/alerts/test": [
    { status: 200, body: { receiver: "ops" } },
    { status: 400, body: {} },
    { status: 404, body: { receiver: "none" } },
  ],
  "POST /api/silences": [
    { status: 201, body: { upstream: "a", for: "1h", reason: "kernel" } },
    { status: 400, body: { upstream: "a", reason: "kernel" } },
    { status: 404, body: { pool: "none", for: "1h", reason: "kernel" } },
  ],
  "DELETE /api/silences/:id": [{ status: 404 }],
  "GET /api/history": [
    { status: 200 },
    { status: 200, path: "/api/history?upstream=a&window=1h&since=0" },
    { status: 400, path: "/api/history?window=2h" },
    { status: 200, path: "/api/history?from=-20m&to=-5m&pool=main" },
    { status: 200, path: "/api/history?from=-7d&points=100" },
    { status: 400, path: "/api/history?from=lately" },
    { status: 400, path: "/api/history?from=-1h&points=3" },
    { status: 404, path: "/api/history?pool=none" },
  ],
  "GET /api/fleet": [{ status: 404 }],
  "GET /api/config": [{ status: 200 }, { status: 304 }],
  "GET /api/openapi.json": [{ status: 200 }, { status: 304 }],
  "GET /api/docs": [{ status: 200 }, { status: 304 }],
  "GET /api/docs/style.css": [{ status: 200 }, { status: 304 }],
  "GET /api/upstreams/:id": [{ status: 200 }, { status: 404, path: "/api/upstreams/none" }],
  "POST /api/pools/:pool/upstreams": [
    { status: 201, body: { url: "http://127.0.0.1:9", name: "gone", weight: 2, reason: "more" } },
    { status: 400, body: [] },
    { status: 404, path: "/api/pools/none/upstreams", body: { url: "http://127.0.0.1:9" } },
    { status: 409, body: { url: "http://127.0.0.1:9", name: "a" } },
    { status: 412, body: { url: "http://127.0.0.1:10", name: "late" }, headers: { "If-Match": '"old"' } },
    { status: 422, body: { url: "nonsense", colour: "red" } },
  ],
  "GET /api/pools/:pool": [{ status: 200 }, { status: 404, path: "/api/pools/none" }],
  "PATCH /api/upstreams/:id": [
    { status: 200, body: { weight: 7 } },
    { status: 400, body: { weight: 300 } },
    { status: 400, body: { weight: 3, weigth: 4 } },
    { status: 404, path: "/api/upstreams/none", body: { weight: 1 } },
    { status: 412, body: { weight: 8 }, headers: { "If-Match": '"old"' } },
  ],
  "POST /api/upstreams/:id/mode": [
    { status: 200, body: { mode: "maintenance", reason: "disk" } },
    { status: 400, body: { mode: "asleep" } },
    { status: 404, path: "/api/upstreams/none/mode", body: { mode: "ready" } },
    { status: 413, body: { mode: "ready", reason: "x".repeat(9_000) } },
    { status: 415, body: { mode: "ready" }, headers: { "Content-Type": "text/plain" } },
    { status: 412, body: { mode: "ready" }, headers: { "If-Match": '"old"' } },
  ],
  "POST /api/upstreams/:id/drain": [
    { status: 200, body: { reason: "kernel" } },
    { status: 400, path: "/api/upstreams/a/drain?wait=soon" },
    { status: 404, path: "/api/upstreams/none/drain" },
    { status: 412, headers: { "If-Match": '"old"' } },
  ],
  "PUT /api/upstreams/:id/rehearsal": [
    { status: 200, path: "/api/upstreams/a/rehearsal", body: { latencyMs: 1, force: true, reason: "trial" } },
    { status: 400, path: "/api/upstreams/a/rehearsal", body: [] },
    { status: 404, path: "/api/upstreams/none/rehearsal", body: { latencyMs: 1 } },
    { status: 412, body: { latencyMs: 1, force: true }, headers: { "If-Match": '"old"' } },
    { status: 422, path: "/api/upstreams/a/rehearsal", body: { latencyMs: -1 } },
  ],
  "DELETE /api/upstreams/:id/rehearsal": [
    { status: 412, headers: { "If-Match": '"old"' } },
    { status: 200, path: "/api/upstreams/a/rehearsal" },
    { status: 409, path: "/api/upstreams/a/rehearsal" },
    { status: 404, path: "/api/upstreams/none/rehearsal" },
  ],
  "DELETE /api/upstreams/:id": [
    { status: 400, path: "/api/upstreams/gone?wait=soon" },
    { status: 404, path: "/api/upstreams/none" },
    { status: 412, path: "/api/upstreams/gone", headers: { "If-Match": '"old"' } },
    { status: 202, path: "/api/upstreams/gone" },
    { status: 200, path: "/api/upstreams/b?wait=5s" },
    { status: 409, path: "/api/upstreams/a" },
  ],
  "GET /api/requests": [
    { status: 200 },
    { status: 200, path: "/api/requests?which=slowest&status=2xx&method=GET&path=/w&limit=3" },
    { status: 400, path: "/api/requests?which=best" },
    { status: 400, path: "/api/requests?status=4x" },
    { status: 400, path: "/api/requests?limit=many" },
    { status: 200, path: "/api/requests?from=-1h&to=now&outcome=failed,sampled&limit=3" },
    { status: 200, path: "/api/requests?which=kept&path=/work&client=127.0.0.1&route=routes[0]" },
    { status: 400, path: "/api/requests?from=lately" },
    { status: 400, path: "/api/requests?outcome=good" },
    { status: 400, path: "/api/requests?cursor=last" },
  ],
  "GET /api/requests/summary": [
    { status: 200 },
    { status: 200, path: "/api/requests/summary?from=-1h&status=2xx,5xx" },
    { status: 400, path: "/api/requests/summary?to=soon" },
  ],
  "GET /api/requests/stream": [{ status: 200 }, { status: 400, path: "/api/requests/stream?status=ok" }],
  "GET /api/requests/:id": [
    { status: 200, path: "/api/requests/known-1" },
    { status: 404, path: "/api/requests/none" },
  ],
  "POST /api/requests/dry-run": [
    { status: 200, body: { host: "shop.example", target: "/x", headers: { Cookie: "a=b" } } },
    { status: 400, body: { method: 3 } },
    { status: 400, body: { clientAddress: "somewhere" } },
    { status: 400, body: { colour: "red" } },
  ],
  "POST /api/problems/:id/dismiss": [{ status: 404 }, { status: 400, body: { colour: "red" } }],
  "GET /api/me": [{ status: 200 }],
  "POST /api/login": [{ status: 404, body: { name: "ann", password: "secret" } }],
  "POST /api/logout": [{ status: 409 }],
  "GET /api/events": [{ status: 200 }, { status: 400, path: "/api/events?after=x" }],
  "GET /api/stream": [
    { status: 200, path: "/api/stream?snapshots=1s" },
    { status: 400, path: "/api/stream?snapshots=1ms" },
    { status: 400, path: "/api/stream?after=x" },
  ],
  "GET /api/state": [{ status: 200 }, { status: 304 }],
  "GET /api/state/export": [{ status: 200 }, { status: 304 }],
  "POST /api/certificates/reload": [{ status: 200 }],
  "POST /api/upgrade": [{ status: 400, body: [] }],
  "POST /api/reload": [
    { status: 200, path: "/api/reload?dry=1" },
    { status: 400, body: "pools: {}" },
    { status: 412, headers: { "If-Match": '"old"' } },
    { status: 413, path: "/api/reload?dry=1", body: " ".repeat(1024 * 1024 + 1) },
    { status: 422, path: "/api/reload?dry=1", body: "pools: 3" },
  ],
};

/** Responses that no request from outside can provoke; other tests cover them. */
const coveredElsewhere: Readonly<Record<string, string>> = {
  "GET /readyz 503": "the balancer would have to be starting or stopping",
  "GET /healthz 503": "likewise",
  "GET /api/fleet 200": "needs a store, as in balancers.test.ts of the fleet",
  "DELETE /api/silences/:id 200": "needs the id of a silence, as in alert-routes.test.ts",
  "POST /api/problems/:id/dismiss 200": "needs a refused reload, as in problems.test.ts",
  "POST /api/login 200": "needs users, as in access.test.ts",
  "POST /api/logout 200": "likewise",
  "POST /api/upgrade 200": "needs a process of its own, as in upgrade.test.ts",
};

describe("the real balancer", () => {
  const fixture = new BalancerFixture();
  const seen = new Map<string, Set<number>>();

  beforeAll(async () => {
    await fixture.startServers("a", "b");
    const key = join(fixture.folder, "key");
    writeFileSync(key, "k".repeat(32));
    const alerts = `alerts: [{ name: ops, url: "http://127.0.0.1:9/", secretFile: ${key} }]\n`;
    fixture.write(alerts + fixture.poolWith(["a", "b"]));
    await fixture.start();
    for (let request = 0; request < 20; request++) {
      const headers = { "X-Request-Id": `known-${request}` };
      await (await fetch(`${fixture.url}/work`, { headers })).text();
    }
  });
  afterAll(() => fixture[Symbol.asyncDispose]());

  for (const [key, list] of Object.entries(requests)) {
    test(`responds to ${key} as documented`, async () => {
      const operation = operations.find((known) => keyOf(known) === key);
      expect(operation, `${key} is not in the document`).toBeDefined();
      if (!operation) return;
      const defaultPath = operation.path.replace(":id", "a").replace(":pool", "main");
      let tag = "";
      const statuses = new Set<number>();
      seen.set(key, statuses);
      for (const { status, path = defaultPath, body, headers } of list) {
        const response = await fetch(fixture.admin + path, {
          method: operation.method,
          headers: {
            "Content-Type": "application/json",
            ...(status === 304 && { "If-None-Match": tag }),
            ...headers,
          },
          ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
        });
        expect(`${path} ${response.status}`).toBe(`${path} ${status}`);
        statuses.add(status);
        await expectDocumented(operation, response);
        if (operation.responses[status]?.isTagged) {
          tag = response.headers.get("etag") ?? "";
          expect(tag).toMatch(/^"[\w-]{22}"$/);
        }
      }
    }, 20_000);
  }

  test("was tested for every documented response", () => {
    const missing = operations.flatMap((operation) =>
      Object.keys(operation.responses)
        .map((status) => `${keyOf(operation)} ${status}`)
        .filter(
          (name) =>
            !coveredElsewhere[name] &&
            !seen.get(keyOf(operation))?.has(Number(name.slice(name.lastIndexOf(" ")))),
        ),
    );
    expect(missing, "add a request to `requests` above").toEqual([]);
  });

  test("serves the document built from the table, and a page without scripts that has every operation", async () => {
    const served = (await (await fetch(`${fixture.admin}/api/openapi.json`)).json()) as OpenApiDocument;
    expect(served).toEqual(JSON.parse(JSON.stringify(documentOf(operations))));
    const response = await fetch(`${fixture.admin}/api/docs`);
    const page = await response.text();
    for (const { path } of operations) expect(page).toContain(`<code>${path}</code>`);
    for (const name of Object.keys(served.components.schemas)) expect(page).toContain(`id="schema-${name}"`);
    expect([...page.matchAll(/<script|<style|\bstyle=|\bon\w+=|(?:src|href)="(?![/#])/g)]).toEqual([]);
    expect(response.headers.get("content-security-policy")).toContain("default-src 'none'");
  });

  test("rejects an undecodable path as a problem", async () => {
    for (const path of ["/api/upstreams/%zz", "/api/upstreams/%/mode"]) {
      const response = await fetch(fixture.admin + path, { method: path.endsWith("mode") ? "POST" : "GET" });
      expect(response.status).toBe(400);
      expect(response.headers.get("content-type")).toBe("application/problem+json");
      expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    }
  });

  test("lists the methods of a path", async () => {
    for (const [method, path, allow] of [
      ["GET", "/api/upstreams/a/mode", "POST"],
      ["PUT", "/api/upstreams/a", "GET, HEAD, PATCH, DELETE"],
      ["DELETE", "/api/snapshot", "GET, HEAD"],
    ] as const) {
      const response = await fetch(fixture.admin + path, { method });
      expect(`${method} ${path} ${response.status}`).toBe(`${method} ${path} 405`);
      expect(response.headers.get("allow")).toBe(allow);
    }
  });
});

/** Compares a response with the documentation of its status. */
async function expectDocumented(operation: Operation, response: Response): Promise<void> {
  const { status } = response;
  const type = response.headers.get("content-type");
  const documented = operation.responses[status];
  if (!documented) {
    const body: unknown = await response.json();
    expect(type).toBe("application/problem+json");
    expect(schemaErrors(strictly(problemSchema), body).errors).toEqual([]);
    expect(statusReasons(operation)[status] ?? []).toContain((body as { reason: string }).reason);
    return;
  }
  if (!documented.schema) {
    expect(await response.text()).toBe("");
    return;
  }
  // Bun adds a charset to JSON, which means nothing there (RFC 8259 section 11).
  expect(documented.type === "application/json" ? type?.split(";")[0] : type).toBe(documented.type ?? "");
  if (documented.type === "text/event-stream") {
    return operation.path === "/api/stream" ? firstMessages(response) : response.body?.cancel();
  }
  const text = await response.text();
  const value: unknown = documented.type === "application/json" ? JSON.parse(text) : text;
  const { errors } = schemaErrors(strictly(documented.schema), value);
  expect(errors.map(({ path, why }) => `${nameOf(path)}: ${why}`)).toEqual([]);
}

async function firstMessages(response: Response): Promise<void> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  await until(async () => {
    text += (await reader?.read())?.value ?? "";
    return /event: snapshot\ndata: .*\n\n/.test(text);
  });
  await reader?.cancel();
  const snapshot = /event: snapshot\ndata: (.*)\n\n/.exec(text)?.[1] ?? "null";
  expect(schemaErrors(strictly(snapshotSchema), JSON.parse(snapshot)).errors).toEqual([]);
}
