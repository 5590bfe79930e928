/** What every engine does with filters that decide who is served: addresses, rate limits, authentication. */

import { expect } from "bun:test";
import type { Socket } from "node:net";

import type { Engine } from "../../src/engine/engine.ts";
import { createAllow, createDeny } from "../../src/filter/address-rule.ts";
import { openSender } from "../../src/engine/fetch/bun.ts";
import { createBasicAuth } from "../../src/filter/basic-auth.ts";
import { CredentialCheck, VerificationQueue } from "../../src/filter/credential-check.ts";
import { createForwardAuth } from "../../src/filter/forward-auth.ts";
import { limitKeyFor } from "../../src/filter/limit-key.ts";
import { createRateLimit, type RateLimitOptions } from "../../src/filter/rate-limit.ts";
import { RateLimiter, TableSpace } from "../../src/filter/rate-limiter.ts";
import { Subrequests } from "../../src/filter/subrequest.ts";
import { sleep, systemClock, systemSchedule } from "../../src/lib/clock.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { FilterMeter } from "../../src/metrics/filter-meter.ts";
import { addressMatcher } from "../../src/net/address-ranges.ts";
import { policyEntry } from "../../src/policy/policies.ts";
import { Pool } from "../../src/pool/pool.ts";
import { Upstream } from "../../src/pool/upstream.ts";
import { Deadlines } from "../../src/proxy/deadlines.ts";
import type { RequestFilter } from "../../src/proxy/filter.ts";
import { Queue } from "../../src/proxy/queue.ts";
import type { Destination } from "../../src/proxy/route.ts";
import type { Passwords } from "../../src/runtime/runtime.ts";
import {
  type EngineFixture,
  type EngineFixtureOptions,
  startEngine,
  testTimeouts,
} from "../support/engine-fixture.ts";
import { type Origin, type ReceivedRequest, respondWith, startOrigin } from "../support/origin.ts";
import { RawClient, sendRequest } from "../support/raw-client.ts";
import { testLimits } from "../support/upstreams.ts";
import { until } from "../support/wait.ts";
import { openRawWebSocket, startWebSocketOrigin } from "../support/websocket.ts";

