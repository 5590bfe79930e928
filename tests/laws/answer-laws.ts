/** What every engine does with the answers of a route: redirects, responses of its own, preflights and pages for errors. */

import { expect } from "bun:test";

import type { RouteFile } from "../../src/config/route-schema.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { unmatchedBy } from "../support/configured-routes.ts";
import { RawClient, sendRequest } from "../support/raw-client.ts";
import { failAll, get, valuesOf, withRoutes } from "../support/route-fixture.ts";
import { until } from "../support/wait.ts";

type Law = (engine: Engine) => Promise<void>;

const options = (fields: readonly string[]) => get("/", fields).replace("GET", "OPTIONS");
const preflight = (origin: string) => options([`Origin: ${origin}`, "Access-Control-Request-Method: PUT"]);
const corsFields = [
  "access-control-allow-origin",
  "access-control-allow-credentials",
  "access-control-allow-methods",
  "access-control-allow-headers",
  "access-control-max-age",
  "access-control-expose-headers",
];

const cors: RouteFile = {
  cors: {
    origins: ["https://app.test", "https://*.b.test"],
    methods: ["PUT"],
    headers: ["X-Token"],
    expose: ["X-Total"],
    credentials: true,
    maxAge: "10m",
  },
  pool: "main",
};

export const answerLaws: Readonly<Record<string, Law>> = {
  "redirects without asking an upstream, keeps the query, and records an answer": (engine) => {
    const routes: readonly RouteFile[] = [
      { host: "www.test", redirect: { to: "https://shop.test${target}", status: 301 } },
      { path: { exact: "/old" }, redirect: "/new" },
      { path: "/q", redirect: "/new?a=1#top" },
      { path: "/f", redirect: "/new#${path}" },
      { path: "/h", host: "a.test", redirect: { to: "https://${host}:8443/x", status: 302 } },
    ];
    return withRoutes(engine, routes, async (fixture, origin) => {
      const client = await RawClient.connect(fixture.port);
      const ask = async (target: string, host?: string) => {
        const { status, header } = await client.send(get(target, [], host)).readResponse();
        return [status, header("location")];
      };
      expect(await ask("/a?b=%2F", "www.test")).toEqual([301, "https://shop.test/a?b=%2F"]);
      expect(await ask("/old?x=1")).toEqual([308, "/new?x=1"]);
      expect(await ask("/q?x=1")).toEqual([308, "/new?a=1#top"]);
      expect(await ask("/f?x=1")).toEqual([308, "/new?x=1#/f"]);
      expect(await ask("/h", "A.test:80")).toEqual([302, "https://a.test:8443/x"]);
      client.destroy();
      await until(() => fixture.records.length === 5, "the records");
      expect(origin.requests).toEqual([]);
      expect(fixture.records[0]).toMatchObject({
        status: 301,
        reason: "redirected",
        pool: null,
        target: "/a?b=%2F",
      });
    });
  },

  "redirects nowhere but to a path of its own where the address is a path": (engine) =>
    withRoutes(
      engine,
      [
        { path: "/x", redirect: "/${host}" },
        { path: "/y", redirect: "${path}/" },
      ],
      async ({ port }) => {
        const asked = await sendRequest(port, get("/x"));
        expect(asked.header("location")).toBe("/a.test");
        const slash = await sendRequest(port, get("/y"));
        expect(slash.header("location")).toBe("/y/");
      },
    ),

  "answers with text, JSON or a file, and a HEAD without a body": (engine) => {
    const routes: readonly RouteFile[] = [
      { path: { exact: "/health" }, respond: { text: "ok" } },
      { path: "/json", respond: { status: 404, json: { error: "none" } } },
      { path: "/down", respond: { status: 503, file: "down.html", retryAfter: "10m" } },
      { path: "/empty", respond: { status: 204 } },
    ];
    const files = { "down.html": "<h1>Back soon ü</h1>" };
    return withRoutes(
      engine,
      routes,
      async (fixture, origin) => {
        const ask = async (target: string) => {
          const { status, header, body } = await sendRequest(fixture.port, get(target));
          return [status, header("content-type"), body.toString(), header("retry-after")];
        };
        expect(await ask("/health")).toEqual([200, "text/plain; charset=utf-8", "ok", undefined]);
        expect(await ask("/json")).toEqual([404, "application/json", '{"error":"none"}\n', undefined]);
        expect(await ask("/down/x")).toEqual([
          503,
          "text/html; charset=utf-8",
          "<h1>Back soon ü</h1>",
          "600",
        ]);
        expect(await ask("/empty")).toEqual([204, undefined, "", undefined]);
        const empty = await sendRequest(fixture.port, get("/empty"));
        expect(empty.header("content-length")).toBeUndefined();
        const head = await sendRequest(fixture.port, get("/health").replace("GET", "HEAD"), "HEAD");
        expect([head.status, head.header("content-type")]).toEqual([200, "text/plain; charset=utf-8"]);
        expect(head.header("content-length")).toBe("2");
        expect(origin.requests).toEqual([]);
        await until(() => fixture.records.length === 6, "the records");
        expect(new Set(fixture.records.map(({ reason }) => reason))).toEqual(new Set(["responded"]));
      },
      { files },
    );
  },

  "answers the preflights of known origins without an upstream, and those of others without fields": (
    engine,
  ) =>
    withRoutes(engine, [cors], async (fixture, origin) => {
      const ask = async (request: string) => {
        const { status, header } = await sendRequest(fixture.port, request);
        return [status, header("vary"), ...corsFields.map((name) => header(name))];
      };
      expect(await ask(preflight("https://app.test"))).toEqual([
        ...[204, "Origin", "https://app.test", "true", "GET, HEAD, POST, PUT", "X-Token", "600", undefined],
      ]);
      expect((await ask(preflight("https://x.y.b.test")))[2]).toBe("https://x.y.b.test");
      for (const unknown of ["https://b.test", "http://x.b.test", "https://evil.test/.b.test", "null"])
        expect(await ask(preflight(unknown))).toEqual([204, "Origin", ...corsFields.map(() => undefined)]);
      expect(origin.requests).toEqual([]);
      expect(fixture.refused).toContain("cors_refused");
      expect((await ask(options([])))[0]).toBe(200);
      expect(origin.requests.length).toBe(1);
    }),

  "names who may read a response in place of the upstream, on every response of the route": (engine) =>
    withRoutes(
      engine,
      [cors],
      async (fixture) => {
        const ask = async (fields: readonly string[]) => {
          const response = await sendRequest(fixture.port, get("/", fields));
          return [
            response.status,
            valuesOf(response, "vary").join(),
            ...corsFields.map((name) => response.header(name)),
          ];
        };
        const known = ["https://app.test", "true", undefined, undefined, undefined, "X-Total"];
        expect(await ask(["Origin: https://app.test"])).toEqual([200, "Origin", ...known]);
        expect(await ask(["Origin: https://evil.test"])).toEqual([
          200,
          "Origin",
          ...known.map(() => undefined),
        ]);
        expect(await ask([])).toEqual([200, "Origin", ...known.map(() => undefined)]);
        failAll(fixture.pool);
        expect(await ask(["Origin: https://app.test"])).toEqual([503, "Origin", ...known]);
      },
      { responseLines: ["Access-Control-Allow-Origin: *", "access-control-allow-methods: DELETE"] },
    ),

  "lets every origin read where that is what the route says": (engine) =>
    withRoutes(
      engine,
      [{ cors: { origins: ["*"], expose: ["X-Total"] }, pool: "main" }],
      async ({ port }) => {
        // A cache may give the response to a request without Origin to the script of a page: both are alike.
        for (const fields of [["Origin: https://any.test"], []]) {
          const { header } = await sendRequest(port, get("/", fields));
          const names = ["access-control-allow-origin", "access-control-expose-headers", "vary"];
          expect(names.map((name) => header(name))).toEqual(["*", "X-Total", undefined]);
        }
      },
      { responseLines: ["Access-Control-Allow-Origin: *"] },
    ),

  "shows the operator's pages for its own errors to clients that show HTML": (engine) => {
    const errorPages = { "404": "nf.html", "5xx": "sorry.html" };
    const files = {
      "nf.html": "<h1>${status}</h1>",
      "sorry.html": "<p>${status} ${reason} <i>${requestId}</i> ${other} $${status}</p>",
    };
    return withRoutes(
      engine,
      [{ host: "a.test", errorPages, pool: "main" }],
      async (fixture) => {
        const upstreams = await sendRequest(fixture.port, get("/", ["Accept: text/html"]));
        expect(upstreams.body.toString()).toBe("served");
        failAll(fixture.pool);
        const ask = (accept: string, host?: string) =>
          sendRequest(fixture.port, get("/", [`Accept: ${accept}`, "X-Request-Id: id-1"], host));
        const page = await ask("text/html,application/xhtml+xml,*/*;q=0.8");
        expect([page.status, page.header("content-type")]).toEqual([503, "text/html; charset=utf-8"]);
        expect(page.body.toString()).toBe("<p>503 no_upstream <i>id-1</i> ${other} $503</p>");
        expect(page.header("retry-after")).toBe("2");
        expect(page.header("proxy-status")).toContain("no_upstream");
        expect(page.header("cache-control")).toBe("no-store");
        for (const accept of [
          "application/json",
          "*/*",
          "text/html;q=0",
          "application/json, text/html;q=0.5",
        ])
          expect((await ask(accept)).body.toString()).toContain("No upstream is available");
        const lost = await ask("text/html", "other.test");
        expect([lost.status, lost.body.toString()]).toEqual([404, "<h1>404</h1>"]);
      },
      { files, unmatched: unmatchedBy({ errorPages }, files) },
    );
  },

  "leaves an upstream's error as it is": (engine) =>
    withRoutes(
      engine,
      [{ errorPages: { "5xx": "sorry.html" }, respond: { status: 503, text: "down" } }],
      async ({ port }) => {
        const response = await sendRequest(port, get("/", ["Accept: text/html"]));
        expect(response.body.toString()).toBe("down");
      },
      { files: { "sorry.html": "sorry" } },
    ),

  "does not log the answers of a route as refusals": async (engine) => {
    const warnings: string[] = [];
    const listening: Engine = {
      ...engine,
      listen: (given) =>
        engine.listen({ ...given, log: { ...given.log, warn: (text) => void warnings.push(text) } }),
    };
    const routes: readonly RouteFile[] = [
      { path: "/a", redirect: "/b" },
      { path: "/b", respond: { text: "ok" } },
      cors,
    ];
    await withRoutes(listening, routes, async ({ port }) => {
      for (const target of ["/a", "/b"]) await sendRequest(port, get(target));
      await sendRequest(port, preflight("https://app.test"));
    });
    expect(warnings).toEqual([]);
  },
};
