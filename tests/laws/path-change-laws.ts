/** What every engine asks an upstream for where a route changes path, query or host. */

import { expect } from "bun:test";

import type { RouteFile } from "../../src/config/route-schema.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { sendRequest } from "../support/raw-client.ts";
import { failAll, get, withRoutes } from "../support/route-fixture.ts";
import { configuredRoutes } from "../support/configured-routes.ts";
import { startEngine } from "../support/engine-fixture.ts";
import { respondWith, startOrigin } from "../support/origin.ts";

type Law = (engine: Engine) => Promise<void>;

const api: readonly RouteFile[] = [
  { path: "/api", stripPrefix: true, pool: "main" },
  { path: "/", pool: "main" },
];

/** Sends requests one after another. @returns what the upstream was asked for, or the status and the reason of the refusal */
async function askedFor(
  engine: Engine,
  routes: readonly RouteFile[],
  targets: readonly string[],
): Promise<Readonly<Record<string, string>>> {
  const asked: Record<string, string> = {};
  await withRoutes(engine, routes, async ({ port }, origin) => {
    for (const target of targets) {
      const before = origin.requests.length;
      const response = await sendRequest(port, get(target));
      const reason = /details="(\w+)/.exec(response.header("proxy-status") ?? "")?.[1];
      asked[target] = origin.requests[before]?.target ?? `${response.status} ${reason}`;
    }
  });
  return asked;
}

async function expectTargets(
  engine: Engine,
  routes: readonly RouteFile[],
  expected: Readonly<Record<string, string>>,
): Promise<void> {
  expect(await askedFor(engine, routes, Object.keys(expected))).toEqual(expected);
}