export async function withFilters(
  engine: Engine,
  filters: readonly RequestFilter[],
  run: (fixture: EngineFixture, origin: Origin) => Promise<void>,
  options: Partial<EngineFixtureOptions> = {},
): Promise<void> {
  const origin = await startOrigin((_, socket) => void socket.write(respondWith("served")));
  const routes = [{ name: "shop", ...(filters.length > 0 && { handling: { filters } }) }];
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

interface AuthSetUp {
  readonly copy?: readonly string[];
  readonly copyToClient?: readonly string[];
  readonly send?: readonly string[];
  readonly timeoutMs?: number;
  readonly maxBodyBytes?: number;
  /** Number of authorization servers. */
  readonly servers?: number;
  /** Of each, with a queue before it. */
  readonly maxInFlight?: number;
}

interface AuthFixture extends EngineFixture {
  readonly origin: Origin;
  readonly auth: {
    readonly requests: readonly ReceivedRequest[];
    /** Of the questions, in their order. */
    readonly sockets: readonly Socket[];
    /** "die" closes the connection. */
    answer: string | Buffer;
  };
  readonly authPool: Pool;
  closeAuth(index: number): Promise<void>;
}

/** An engine whose requests are decided by authorization servers. */
async function withAuth(
  engine: Engine,
  { servers = 1, maxInFlight, ...settings }: AuthSetUp,
  run: (fixture: AuthFixture) => Promise<void>,
  options: Partial<EngineFixtureOptions> = {},
): Promise<void> {
  const auth = {
    requests: [] as ReceivedRequest[],
    sockets: [] as Socket[],
    answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK" as string | Buffer,
  };
  const start = () =>
    startOrigin((request, socket) => {
      auth.requests.push(request);
      auth.sockets.push(socket);
      if (auth.answer === "die") socket.destroy();
      else socket.write(auth.answer);
    });
  const origins = await Promise.all(Array.from({ length: servers }, start));
  const destination = destinationOf(
    origins.map(({ port }) => port),
    maxInFlight,
  );
  const observer = { attemptEnded() {}, retried() {}, notRetried() {}, hedged() {}, refused() {} };
  const filter = createForwardAuth({
    subrequests: new Subrequests({ sender: openSender(), clock: systemClock, observer }),
    destination,
    ...{ path: "/verify?rd=1", host: "client", send: [], copy: [], copyToClient: [] },
    ...{ timeoutMs: 5_000, maxBodyBytes: 65_536, viaName: "evenkeel-1", clock: systemClock, onDecision() {} },
    ...settings,
  });
  try {
    const closeAuth = (index: number) => origins[index]?.close() ?? Promise.resolve();
    const more = { auth, authPool: destination.pool, closeAuth };
    await withFilters(engine, [filter], (fixture, origin) => run({ ...fixture, ...more, origin }), options);
    expect(destination.pool.upstreams.map(({ inFlight }) => inFlight)).toEqual(origins.map(() => 0));
  } finally {
    await Promise.all(origins.map((origin) => origin.close()));
  }
}

function destinationOf(ports: readonly number[], maxInFlight: number | undefined): Destination {
  const upstreams = ports.map((port) => {
    const address = { protocol: "http" as const, hostname: "127.0.0.1", port };
    const limits = { ...testLimits, ...(maxInFlight !== undefined && { maxInFlight }) };
    return new Upstream({ id: `auth:${port}`, address, weight: 1, backup: false }, limits);
  });
  const random = seededRandom(1);
  const policy = policyEntry("round-robin").create({ random, clock: systemClock });
  const pool = new Pool({ name: "auth", policy, upstreams, random, clock: systemClock });
  for (const upstream of upstreams) pool.recordProbe(upstream, true);
  const limits = { maxWaiting: 10, timeoutMs: 5_000, whenNoneFit: false };
  const queue = new Queue({ pool, limits, clock: systemClock, schedule: systemSchedule });
  return { pool, timeouts: testTimeouts, retries: 1, queue };
}

const valuesIn = (request: ReceivedRequest | undefined, wanted: string) =>
  request?.headers.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value);

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

  "sends what a route without filters would, where filters change nothing": async (engine) => {
    const heads: string[] = [];
    const request = get(
      "X-Request-Id: id-1",
      "Accept: */*",
      "X-A: 1",
      "x-a: 2",
      "Cookie: a=1",
      "User-Agent: test",
    );
    for (const filters of [[], [createAllow(() => true)]])
      await withFilters(engine, filters, async ({ port }, origin) => {
        const { headers } = await sendRequest(port, request);
        const withoutDate = headers.filter(([name]) => !/^date$/i.test(name));
        heads.push(`${origin.requests[0]?.head.replaceAll(String(port), "PORT")} ${withoutDate.join(";")}`);
      });
    expect(heads[1]).toBe(heads[0] ?? "");
    expect(heads[0]).toContain("id-1");
  },

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

  "asks the authorization server with a request that is built from nothing": (engine) =>
    withAuth(engine, { copy: ["Remote-User"], send: ["X-Api-Key"] }, async ({ port, auth, origin }) => {
      const fields = ["Cookie: a=1", "Cookie: b=2", "Authorization: Bearer t", "X-Api-Key: k", "X-Secret: s"];
      const forged = [
        "X-Forwarded-Uri: /public",
        "X-Forwarded-Method: OPTIONS",
        "X-Original-URL: /public",
        "X_Forwarded_Uri: /x",
      ];
      const request = get(...fields, ...forged, "Transfer-Encoding: chunked").replace(
        "GET /a",
        "POST /api/a%2Fb?x=1",
      );
      const response = await sendRequest(port, `${request}5\r\nhello\r\n0\r\n\r\n`, "POST");
      expect([response.status, origin.requests[0]?.body.toString()]).toEqual([200, "hello"]);
      const [asked] = auth.requests;
      expect([asked?.method, asked?.target, asked?.header("host")]).toEqual([
        "GET",
        "/verify?rd=1",
        "shop.example",
      ]);
      const told = ["uri", "method", "proto", "host", "for", "port"].map((name) =>
        valuesIn(asked, `x-forwarded-${name}`),
      );
      const expected = ["/api/a%2Fb?x=1", "POST", "http", "shop.example", "127.0.0.1", "80"];
      expect(told).toEqual(expected.map((value) => [value]));
      expect(["cookie", "authorization", "x-api-key"].map((name) => asked?.header(name))).toEqual([
        "a=1; b=2",
        "Bearer t",
        "k",
      ]);
      expect(asked?.header("x-request-id")).toBe(origin.requests[0]?.header("x-request-id") ?? "");
      const absent = ["x-secret", "x-original-url", "content-length", "transfer-encoding", "x_forwarded_uri"];
      expect(absent.map((name) => asked?.header(name))).toEqual(absent.map(() => undefined));
    }),

  "tells the authorization server what a trusted proxy says, and nothing of its client's making": (engine) =>
    withAuth(
      engine,
      {},
      async ({ port, auth }) => {
        const proxied = [
          "X-Forwarded-For: 198.51.100.66, 203.0.113.9, 10.0.0.2",
          "X-Forwarded-Proto: https",
          "X-Forwarded-Host: www.example",
        ];
        expect((await sendRequest(port, get(...proxied))).status).toBe(200);
        const [asked] = auth.requests;
        const told = ["for", "proto", "host", "port"].map((name) => asked?.header(`x-forwarded-${name}`));
        expect(told).toEqual(["203.0.113.9, 127.0.0.1", "https", "www.example", "443"]);
      },
      behindProxy,
    ),

  "removes copied fields of the client in every spelling, whether the authorization server sends them or not":
    (engine) =>
      withAuth(engine, { copy: ["Remote-User", "Remote-Groups"] }, async ({ port, auth, origin }) => {
        const forged = [
          "Remote-User: root",
          "remote_user: root",
          "Remote.User: root",
          "Remote-Groups: admins",
        ];
        await sendRequest(port, get(...forged));
        auth.answer = "HTTP/1.1 200 OK\r\nRemote-User: ann\r\nContent-Length: 2\r\n\r\nOK";
        await sendRequest(port, get(...forged));
        const received = origin.requests.map(({ headers }) =>
          headers.filter(([name]) => /^remote/i.test(name)),
        );
        expect(received).toEqual([
          [],
          [[expect.stringMatching(/^remote-user$/i) as unknown as string, "ann"]],
        ]);
      }),

  "sends the response of an authorization server that refuses to the client as it is": (engine) =>
    withAuth(engine, { copy: ["Remote-User"] }, async ({ port, auth, origin, refused }) => {
      const binary = Buffer.from([0, 0xff, 0xfe, 0x80]);
      const head = "HTTP/1.1 302 Found\r\nLocation: https://login.example/?rd=%2Fa\r\nSet-Cookie: s=1; Path=/\r\nSet-Cookie: t=2\r\nRemote-User: eve\r\nConnection: X-Hop\r\nX-Hop: 1\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n"; // prettier-ignore
      auth.answer = Buffer.concat([Buffer.from(head), binary]);
      const response = await sendRequest(port, get());
      expect([response.status, response.header("location")]).toEqual([302, "https://login.example/?rd=%2Fa"]);
      expect(
        response.headers.filter(([name]) => /^set-cookie$/i.test(name)).map(([, value]) => value),
      ).toEqual(["s=1; Path=/", "t=2"]);
      expect(["remote-user", "x-hop"].map((name) => response.header(name))).toEqual([undefined, undefined]);
      expect(response.header("content-type")).toBe("text/html");
      expect(response.body.equals(binary)).toBe(true);
      auth.answer = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nContent-Length: 0\r\n\r\n";
      const unauthorized = await sendRequest(port, get());
      expect([unauthorized.status, unauthorized.header("www-authenticate")]).toEqual([401, "Bearer"]);
      auth.answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";
      const toHead = await sendRequest(port, get().replace("GET", "HEAD"), "HEAD");
      expect(toHead.status).toBe(403);
      expect([origin.requests.length, refused]).toEqual([
        0,
        ["auth_refused", "auth_refused", "auth_refused"],
      ]);
    }),

  "copies fields of the authorization server to the client with the upstream's response": (engine) =>
    withAuth(engine, { copyToClient: ["Set-Cookie"] }, async ({ port, auth }) => {
      auth.answer =
        "HTTP/1.1 200 OK\r\nSet-Cookie: s=1\r\nSet-Cookie: t=2\r\nX-Other: 1\r\nContent-Length: 0\r\n\r\n";
      const response = await sendRequest(port, get());
      expect(response.body.toString()).toBe("served");
      const cookies = response.headers
        .filter(([name]) => /^set-cookie$/i.test(name))
        .map(([, value]) => value);
      expect([cookies, response.header("x-other")]).toEqual([["s=1", "t=2"], undefined]);
    }),

  "serves no request that its authorization server did not allow: errors, silence, garbage, too much": (
    engine,
  ) =>
    withAuth(engine, { timeoutMs: 300, maxBodyBytes: 100 }, async ({ port, auth, origin }) => {
      const big = `HTTP/1.1 403 Forbidden\r\nContent-Length: 101\r\n\r\n${"x".repeat(101)}`;
      const bad = ["HTTP/1.1 500 Oops\r\nContent-Length: 6\r\n\r\nsecret", "HTTP/1.1 304 Not Modified\r\n\r\n", "220 smtp ready\r\n", "", big]; // prettier-ignore
      const halfBody = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
      for (const answer of [...bad, halfBody]) {
        auth.answer = answer;
        const response = await sendRequest(port, get());
        expect([answer, response.status, response.header("retry-after")]).toEqual([answer, 503, "2"]);
        expect(response.body.toString()).toContain("auth_unavailable");
        expect(response.body.toString()).not.toContain("secret");
      }
      expect(origin.requests).toEqual([]);
    }),

  "asks another authorization server where one does not accept connections, and refuses if all are down": (
    engine,
  ) =>
    withAuth(engine, { servers: 2 }, async ({ port, closeAuth, origin }) => {
      await closeAuth(0);
      expect(await statusesOf(port, [get(), get(), get(), get()])).toEqual([200, 200, 200, 200]);
      await closeAuth(1);
      expect(await statusesOf(port, [get(), get()])).toEqual([503, 503]);
      expect(origin.requests).toHaveLength(4);
    }),

  "asks another authorization server where one dies with the question, and refuses if there is none": (
    engine,
  ) =>
    withAuth(engine, { servers: 2 }, async ({ port, auth, origin }) => {
      const ok = auth.answer;
      auth.answer = "";
      const first = sendRequest(port, get());
      await until(() => auth.sockets.length === 1, "the question");
      auth.answer = ok;
      auth.sockets[0]?.destroy();
      expect((await first).status).toBe(200);
      auth.answer = "die";
      const started = performance.now();
      expect((await sendRequest(port, get())).status).toBe(503);
      expect(performance.now() - started).toBeLessThan(2_000);
      expect(origin.requests).toHaveLength(1);
    }),

  "gives up the question to the authorization server when the client leaves": (engine) =>
    withAuth(engine, { timeoutMs: 20_000 }, async ({ port, auth, authPool, origin, records }) => {
      auth.answer = "";
      const client = await RawClient.connect(port);
      client.send(get());
      await until(() => auth.requests.length === 1, "the question");
      expect(authPool.upstreams[0]?.inFlight).toBe(1);
      client.destroy();
      await until(() => authPool.upstreams[0]?.inFlight === 0, "the end of the question");
      await until(() => records.length === 1, "the record");
      expect([records[0]?.isClientGone, origin.requests.length]).toEqual([true, 0]);
    }),

  "counts the time of the authorization server in the request's total timeout": (engine) =>
    withAuth(
      engine,
      { timeoutMs: 20_000 },
      async ({ port, auth, authPool }) => {
        auth.answer = "";
        const response = await sendRequest(port, get());
        expect(response.status).toBe(504);
        expect(response.header("proxy-status")).toContain("total_timeout");
        await until(() => authPool.upstreams[0]?.inFlight === 0, "the end of the question");
      },
      {
        timeouts: { totalMs: 200 },
        destination: { deadlines: new Deadlines({ clock: systemClock, schedule: systemSchedule }) },
      },
    ),

  "asks about the handshake of a WebSocket, and opens none that was refused": async (engine) => {
    const upstream = await startWebSocketOrigin();
    try {
      await withAuth(
        engine,
        {},
        async ({ port, auth }) => {
          const client = await openRawWebSocket(port);
          await upstream.side(0);
          client.destroy();
          expect(["upgrade", "sec-websocket-key"].map((name) => auth.requests[0]?.header(name))).toEqual([
            undefined,
            undefined,
          ]);
          auth.answer = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
          const handshake =
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
          expect((await sendRequest(port, get(handshake))).status).toBe(401);
          expect(upstream.origin.requests).toHaveLength(1);
        },
        { ports: [upstream.origin.port] },
      );
    } finally {
      await upstream.origin.close();
    }
  },

  "takes the body of a request to its upstream whole, however long the authorization server takes": (
    engine,
  ) =>
    withAuth(engine, {}, async ({ port, auth, origin }) => {
      auth.answer = "";
      const body = Buffer.alloc(1_000_000, "0123456789");
      const client = await RawClient.connect(port);
      client
        .send(`POST /a HTTP/1.1\r\nHost: shop.example\r\nContent-Length: ${body.length}\r\n\r\n`)
        .send(body);
      await until(() => auth.sockets.length === 1, "the question");
      await sleep(50);
      expect(origin.connections()).toBe(0);
      auth.sockets[0]?.write("HTTP/1.1 204 No Content\r\n\r\n");
      const response = await client.readResponse("POST");
      expect([response.status, origin.requests[0]?.body.equals(body)]).toEqual([200, true]);
      client.destroy();
    }),

  "tells the authorization server a path beyond ASCII in escapes": (engine) =>
    withAuth(engine, {}, async ({ port, auth }) => {
      const response = await sendRequest(
        port,
        get("User-Agent: caf\xc3\xa9").replace("/a", "/caf\xc3\xa9?\xff"),
      );
      expect(response.status).toBe(200);
      const uri = auth.requests[0]?.header("x-forwarded-uri");
      expect(uri).toMatch(/^\/caf%C3%A9\?%(FF|C3%BF|EF%BF%BD)$/);
    }),

  "waits in the queue of the authorization servers' pool": (engine) =>
    withAuth(engine, { maxInFlight: 1 }, async ({ port, auth, origin }) => {
      const served = Promise.all(Array.from({ length: 5 }, () => sendRequest(port, get())));
      expect((await served).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
      expect([auth.requests.length, origin.requests.length]).toEqual([5, 5]);
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
