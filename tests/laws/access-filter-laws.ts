/** What every engine does with filters that decide who is served: addresses, rate limits, authentication. */

import { expect } from "bun:test";

import type { Engine } from "../../src/engine/engine.ts";
import { createAllow, createDeny } from "../../src/filter/address-rule.ts";
import { createBasicAuth } from "../../src/filter/basic-auth.ts";
import { CredentialCheck, VerificationQueue } from "../../src/filter/credential-check.ts";
import { limitKeyFor } from "../../src/filter/limit-key.ts";
import { createRateLimit, type RateLimitOptions } from "../../src/filter/rate-limit.ts";
import { RateLimiter, TableSpace } from "../../src/filter/rate-limiter.ts";
import { sleep, systemClock } from "../../src/lib/clock.ts";
import { FilterMeter } from "../../src/metrics/filter-meter.ts";
import { addressMatcher } from "../../src/net/address-ranges.ts";
import type { RequestFilter } from "../../src/proxy/filter.ts";
import type { Passwords } from "../../src/runtime/runtime.ts";
import { type EngineFixture, type EngineFixtureOptions, startEngine } from "../support/engine-fixture.ts";
import { type Origin, respondWith, startOrigin } from "../support/origin.ts";
import { RawClient, sendRequest } from "../support/raw-client.ts";
import { until } from "../support/wait.ts";

export async function withFilters(
  engine: Engine,
  filters: readonly RequestFilter[],
  run: (fixture: EngineFixture, origin: Origin) => Promise<void>,
  options: Partial<EngineFixtureOptions> = {},
): Promise<void> {
  const origin = await startOrigin((_, socket) => void socket.write(respondWith("served")));
  const routes = [{ name: "shop", handling: { filters } }];
  const fixture = await startEngine(engine, { ports: [origin.port], routes, ...options });
  try {
    await run(fixture, origin);
    expect(fixture.bugs).toEqual([]);
  } finally {
    fixture.close();
    await origin.close();
  }
}

const get = (...fields: string[]) =>
  `${["GET /a HTTP/1.1", "Host: shop.example", ...fields].join("\r\n")}\r\n\r\n`;

/** Two requests at once, and one more every half second. */
function limitOf(change: Partial<RateLimitOptions> = {}, by = "client"): RateLimitOptions {
  const limiter = new RateLimiter({
    clock: systemClock,
    perMs: 2 / 1_000,
    burst: 2,
    maxKeys: 1_024,
    space: new TableSpace(),
    onEviction: () => {},
  });
  return {
    limiter,
    keyOf: limitKeyFor({ by, missing: "client", ipv6Prefix: 64 }),
    identity: { place: "routes[0]", route: "shop", name: "default" },
    quota: 2,
    windowSeconds: 1,
    headers: "refused",
    isDryRun: false,
    ...change,
  };
}

const statusesOf = async (port: number, requests: readonly string[]) => {
  const statuses: number[] = [];
  for (const request of requests) statuses.push((await sendRequest(port, request)).status);
  return statuses;
};

const slowMs = 1_000;

/** Takes a moment, as real ones do. */
const passwords: Passwords = {
  hash: () => Promise.reject(new Error("not used")),
  verify: async (password, hash) => {
    await sleep(5);
    return hash === `hash of ${password}`;
  },
};

function basicAuthOf(): RequestFilter {
  const users = [{ name: "ann", passwordHash: "hash of open sesame" }];
  const check = new CredentialCheck({ users, passwords, queue: new VerificationQueue(), clock: systemClock });
  return createBasicAuth({ check, realm: "Staff", forward: "X-User", keepsAuthorization: false });
}

const basic = (credentials: string) => `Authorization: Basic ${Buffer.from(credentials).toString("base64")}`;

const behindProxy = { isTrustedProxy: addressMatcher(["127.0.0.1", "10.0.0.0/8"]) };