export const pathChangeLaws: Readonly<Record<string, Law>> = {
  "cuts the prefix of a route at a segment border, and tells the upstream": (engine) =>
    withRoutes(engine, api, async ({ port }, origin) => {
      const expected = {
        "/api": "/",
        "/api/": "/",
        "/api/x?y=%2F": "/x?y=%2F",
        "/api/?a=1": "/?a=1",
        "/apix": "/apix",
      };
      for (const target of Object.keys(expected)) await sendRequest(port, get(target));
      expect(origin.requests.map(({ target }) => target)).toEqual(Object.values(expected));
      expect(origin.requests.map(({ header }) => header("x-forwarded-prefix"))).toEqual([
        ...["/api", "/api", "/api", "/api"],
        undefined,
      ]);
    }),

  "cuts the bytes of a prefix as they arrived, and refuses what would begin with two slashes": (engine) =>
    expectTargets(engine, api, {
      "/%61pi/x": "/x",
      "/api/v4/projects/group%2520repo": "/v4/projects/group%2520repo",
      "/api/C%2B%2B;v=1": "/C%2B%2B;v=1",
      "/api%2e/admin": "/api%2e/admin",
      "/api//evil.test/": "400 path_ambiguous",
      "//api/x": "400 path_ambiguous",
    }),

  "believes a trusted peer alone what was cut before": async (engine) => {
    const fields = ["X-Forwarded-Prefix: /evil"];
    const prefixes = async (isTrusted: boolean) => {
      let seen: readonly unknown[] = [];
      await withRoutes(
        engine,
        api,
        async ({ port }, origin) => {
          await sendRequest(port, get("/api/x", fields));
          await sendRequest(port, get("/x", fields));
          seen = origin.requests.map(({ header }) => header("x-forwarded-prefix"));
        },
        { isTrustedProxy: () => isTrusted },
      );
      return seen;
    };
    expect(await prefixes(false)).toEqual(["/api", undefined]);
    expect(await prefixes(true)).toEqual(["/evil, /api", "/evil"]);
  },

  "cuts a beginning of the path, adds a prefix, and writes another path": (engine) =>
    expectTargets(
      engine,
      [
        { path: "/a/b", stripPrefix: "/a", pool: "main" },
        { path: "/c", stripPrefix: true, addPrefix: "/v2/", pool: "main" },
        { path: "/d", rewrite: { path: "/new${path}" }, pool: "main" },
        { path: "/é", addPrefix: "/ü", pool: "main" },
      ],
      {
        "/a/b/x": "/b/x",
        "/c/x?q": "/v2/x?q",
        "/c": "/v2/",
        "/d/x?q=1": "/new/d/x?q=1",
        "/%C3%A9/x": "/%C3%BC/%C3%A9/x",
      },
    ),

  "removes and sets parameters of the query, and leaves the others as they are": (engine) =>
    expectTargets(
      engine,
      [
        {
          path: "/q",
          rewrite: { query: { remove: ["utm source"], set: { v: "2 &é", from: "${header.x-none}${path}" } } },
          pool: "main",
        },
        { path: "/r", rewrite: { query: { remove: ["a"] } }, pool: "main" },
      ],
      {
        "/q": "/q?v=2%20%26%C3%A9&from=%2Fq",
        "/q?a=%2F&utm+source=x&b&v=1&%76=3&utm%20source": "/q?a=%2F&b&v=2%20%26%C3%A9&from=%2Fq",
        "/r?a=1&%61=2": "/r",
        "/r?ab=1&b=a": "/r?ab=1&b=a",
      },
    ),

  "sends another host to the upstream, and tells the client's": (engine) =>
    withRoutes(engine, [{ rewrite: { host: "new.internal" }, pool: "main" }], async ({ port }, origin) => {
      await sendRequest(port, get("/x?y"));
      const [received] = origin.requests;
      expect(
        received?.headers.filter(([name]) => name.toLowerCase() === "host").map(([, value]) => value),
      ).toEqual(["new.internal"]);
      expect([received?.target, received?.header("x-forwarded-host")]).toEqual(["/x?y", "a.test"]);
    }),

  "sends each upstream its own host, also where a retry goes to another one": async (engine) => {
    const broken = await startOrigin((_, socket) => void socket.destroy());
    const origin = await startOrigin((_, socket) => void socket.write(respondWith("served")));
    const fixture = await startEngine(engine, {
      ports: [broken.port, origin.port],
      routes: configuredRoutes([{ rewrite: { host: "upstream" }, addPrefix: "/p", pool: "main" }]),
    });
    try {
      for (const target of ["/1", "/2"]) {
        const response = await sendRequest(fixture.port, get(target, ["X-Kept: yes"]));
        expect(response.body.toString()).toBe("served");
      }
      expect(fixture.retried.length).toBeGreaterThan(0);
      for (const { port, requests } of [broken, origin]) {
        expect(requests.length).toBeGreaterThan(0);
        for (const request of requests)
          expect([request.header("host"), request.header("x-kept")]).toEqual([`127.0.0.1:${port}`, "yes"]);
      }
      expect(origin.requests.map(({ target }) => target).toSorted()).toEqual(["/p/1", "/p/2"]);
    } finally {
      fixture.close();
      await Promise.all([broken.close(), origin.close()]);
    }
  },

  "refuses a path that is too long after its change": (engine) => {
    const long = `/p/${"a".repeat(5_000)}`;
    const routes: readonly RouteFile[] = [{ path: "/p", rewrite: { path: "${path}/${path}" }, pool: "main" }];
    return withRoutes(engine, routes, async ({ port, refused }, origin) => {
      const response = await sendRequest(port, get(long));
      expect([response.status, origin.requests.length, refused]).toEqual([414, 0, ["request_too_large"]]);
    });
  },

  "records what the client asked for, and not what the upstream got": (engine) =>
    withRoutes(engine, api, async (fixture) => {
      failAll(fixture.pool);
      expect((await sendRequest(fixture.port, get("/api/x"))).status).toBe(503);
      expect(fixture.records.map(({ target }) => target)).toEqual(["/api/x"]);
    }),
};