export const accessFilterLaws: Readonly<Record<string, (engine: Engine) => Promise<void>>> = {
  "refuses denied clients with 403, keeps their connection, and asks no upstream": (engine) =>
    withFilters(engine, [createDeny(addressMatcher(["127.0.0.0/8"]))], async (fixture, origin) => {
      const client = await RawClient.connect(fixture.port);
      for (let i = 0; i < 2; i++) {
        const response = await client.send(get()).readResponse();
        expect(response.status).toBe(403);
        expect(response.header("proxy-status")).toContain('details="denied"');
      }
      client.destroy();
      await until(() => fixture.records.length === 2, "the records");
      expect([origin.requests.length, fixture.refused]).toEqual([0, ["denied", "denied"]]);
      expect(fixture.records[0]).toMatchObject({ status: 403, reason: "denied", pool: "main" });
    }),

  "takes the last address from the right that is not a trusted proxy's for the client": (engine) =>
    withFilters(
      engine,
      [createAllow(addressMatcher(["10.0.0.0/8", "203.0.113.9"]))],
      async ({ port }) => {
        const chains = ["10.1.1.1, 198.51.100.9", "198.51.100.9, 203.0.113.9", "203.0.113.9, 10.1.1.1"];
        const requests = chains.map((chain) => get(`X-Forwarded-For: ${chain}`));
        expect(await statusesOf(port, requests)).toEqual([403, 200, 200]);
        const forwarded = [
          "for=198.51.100.9",
          'for="[2001:db8::1]:80", for=10.2.2.2;proto=https',
          "for=203.0.113.9",
        ];
        const standard = forwarded.map((field) => get(`Forwarded: ${field}`));
        expect(await statusesOf(port, standard)).toEqual([403, 403, 200]);
      },
      behindProxy,
    ),

  "believes no address of a client that is not a trusted proxy": (engine) =>
    withFilters(engine, [createAllow(addressMatcher(["10.0.0.0/8"]))], async ({ port }) => {
      const requests = [
        get("X-Forwarded-For: 10.1.1.1"),
        get("Forwarded: for=10.1.1.1"),
        get("X-Real-IP: 10.1.1.1"),
      ];
      expect(await statusesOf(port, requests)).toEqual([403, 403, 403]);
    }),

  "refuses requests beyond a rate limit with 429 and the time to wait, and serves them after it": (
    engine,
  ) => {
    const meter = new FilterMeter();
    return withFilters(
      engine,
      [createRateLimit([limitOf()], meter)],
      async ({ port, refused }, origin) => {
        const from = (client: string) => get(`X-Forwarded-For: ${client}`);
        expect(await statusesOf(port, [from("192.0.2.1"), from("192.0.2.1")])).toEqual([200, 200]);
        const response = await sendRequest(port, from("192.0.2.1"));
        expect(response.status).toBe(429);
        expect(response.header("retry-after")).toBe("1");
        expect(response.header("ratelimit")).toBe('"default";r=0;t=1');
        expect(response.header("ratelimit-policy")).toBe('"default";q=2;w=1');
        expect(await statusesOf(port, [from("192.0.2.2")])).toEqual([200]);
        expect([origin.requests.length, refused]).toEqual([3, ["rate_limited"]]);
        const again = async () => (await sendRequest(port, from("192.0.2.1"))).status === 200;
        const started = performance.now();
        while (!(await again()) && performance.now() - started < 3_000);
        expect(performance.now() - started).toBeLessThan(1_500);
        const [first] = meter.limits;
        expect(first).toMatchObject({ place: "routes[0]", route: "shop", name: "default", mode: "refused" });
      },
      behindProxy,
    );
  },

  "asks for a user name and a password, and serves those that are right without Authorization": (engine) =>
    withFilters(engine, [basicAuthOf()], async ({ port, refused }, origin) => {
      const missing = await sendRequest(port, get());
      expect(missing.status).toBe(401);
      expect(missing.header("www-authenticate")).toBe('Basic realm="Staff", charset="UTF-8"');
      const wrong = await sendRequest(port, get(basic("ann:wrong")));
      expect([wrong.status, wrong.header("www-authenticate") === undefined]).toEqual([401, false]);
      const fields = [basic("ann:open sesame"), "X-User: root", "x_user: root", "X.User: root"];
      const right = await sendRequest(port, get(...fields));
      expect([right.status, right.body.toString()]).toEqual([200, "served"]);
      const [received] = origin.requests;
      expect(received?.header("authorization")).toBeUndefined();
      expect(received?.headers.filter(([name]) => /^x.user$/i.test(name)).map(([, value]) => value)).toEqual([
        "ann",
      ]);
      expect([origin.requests.length, refused]).toEqual([1, ["auth_required", "auth_required"]]);
      const started = performance.now();
      expect((await sendRequest(port, get(basic("ann:open sesame")))).status).toBe(200);
      // Remembered: a verification takes longer than that.
      expect(performance.now() - started).toBeLessThan(slowMs);
    }),

  "holds the body of a request until its password is verified": (engine) =>
    withFilters(engine, [basicAuthOf()], async ({ port }, origin) => {
      const body = "x".repeat(40_000);
      const head = `POST /a HTTP/1.1\r\nHost: shop.example\r\n${basic("ann:open sesame")}\r\nContent-Length: ${body.length}\r\n\r\n`; // prettier-ignore
      const response = await sendRequest(port, head + body, "POST");
      expect([response.status, origin.requests[0]?.body.length]).toEqual([200, body.length]);
    }),

  "makes a client that guesses passwords wait": (engine) =>
    withFilters(engine, [basicAuthOf()], async ({ port }) => {
      const requests = [1, 2, 3, 4, 5, 6].map((guess) => get(basic(`ann:${guess}`)));
      expect(await statusesOf(port, requests)).toEqual([401, 401, 401, 401, 401, 429]);
      const paused = await sendRequest(port, get(basic("ann:open sesame")));
      expect([paused.status, paused.header("retry-after")]).toEqual([429, "1"]);
    }),

  "tells what is left of a rate limit with each response where that is wanted": (engine) =>
    withFilters(
      engine,
      [createRateLimit([limitOf({ headers: "always" })], new FilterMeter())],
      async ({ port }) => {
        const response = await sendRequest(port, get());
        expect([response.status, response.header("ratelimit")]).toEqual([200, '"default";r=1;t=1']);
        expect(response.header("ratelimit-policy")).toBe('"default";q=2;w=1');
        expect(response.body.toString()).toBe("served");
      },
    ),
};
