/** What every engine must do, tested over real sockets. An engine's exceptions name the laws that it fails, and why. */

import { describe, expect, test } from "bun:test";
import type { Socket } from "node:net";
import { gzipSync } from "node:zlib";

import type { Engine } from "../../src/engine/engine.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { rescueWaiting } from "../../src/pool/attempt-control.ts";
import { hashKeyFor } from "../../src/proxy/hash-key.ts";
import { readTraceparent, tracer } from "../../src/proxy/trace-context.ts";
import { respondWith, type Origin, type OriginOptions, startOrigin } from "../support/origin.ts";
import { sendRequest, RawClient } from "../support/raw-client.ts";
import { switchingProtocols } from "../support/handshake.ts";
import { type EngineFixture, startEngine, type EngineFixtureOptions } from "../support/engine-fixture.ts";
import { until } from "../support/wait.ts";
import { answerLaws } from "./answer-laws.ts";
import { authenticationLaws } from "./authentication-laws.ts";
import { compressionLaws } from "./compression-laws.ts";
import { deadlineLaws } from "./deadline-laws.ts";
import { bugLaws } from "./bug-laws.ts";
import { endpointLaws } from "./endpoint-laws.ts";
import { accessFilterLaws } from "./access-filter-laws.ts";
import { listenerRuleLaws } from "./listener-rule-laws.ts";
import { routeConditionLaws } from "./route-condition-laws.ts";
import { headerEditLaws } from "./header-edit-laws.ts";
import { hashLaws } from "./hash-laws.ts";
import { hedgeLaws } from "./hedge-laws.ts";
import { hstsLaws } from "./hsts-laws.ts";
import { oddityLaws } from "./malformed-message-laws.ts";
import { pathChangeLaws } from "./path-change-laws.ts";
import { recordLaws } from "./record-laws.ts";
import { responseFormLaws } from "./response-form-laws.ts";
import { requestFormLaws } from "./request-form-laws.ts";
import { routeLimitLaws } from "./route-limit-laws.ts";
import { splitLaws } from "./split-laws.ts";
import { stickyLaws } from "./sticky-laws.ts";
import { slotLaws } from "./slot-laws.ts";
import { statusRetryLaws } from "./status-retry-laws.ts";
import { watcherLaws } from "./watcher-laws.ts";
import { webSocketLaws } from "./websocket-laws.ts";

/** Laws that an engine fails, with the reason. The table in `docs/engines.md` is generated from the fetch engine's. */
export type Exceptions = Readonly<Record<string, string>>;

interface OriginFixture {
  readonly origin: Origin;
  readonly fixture: EngineFixture;
}

type Law = (engine: Engine) => Promise<void>;

async function withOrigin(
  engine: Engine,
  script: OriginOptions | OriginOptions["respond"],
  run: (setup: OriginFixture) => Promise<void>,
  options: Partial<EngineFixtureOptions> = {},
): Promise<void> {
  const origin = await startOrigin(script);
  const fixture = await startEngine(engine, { ports: [origin.port], ...options });
  try {
    await run({ origin, fixture });
    expect(fixture.bugs).toEqual([]);
  } finally {
    fixture.close();
    await origin.close();
  }
}

/** Runs a test with one request in flight; the upstream responds when the test calls `finish`. */
function withRequestInFlight(
  engine: Engine,
  run: (setup: OriginFixture & { readonly client: RawClient; readonly finish: () => void }) => Promise<void>,
): Promise<void> {
  let finish = () => {};
  return withOrigin(
    engine,
    (_, socket) => void (finish = () => socket.write(respondWith("late"))),
    async ({ origin, fixture }) => {
      const client = await RawClient.connect(fixture.port);
      client.send(get());
      await until(() => origin.requests.length === 1, "the request to arrive");
      await run({ origin, fixture, client, finish });
      client.destroy();
    },
  );
}

const clientTrace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

const get = (target = "/", headers = "") => `GET ${target} HTTP/1.1\r\nHost: shop.example\r\n${headers}\r\n`;

const post = (body: string, headers = "") =>
  `POST / HTTP/1.1\r\nHost: shop.example\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`;

/** A port that refuses connections: its listener was just closed. */
async function closedPort(): Promise<number> {
  const origin = await startOrigin(() => {});
  await origin.close();
  return origin.port;
}

const isRefused = (port: number) =>
  RawClient.connect(port).then(
    (client) => (client.destroy(), false),
    () => true,
  );

const laws: Readonly<Record<string, Law>> = {
  ...endpointLaws,
  ...listenerRuleLaws,
  ...routeConditionLaws,
  ...answerLaws,
  ...pathChangeLaws,
  ...routeLimitLaws,
  ...headerEditLaws,
  ...accessFilterLaws,
  ...splitLaws,
  ...compressionLaws,
  ...stickyLaws,
  ...hashLaws,
  ...hstsLaws,
  ...hedgeLaws,
  ...deadlineLaws,
  ...recordLaws,
  ...slotLaws,
  ...statusRetryLaws,
  ...watcherLaws,
  ...bugLaws,
  ...oddityLaws,
  ...responseFormLaws,
  ...authenticationLaws,
  ...webSocketLaws,
  ...requestFormLaws,

  "forwards method, target, headers and body, and returns the response": (engine) =>
    withOrigin(
      engine,
      (request, socket) =>
        void socket.write(respondWith(`got ${request.body.toString()}`, ["X-Reply: yes"], "201 Created")),
      async ({ origin, fixture }) => {
        const response = await sendRequest(
          fixture.port,
          post("hello", "X-Ask: 1\r\n").replace("POST /", "POST /a/b?c=d%20e&f"),
        );
        expect(response.status).toBe(201);
        expect(response.reason).toBe("Created");
        expect(response.header("x-reply")).toBe("yes");
        expect(response.body.toString()).toBe("got hello");
        const [received] = origin.requests;
        expect(received?.method).toBe("POST");
        expect(received?.target).toBe("/a/b?c=d%20e&f");
        expect(received?.header("x-ask")).toBe("1");
        expect(received?.body.toString()).toBe("hello");
        await until(() => fixture.ended.length === 1);
        expect(fixture.ended[0]).toMatchObject({ status: 201, outcome: { kind: "response" } });
        expect(fixture.pool.upstreams[0]?.inFlight).toBe(0);
      },
    ),

  "keeps Host and sets the forwarding headers, replacing what an untrusted client sent": (engine) =>
    withOrigin(
      engine,
      (_, socket) => void socket.write(respondWith("ok")),
      async ({ origin, fixture }) => {
        const spoofed =
          "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\nForwarded: for=6.6.6.6\r\n";
        await sendRequest(fixture.port, get("/", `${spoofed}Via: 1.0 before\r\nX-Request-Id: abc-1\r\n`));
        const received = origin.requests[0];
        expect(received?.header("host")).toBe("shop.example");
        expect(received?.header("x-forwarded-for")).toBe("127.0.0.1");
        expect(received?.header("x-forwarded-proto")).toBe("http");
        expect(received?.header("x-forwarded-host")).toBe("shop.example");
        expect(received?.header("x-forwarded-port")).toBe(String(fixture.port));
        expect(received?.header("forwarded")).toBeUndefined();
        expect(received?.header("via")).toBe("1.0 before, 1.1 evenkeel-1");
        expect(received?.header("x-request-id")).toBe("abc-1");
        await sendRequest(fixture.port, get("/", "X-Request-Id: <script>\r\n"));
        expect(origin.requests[1]?.header("x-request-id")).toMatch(/^[0-9a-f]{8}-[0-9a-f]{6}$/);
      },
    ),

  "removes fields that say that a client has a certificate, in every spelling that servers read": (engine) =>
    withOrigin(
      engine,
      (_, socket) => void socket.write(respondWith("ok")),
      async ({ origin, fixture }) => {
        const spoofed = ["Client-Cert", "client_cert.chain", "X-CLIENT-Subject", "x_client.fingerprint"];
        await sendRequest(fixture.port, get("/", spoofed.map((name) => `${name}: x\r\n`).join("")));
        const names = origin.requests[0]?.headers.map(([name]) => name) ?? [];
        expect(names.length).toBeGreaterThan(0);
        expect(names.filter((name) => /client[-_.]/i.test(name))).toEqual([]);
      },
    ),

  "removes what an untrusted client says of its address and of its path, in every spelling that servers read":
    (engine) =>
      withOrigin(
        engine,
        (_, socket) => void socket.write(respondWith("ok")),
        async ({ origin, fixture }) => {
          const spoofed = [
          "X_Forwarded_For", "x-forwarded_proto", "X.FORWARDED-HOST", "X_Forwarded.Port", "X'Forwarded!For",
          "X-Forwarded-Prefix", "X-Forwarded-Uri", "x.forwarded.server", "X-Forwarded-Client_Cert", "X-Forwarded-", "X-Forwarded-A-Very-Long-Name-Of-Its-Own",
          "X-Real-IP", "x_real_ip", "X.Real-IP", "X-Original-URL", "x_original_url", "X-Rewrite-Url", "X-Rewrite.Url",
        ]; // prettier-ignore
          const kept = ["X_Own", "X-Forwarded", "X-Really-I", "X-Originals", "XForwardedFor"];
          const headers = [...spoofed, ...kept].map((name) => `${name}: 6.6.6.6\r\n`).join("");
          await sendRequest(fixture.port, get("/", headers));
          const names = origin.requests[0]?.headers.map(([name]) => name.toLowerCase()) ?? [];
          const ours = ["for", "host", "port", "proto"].map((part) => `x-forwarded-${part}`);
          expect(names.filter((name) => name.startsWith("x") && name !== "x-request-id").toSorted()).toEqual(
            [...ours, ...kept.map((name) => name.toLowerCase())].toSorted(),
          );
          expect(origin.requests[0]?.header("x-forwarded-for")).toBe("127.0.0.1");
        },
      ),

  "keeps what a trusted peer says of its client, except unusual spellings": (engine) =>
    withOrigin(
      engine,
      (_, socket) => void socket.write(respondWith("ok")),
      async ({ origin, fixture }) => {
        const said = ["X-Forwarded-Prefix", "X-Real-IP", "X-Original-URL", "X-Rewrite-URL", "Forwarded"];
        const unusual = ["X_Forwarded_Prefix", "X.Real.IP", "X_Original_URL", "X_Forwarded_For"];
        const headers = [...said, ...unusual].map((name) => `${name}: a\r\n`).join("");
        await sendRequest(fixture.port, get("/", headers));
        const received = origin.requests[0];
        expect(said.map((name) => received?.header(name.toLowerCase()))).toEqual(said.map(() => "a"));
        expect(received?.headers.filter(([name]) => unusual.includes(name))).toEqual([]);
        expect(received?.header("x-forwarded-for")).toBe("127.0.0.1");
      },
      { isTrustedProxy: () => true },
    ),

  "forwards a client's traceparent unchanged unless requests are traced": (engine) =>
    withOrigin(
      engine,
      (_, socket) => void socket.write(respondWith("ok")),
      async ({ origin, fixture }) => {
        const headers = `traceparent: ${clientTrace}\r\ntracestate: vendor=1\r\n`;
        await sendRequest(fixture.port, get("/", headers));
        expect(origin.requests[0]?.header("traceparent")).toBe(clientTrace);
        expect(origin.requests[0]?.header("tracestate")).toBe("vendor=1");
        await sendRequest(fixture.port, get("/"));
        expect(origin.requests[1]?.header("traceparent")).toBeUndefined();
      },
    ),

  "makes itself the parent span of the upstream's work for a traced request only": (engine) =>
    withOrigin(
      engine,
      (_, socket) => void socket.write(respondWith("ok")),
      async ({ origin, fixture }) => {
        await sendRequest(fixture.port, get("/", `TraceParent: ${clientTrace}\r\ntracestate: vendor=1\r\n`));
        const received = origin.requests[0];
        expect(received?.headers.filter(([name]) => name.toLowerCase() === "traceparent")).toHaveLength(1);
        const forwarded = readTraceparent(received?.header("traceparent") ?? "");
        expect(forwarded).toMatchObject({ traceId: clientTrace.slice(3, 35), isSampled: true });
        expect(forwarded?.parentId).not.toBe(clientTrace.slice(36, 52));
        expect(received?.header("tracestate")).toBe("vendor=1");
        const untraced = clientTrace.replace(/01$/, "00");
        await sendRequest(fixture.port, get("/", `traceparent: ${untraced}\r\n`));
        expect(origin.requests[1]?.header("traceparent")).toBe(untraced);
        await sendRequest(fixture.port, get("/"));
        expect(origin.requests[2]?.header("traceparent")).toMatch(/^00-[\da-f]{32}-[\da-f]{16}-01$/);
      },
      { trace: tracer(1, seededRandom(1)) },
    ),

  "keeps a trusted peer's forwarding headers and appends its address": (engine) =>
    withOrigin(
      engine,
      (_, socket) => void socket.write(respondWith("ok")),
      async ({ origin, fixture }) => {
        await sendRequest(
          fixture.port,
          get(
            "/",
            "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\nForwarded: for=192.0.2.7\r\n",
          ),
        );
        expect(origin.requests[0]?.header("forwarded")).toBe("for=192.0.2.7");
        expect(origin.requests[0]?.header("x-forwarded-for")).toBe("192.0.2.7, 127.0.0.1");
        expect(origin.requests[0]?.header("x-forwarded-proto")).toBe("https");
        expect(origin.requests[0]?.header("x-forwarded-port")).toBe("443");
      },
      { isTrustedProxy: () => true },
    ),

  "refuses a request that has passed this balancer twice": (engine) =>
    withOrigin(
      engine,
      (_, socket) => void socket.write(respondWith("ok")),
      async ({ origin, fixture }) => {
        const via = (field: string) => sendRequest(fixture.port, get("/", field));
        expect((await via("Via: 1.1 evenkeel-1, 1.1 evenkeel-2\r\n")).status).toBe(200);
        expect(origin.requests[0]?.header("via")).toBe("1.1 evenkeel-1, 1.1 evenkeel-2, 1.1 evenkeel-1");
        for (const field of [
          "Via: 1.1 evenkeel-1, 1.0 x, 1.1 evenkeel-1 (c)\r\n",
          "Via: 1.1 evenkeel-1\r\nVia: 1.1 EVENKEEL-1\r\n",
        ]) {
          const { status, header } = await via(field);
          expect(status).toBe(508);
          expect(header("proxy-status")).toContain("proxy_loop_detected");
        }
        expect(origin.requests).toHaveLength(1);
        expect(fixture.refused).toEqual(["loop", "loop"]);
      },
    ),

  "takes the client's address from a trusted peer, for records and hash keys": (engine) =>
    withOrigin(
      engine,
      (_, socket) => void socket.write(respondWith("ok")),
      async ({ fixture }) => {
        const chain = "X-Forwarded-For: 198.51.100.9, 192.0.2.7\r\nX-Forwarded-For: 10.0.0.1:4711\r\n";
        const rows = [
          [`${chain}Forwarded: for=198.51.100.1\r\n`, "192.0.2.7"],
          ['Forwarded: for=x, For="[2001:DB8:0::7]:80";proto=http, for=10.0.0.1\r\n', "2001:db8::7"],
          ["X-Forwarded-For: unknown\r\n", "127.0.0.1"],
          ["X_Forwarded_For: 192.0.2.7\r\n", "127.0.0.1"],
          ["", "127.0.0.1"],
        ] as const;
        for (const [headers] of rows) await sendRequest(fixture.port, get("/", headers));
        await until(() => fixture.records.length === rows.length);
        expect(fixture.records.map(({ clientAddress }) => clientAddress)).toEqual(
          rows.map(([, client]) => client),
        );
        expect(fixture.records.map(({ key }) => key)).toEqual(rows.map(([, client]) => client));
        expect(new Set(fixture.records.map(({ peerAddress }) => peerAddress))).toEqual(
          new Set(["127.0.0.1"]),
        );
      },
      {
        isTrustedProxy: (address) => address === "127.0.0.1" || address.startsWith("10."),
        destination: { keyOf: hashKeyFor("client-address") },
      },
    ),

  "takes the client's address from a trusted peer also where only the record asks for it": (engine) =>
    withOrigin(
      engine,
      (_, socket) => void socket.write(respondWith("ok")),
      async ({ fixture }) => {
        const rows = [
          ["X-Forwarded-For: 192.0.2.7, 127.0.0.1\r\n", "192.0.2.7"],
          ["Forwarded: for=192.0.2.8\r\n", "192.0.2.8"],
          ["X-Forwarded-For: \r\nForwarded: for=192.0.2.9\r\n", "192.0.2.9"],
        ] as const;
        for (const [headers] of rows) await sendRequest(fixture.port, get("/", headers));
        await until(() => fixture.records.length === rows.length);
        expect(fixture.records.map(({ clientAddress }) => clientAddress)).toEqual(
          rows.map(([, client]) => client),
        );
      },
      { isTrustedProxy: (address) => address === "127.0.0.1" },
    ),

  "does not take the client's address from a peer that is not trusted": (engine) =>
    withOrigin(
      engine,
      (_, socket) => void socket.write(respondWith("ok")),
      async ({ fixture }) => {
        await sendRequest(
          fixture.port,
          get("/", "X-Forwarded-For: 192.0.2.7\r\nForwarded: for=192.0.2.7\r\n"),
        );
        await until(() => fixture.records.length === 1);
        expect(fixture.records).toMatchObject([{ clientAddress: "127.0.0.1", peerAddress: "127.0.0.1" }]);
      },
    ),

  "matches a path in its written form, and forwards the bytes that arrived": (engine) =>
    withOrigin(
      engine,
      (_, socket) => void socket.write(respondWith("ok")),
      async ({ origin, fixture }) => {
        const targets = ["/admin", "/%61dmin?a=/%2e", "/admin//x", "/adm%69n/%41", "/admin/a%2Bb?%zz;..;/"];
        for (const target of targets) {
          const { status } = await sendRequest(fixture.port, get(target));
          expect([target, status]).toEqual([target, 200]);
        }
        expect(origin.requests.map(({ target }) => target)).toEqual(targets);
        expect((await sendRequest(fixture.port, get("/administrator"))).status).toBe(404);
        await until(() => fixture.records.length === targets.length + 1);
        expect(fixture.records[1]?.matchedPath).toBe("/admin");
        expect(fixture.records[0]).toMatchObject({
          matchedPath: null,
          route: "routes[0]",
          routeConditions: "path /admin",
        });
        expect(fixture.records.at(-1)).toMatchObject({ route: null, reason: "no_route" });
      },
      { routes: [{ host: "shop.example", path: "/admin" }] },
    ),

  "refuses a path that servers read in different ways, where routes tell paths apart": (engine) =>
    withOrigin(
      engine,
      (_, socket) => void socket.write(respondWith("ok")),
      async ({ origin, fixture }) => {
        const targets = [
          "/admin%2fx",
          "/x%2f..%5Cadmin",
          "/..;/admin",
          "/%c0%afadmin",
          "/%2561dmin",
          "/admin%3fx",
        ];
        for (const target of targets) {
          const { status, body } = await sendRequest(fixture.port, get(target));
          expect([target, status]).toEqual([target, 400]);
          expect(body.toString()).toContain("Servers read the path in different ways");
        }
        expect(origin.requests).toEqual([]);
        expect(new Set(fixture.refused)).toEqual(new Set(["path_ambiguous"]));
        await until(() => fixture.records.length === targets.length);
        expect(fixture.records[0]).toMatchObject({
          route: null,
          pool: null,
          complaint: "readings of the path lead to different routes: routes[1] and routes[0] (path /admin)",
        });
        for (const target of ["/x%00", "/x%zz"])
          expect((await sendRequest(fixture.port, get(target))).status).toBe(400);
        expect(new Set(fixture.refused.slice(targets.length))).toEqual(new Set(["request_invalid"]));
        expect((await sendRequest(fixture.port, get("/x%2Fy"))).status).toBe(200);
        // A host whose routes have no paths takes them all.
        for (const target of targets) {
          const request = get(target).replace("shop.example", "Other.example.:80");
          expect((await sendRequest(fixture.port, request)).status).toBe(200);
        }
        expect(origin.requests.map(({ target }) => target)).toEqual(["/x%2Fy", ...targets]);
      },
      {
        routes: [
          { host: "shop.example", path: "/admin" },
          { host: "shop.example" },
          { host: "other.example" },
        ],
      },
    ),

  "removes hop-by-hop headers and the headers that Connection names, in both directions": (engine) =>
    withOrigin(
      engine,
      (_, socket) =>
        void socket.write(
          respondWith("ok", ["Connection: X-Back", "X-Back: 1", "Keep-Alive: timeout=5", "X-Stays: 1"]),
        ),
      async ({ origin, fixture }) => {
        const headers =
          "Connection: x-gone, Keep-Alive\r\nX-Gone: 1\r\nKeep-Alive: 5\r\nTE: gzip\r\nProxy-Authorization: x\r\nX-Stays: 1\r\n";
        const response = await sendRequest(fixture.port, get("/", headers));
        for (const name of ["x-gone", "keep-alive", "te", "proxy-authorization"])
          expect(origin.requests[0]?.header(name)).toBeUndefined();
        expect(origin.requests[0]?.header("x-stays")).toBe("1");
        for (const name of ["x-back", "keep-alive"]) expect(response.header(name)).toBeUndefined();
        expect(response.header("x-stays")).toBe("1");
      },
    ),

  "rescues requests that wait on an upstream that went down, except POSTs": async (engine) => {
    const pending: Socket[] = [];
    const frozen = await startOrigin((_, socket) => void pending.push(socket));
    const healthy = await startOrigin((_, socket) => void socket.write(respondWith("moved")));
    const fixture = await startEngine(engine, { ports: [frozen.port, healthy.port], policy: "first" });
    try {
      const moved = Array.from({ length: 20 }, () => sendRequest(fixture.port, get("/slow")));
      const postResponse = sendRequest(fixture.port, post("once"));
      await until(() => pending.length === 21, "all requests to wait");
      const [upstream] = fixture.pool.upstreams;
      for (let i = 0; i < 3; i++) if (upstream) fixture.pool.recordProbe(upstream, false);
      if (upstream) rescueWaiting(upstream);
      for (const response of await Promise.all(moved)) expect(response.body.toString()).toBe("moved");
      expect(upstream?.inFlight).toBe(1);
      expect(fixture.retried).toEqual(Array.from({ length: 20 }, () => "rescued"));
      const waiting = frozen.requests.findIndex(({ method }) => method === "POST");
      pending[waiting]?.write(respondWith("late"));
      expect((await postResponse).body.toString()).toBe("late");
      expect(fixture.bugs).toEqual([]);
    } finally {
      fixture.close();
      await frozen.close();
      await healthy.close();
    }
  },

  "queues requests that find no slot, serves them in order, and drops those whose client disconnected": (
    engine,
  ) => {
    const pending: Socket[] = [];
    return withOrigin(
      engine,
      (_, socket) => void pending.push(socket),
      async ({ origin, fixture }) => {
        const respondNext = async (served: number) => {
          await until(() => pending.length === 1, "the next request to arrive");
          expect(origin.requests.at(-1)?.target).toBe(`/${served}`);
          pending.pop()?.write(respondWith(`response ${served}`));
        };
        const first = sendRequest(fixture.port, get("/1"));
        await until(() => pending.length === 1, "the first request to arrive");
        const disconnecting = await RawClient.connect(fixture.port);
        disconnecting.send(get("/left"));
        await until(() => fixture.queued() === 1, "a second request to wait");
        const second = sendRequest(fixture.port, post("a body", "").replace("POST /", "POST /2"));
        await until(() => fixture.queued() === 2, "a third request to wait");
        const third = sendRequest(fixture.port, get("/3"));
        await until(() => fixture.queued() === 3, "a fourth request to wait");
        const fourth = await sendRequest(fixture.port, get("/4"));
        expect([fourth.status, fourth.header("retry-after")]).toEqual([503, "2"]);
        disconnecting.destroy();
        await until(() => fixture.queued() === 2, "the disconnected client's request to be dropped");
        await respondNext(1);
        await respondNext(2);
        await respondNext(3);
        expect((await first).body.toString()).toBe("response 1");
        expect((await second).body.toString()).toBe("response 2");
        expect(origin.requests[1]?.body.toString()).toBe("a body");
        expect((await third).body.toString()).toBe("response 3");
        expect(fixture.refused).toEqual(["queue_full"]);
      },
      { queue: { maxWaiting: 3, timeoutMs: 5_000, whenNoneFit: false, maxInFlight: 1 } },
    );
  },

  "refuses a request whose queue timeout expired, and keeps the connection": (engine) => {
    const pending: Socket[] = [];
    return withOrigin(
      engine,
      (_, socket) => void pending.push(socket),
      async ({ fixture }) => {
        const first = sendRequest(fixture.port, get("/1"));
        await until(() => pending.length === 1, "the first request to arrive");
        const late = await sendRequest(fixture.port, get("/2"));
        expect([late.status, late.header("proxy-status")?.includes("queue_timeout")]).toEqual([503, true]);
        pending.pop()?.write(respondWith("ok"));
        expect((await first).status).toBe(200);
        expect(fixture.pool.upstreams[0]?.inFlight).toBe(0);
      },
      { queue: { maxWaiting: 3, timeoutMs: 200, whenNoneFit: false, maxInFlight: 1 } },
    );
  },

  "does not count tunnels against the slots of requests": async (engine) => {
    const held: Socket[] = [];
    await withOrigin(
      engine,
      {
        respond: ({ target }, socket) =>
          void (target === "/held" ? held.push(socket) : socket.write(respondWith("ok"))),
        onHead(request, socket) {
          const key = request.header("sec-websocket-key");
          if (key !== undefined) socket.write(switchingProtocols(key));
          return key !== undefined;
        },
      },
      async ({ fixture }) => {
        const [upstream] = fixture.pool.upstreams;
        const sockets = [1, 2].map(() => new WebSocket(`ws://127.0.0.1:${fixture.port}/`));
        await until(() => upstream?.tunnels === 2, "two tunnels");
        expect(upstream?.inFlight).toBe(2);
        expect((await sendRequest(fixture.port, get())).body.toString()).toBe("ok");
        const first = sendRequest(fixture.port, get("/held"));
        await until(() => held.length === 1, "the slot to be taken");
        const second = sendRequest(fixture.port, get());
        await until(() => fixture.queued() === 1, "the next request to wait");
        held.pop()?.write(respondWith("at last"));
        expect((await first).body.toString()).toBe("at last");
        expect((await second).body.toString()).toBe("ok");
        for (const socket of sockets) socket.terminate();
        await until(() => upstream?.inFlight === 0, "the tunnels to end");
        expect(upstream?.tunnels).toBe(0);
      },
      { queue: { maxWaiting: 3, timeoutMs: 5_000, whenNoneFit: false, maxInFlight: 1 } },
    );
  },

  "reclaims the slots of clients that send their bodies slowly, but only when other requests wait": (
    engine,
  ) =>
    withOrigin(
      engine,
      {
        respond: (_, socket) => void socket.write(respondWith("ok")),
        onHead: ({ method }) => method === "POST",
      },
      async ({ origin, fixture }) => {
        const slow = await Promise.all([1, 2].map(() => RawClient.connect(fixture.port)));
        for (const client of slow)
          client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
        const upload = setInterval(
          () => slow.forEach((client) => client.socket.writable && client.send("x")),
          50,
        );
        try {
          await until(() => origin.requests.length === 2, "both slots to be taken");
          const [upstream] = fixture.pool.upstreams;
          const since = performance.now();
          await until(() => performance.now() - since > 2_200, "the time that a client has to send");
          expect(upstream?.inFlight).toBe(2);
          expect((await sendRequest(fixture.port, get())).body.toString()).toBe("ok");
          await until(
            () => slow.some((client) => client.received.length > 0 || client.isClosed),
            "one slow client to be refused",
          );
          const [refused, remaining] = slow[0]?.received.length ? slow : slow.toReversed();
          expect(refused?.received.toString()).toStartWith("HTTP/1.1 408");
          expect([remaining?.received.length, remaining?.isClosed]).toEqual([0, false]);
        } finally {
          clearInterval(upload);
          for (const client of slow) client.destroy();
        }
      },
      { queue: { maxWaiting: 3, timeoutMs: 5_000, whenNoneFit: false, maxInFlight: 2 } },
    ),

  "aborts all attempts on one upstream: responses are truncated, waiting requests are retried, a POST is refused":
    async (engine) => {
      const partialResponse = Buffer.from(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000000\r\n\r\nsome",
      );
      const origin = await startOrigin(
        ({ target }, socket) => void (target === "/begun" && socket.write(partialResponse)),
      );
      const healthy = await startOrigin((_, socket) => void socket.write(respondWith("moved")));
      const fixture = await startEngine(engine, { ports: [origin.port, healthy.port], policy: "first" });
      try {
        const [upstream] = fixture.pool.upstreams;
        if (!upstream) throw new Error("no upstream");
        const brokenResponse = fetch(`http://127.0.0.1:${fixture.port}/begun`).then((response) =>
          response.text(),
        );
        const isBroken = brokenResponse.then(
          () => false,
          () => true,
        );
        const moved = sendRequest(fixture.port, get("/waits"));
        const refused = sendRequest(fixture.port, post("once"));
        await until(() => origin.requests.length === 3, "all requests to arrive");
        await until(() => upstream.responding.oldest !== undefined, "a response to begin");
        expect(fixture.listener.abortAttempts?.(upstream)).toBe(3);
        expect((await moved).body.toString()).toBe("moved");
        expect((await refused).status).toBe(502);
        expect(await isBroken).toBe(true);
        await until(() => upstream.inFlight === 0, "no attempt to be left");
        expect(fixture.listener.abortAttempts?.(upstream)).toBe(0);
        expect(fixture.bugs).toEqual([]);
      } finally {
        fixture.close();
        await origin.close();
        await healthy.close();
      }
    },

  "forwards encoded bodies and their headers unchanged": (engine) =>
    withOrigin(
      engine,
      (_, socket) =>
        void socket.write(
          respondWith(gzipSync("plain text"), ["Content-Encoding: gzip", "Content-Type: text/plain"]),
        ),
      async ({ fixture }) => {
        const response = await sendRequest(fixture.port, get("/", "Accept-Encoding: gzip\r\n"));
        expect(response.header("content-encoding")).toBe("gzip");
        expect(response.body).toEqual(gzipSync("plain text"));
      },
    ),

  "does not follow redirects": (engine) =>
    withOrigin(
      engine,
      (_, socket) => void socket.write(respondWith("", ["Location: /else"], "302 Found")),
      async ({ origin, fixture }) => {
        const response = await sendRequest(fixture.port, get());
        expect(response.status).toBe(302);
        expect(response.header("location")).toBe("/else");
        expect(origin.requests).toHaveLength(1);
      },
    ),

  "forwards repeated Set-Cookie headers separately": (engine) =>
    withOrigin(
      engine,
      (_, socket) => void socket.write(respondWith("ok", ["Set-Cookie: a=1; Path=/", "Set-Cookie: b=2, c"])),
      async ({ fixture }) => {
        const response = await sendRequest(fixture.port, get());
        const cookies = response.headers
          .filter(([name]) => name.toLowerCase() === "set-cookie")
          .map(([, value]) => value);
        expect(cookies).toEqual(["a=1; Path=/", "b=2, c"]);
      },
    ),

  "responds to HEAD without a body and with the upstream's Content-Length": (engine) =>
    withOrigin(
      engine,
      (_, socket) => void socket.write("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n"),
      async ({ fixture }) => {
        const client = await RawClient.connect(fixture.port);
        for (let i = 0; i < 2; i++) {
          const response = await client.send(get().replace("GET", "HEAD")).readResponse("HEAD");
          expect(response.header("content-length")).toBe("1234");
        }
        client.destroy();
      },
    ),

  "forwards 204 and 304 without a body and keeps the connection": (engine) =>
    withOrigin(
      engine,
      ({ target }, socket) =>
        void socket.write(
          target === "/204"
            ? "HTTP/1.1 204 No Content\r\n\r\n"
            : 'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n',
        ),
      async ({ fixture }) => {
        const client = await RawClient.connect(fixture.port);
        expect((await client.send(get("/204")).readResponse()).status).toBe(204);
        const response = await client.send(get("/304")).readResponse();
        expect(response.status).toBe(304);
        expect(response.header("etag")).toBe('"x"');
        client.destroy();
      },
    ),

  "responds to Expect: 100-continue before the body arrives": (engine) =>
    withOrigin(
      engine,
      {
        respond: ({ body }, socket) => void socket.write(respondWith(body)),
        // An engine may respond itself or forward the expectation.
        onHead(request, socket) {
          if (request.header("expect")) socket.write("HTTP/1.1 100 Continue\r\n\r\n");
          return false;
        },
      },
      async ({ fixture }) => {
        const client = await RawClient.connect(fixture.port);
        client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
        expect((await client.readResponse()).status).toBe(100);
        const response = await client.send("hello").readResponse();
        expect(response.body.toString()).toBe("hello");
        client.destroy();
      },
    ),

  "streams a response chunk by chunk before it is complete": (engine) => {
    let finish = () => {};
    return withOrigin(
      engine,
      (_, socket) => {
        socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
        finish = () => void socket.write("6\r\nsecond\r\n0\r\n\r\n");
      },
      async ({ fixture }) => {
        const client = await RawClient.connect(fixture.port);
        client.send(get());
        await until(() => client.received.includes("first"), "the first chunk");
        expect(client.received.includes("second")).toBe(false);
        expect(fixture.pool.upstreams[0]?.inFlight).toBe(1);
        finish();
        expect((await client.readResponse()).body.toString()).toBe("firstsecond");
        await until(() => fixture.ended.length === 1);
        client.destroy();
      },
    );
  },

  "forwards a 32 MB upload and a 64 MB download byte for byte": (engine) => {
    const upload = patterned(32 * 1024 * 1024);
    const download = patterned(64 * 1024 * 1024);
    return withOrigin(
      engine,
      ({ body }, socket) =>
        void socket.write(respondWith(body.equals(upload) ? download : `wrong: ${body.length}`)),
      async ({ fixture }) => {
        const client = await RawClient.connect(fixture.port);
        client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${upload.length}\r\n\r\n`).send(upload);
        const response = await client.readResponse("POST", 20_000);
        expect(response.body.equals(download)).toBe(true);
        client.destroy();
      },
    );
  },

  "forwards a chunked upload": (engine) =>
    withOrigin(
      engine,
      ({ body }, socket) => void socket.write(respondWith(body)),
      async ({ fixture }) => {
        const request =
          "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
        expect((await sendRequest(fixture.port, request)).body.toString()).toBe("hello world");
      },
    ),

  "keeps Content-Length framing of uploads, small and large": (engine) =>
    withOrigin(
      engine,
      (_, socket) => void socket.write(respondWith("ok")),
      async ({ origin, fixture }) => {
        for (const length of [5, 300_000]) {
          await sendRequest(fixture.port, post("x".repeat(length)));
          expect(origin.requests.at(-1)?.header("content-length")).toBe(String(length));
          expect(origin.requests.at(-1)?.header("transfer-encoding")).toBeUndefined();
        }
      },
    ),

  "applies back-pressure to the upstream when a client does not read": (engine) => {
    const body = 256 * 1024 * 1024;
    let written = 0;
    return withOrigin(
      engine,
      (_, socket) => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body}\r\n\r\n`);
        const piece = Buffer.alloc(64 * 1024, 1);
        const more = () => {
          while (written < body && !socket.destroyed) {
            written += piece.length;
            if (!socket.write(piece)) return void socket.once("drain", more);
          }
        };
        more();
      },
      async ({ fixture }) => {
        const client = await RawClient.connect(fixture.port);
        client.socket.pause();
        client.send(get());
        let before = -1;
        await until(async () => {
          const isStill = written === before && written > 0;
          before = written;
          await new Promise((resolve) => setTimeout(resolve, 100));
          return isStill;
        }, "the upstream to pause");
        expect(written).toBeLessThan(body / 2);
        client.destroy();
      },
    );
  },

  "retries a refused connect on another upstream, for every method": async (engine) => {
    const dead = await closedPort();
    await withOrigin(
      engine,
      ({ body }, socket) => void socket.write(respondWith(body)),
      async ({ origin }) => {
        const fixture = await startEngine(engine, { ports: [dead, origin.port] });
        for (let i = 0; i < 6; i++)
          expect((await sendRequest(fixture.port, post("pay"))).body.toString()).toBe("pay");
        expect(fixture.retried.length).toBe(3);
        expect(fixture.retried[0]).toBe("connect_refused");
        expect(fixture.pool.upstreams.map(({ inFlight }) => inFlight)).toEqual([0, 0]);
        fixture.close();
      },
    );
  },

  "retries an idempotent request on another upstream after a reset": (engine) =>
    withOrigin(
      engine,
      (_, socket) => void socket.resetAndDestroy(),
      async ({ origin: bad }) => {
        const good = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
        const fixture = await startEngine(engine, { ports: [bad.port, good.port] });
        for (let i = 0; i < 4; i++) expect((await sendRequest(fixture.port, get())).status).toBe(200);
        expect(fixture.retried).toContain("upstream_reset");
        fixture.close();
        await good.close();
      },
    ),

  "never retries a POST that reached an upstream": (engine) => {
    let received = 0;
    const resets: OriginOptions["respond"] = ({ method }, socket) => {
      if (method === "GET") return void socket.write(respondWith("warm"));
      received += 1;
      socket.resetAndDestroy();
    };
    return withOrigin(engine, resets, async ({ origin }) => {
      const other = await startOrigin(resets);
      const fixture = await startEngine(engine, { ports: [origin.port, other.port], retries: 2 });
      for (let i = 0; i < 4; i++) await sendRequest(fixture.port, get());
      for (let i = 1; i <= 4; i++) {
        const response = await sendRequest(fixture.port, post("pay"));
        expect(response.status).toBe(502);
        expect(response.header("proxy-status")).toContain("upstream_reset");
        expect(received).toBe(i);
      }
      fixture.close();
      await other.close();
    });
  },

  "responds with 502, Proxy-Status and a reason when every upstream refuses": async (engine) => {
    const fixture = await startEngine(engine, { ports: [await closedPort(), await closedPort()] });
    const response = await sendRequest(fixture.port, get("/", "Accept: application/json\r\n"));
    expect(response.status).toBe(502);
    expect(response.header("proxy-status")).toBe(
      'evenkeel; error=connection_refused; details="connect_refused"',
    );
    expect(JSON.parse(response.body.toString()).error).toMatchObject({
      status: 502,
      reason: "connect_refused",
    });
    expect(fixture.refused).toEqual(["connect_refused"]);
    fixture.close();
  },

  "refuses a too large Content-Length with 413 before the body arrives": (engine) =>
    withOrigin(
      engine,
      (_, socket) => void socket.write(respondWith("ok")),
      async ({ origin, fixture }) => {
        const client = await RawClient.connect(fixture.port);
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n");
        const response = await client.readResponse();
        expect(response.status).toBe(413);
        expect(response.body.toString()).toContain("request_too_large");
        client.destroy();
        expect((await sendRequest(fixture.port, post("x".repeat(1_000)))).status).toBe(200);
        expect(origin.requests).toHaveLength(1);
      },
      { destination: { maxRequestBodyBytes: 1_000 } },
    ),

  "refuses a body of unknown length with 413 once it exceeds the limit, and counts no upstream failure": (
    engine,
  ) =>
    withOrigin(
      engine,
      ({ body }, socket) => void socket.write(respondWith(String(body.length))),
      async ({ fixture }) => {
        const chunk = `64\r\n${"x".repeat(100)}\r\n`;
        const head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        const within = await sendRequest(fixture.port, `${head}${chunk.repeat(10)}0\r\n\r\n`);
        expect(within.body.toString()).toBe("1000");
        const client = await RawClient.connect(fixture.port);
        client.send(head + chunk.repeat(10));
        await until(() => fixture.pool.upstreams[0]?.inFlight === 1, "the attempt to start");
        const response = await client.send(chunk).readResponse();
        expect(response.status).toBe(413);
        client.destroy();
        await until(() => fixture.ended.length === 2, "the attempt to end");
        expect(fixture.ended.map(({ outcome }) => outcome.kind)).toEqual(["response", "cancelled"]);
      },
      { destination: { maxRequestBodyBytes: 1_000 } },
    ),

  "retries a response with a configured status on another upstream": (engine) =>
    withOrigin(
      engine,
      (_, socket) => void socket.write(respondWith("overloaded", [], "503 Service Unavailable")),
      async ({ origin: bad }) => {
        const good = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
        const destination = { retryStatuses: new Set([503]) };
        const fixture = await startEngine(engine, { ports: [bad.port, good.port], destination });
        for (let i = 0; i < 4; i++)
          expect((await sendRequest(fixture.port, get())).body.toString()).toBe("ok");
        expect(fixture.retried).toEqual(["status_503", "status_503"]);
        const posted = [];
        for (let i = 0; i < 2; i++) posted.push((await sendRequest(fixture.port, post("pay"))).status);
        expect(posted.toSorted()).toEqual([200, 503]);
        await until(() => fixture.pool.upstreams.every(({ inFlight }) => inFlight === 0));
        expect(fixture.refused).toEqual([]);
        fixture.close();
        await good.close();
      },
    ),

  "returns the last real response when the retry fails": (engine) => {
    let large = false;
    return withOrigin(
      engine,
      (_, socket) =>
        void socket.write(
          respondWith(large ? "x".repeat(200_000) : "sorry", ["X-From: one"], "503 Service Unavailable"),
        ),
      async ({ origin: bad }) => {
        const worse = await startOrigin((_, socket) => void socket.resetAndDestroy());
        const destination = { retryStatuses: new Set([503]) };
        const fixture = await startEngine(engine, { ports: [bad.port, worse.port], destination });
        for (let i = 0; i < 4; i++) {
          large = i >= 2;
          const response = await sendRequest(fixture.port, get());
          expect(response.status).toBe(503);
          expect(response.header("x-from")).toBe("one");
          expect(response.body.length).toBe(large ? 200_000 : 5);
        }
        expect(fixture.refused).toEqual([]);
        await until(() => fixture.pool.upstreams.every(({ inFlight }) => inFlight === 0));
        fixture.close();
        await worse.close();
      },
    );
  },

  "ejects an upstream that resets, hides the resets from clients, and serves with the rest": (engine) =>
    withOrigin(
      engine,
      (_, socket) => void socket.resetAndDestroy(),
      async ({ origin: bad }) => {
        const good = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
        const fixture = await startEngine(engine, {
          ports: [bad.port, good.port, good.port],
          ejectsAfter: 3,
        });
        for (let i = 0; i < 30; i++) expect((await sendRequest(fixture.port, get())).status).toBe(200);
        expect(fixture.pool.upstreams[0]?.status).toBe("ejected");
        expect(fixture.retried).toHaveLength(3);
        fixture.close();
        await good.close();
      },
    ),

  "responds with 503 and Retry-After when no upstream is available": async (engine) => {
    const fixture = await startEngine(engine, { ports: [await closedPort()] });
    for (const upstream of fixture.pool.upstreams) fixture.pool.setMode(upstream, "maintenance");
    const response = await sendRequest(fixture.port, get());
    expect(response.status).toBe(503);
    expect(Number(response.header("retry-after"))).toBeGreaterThan(0);
    expect(response.body.toString()).toContain("no_upstream");
    fixture.close();
  },

  "responds with 504 when the response head times out": (engine) =>
    withOrigin(
      engine,
      () => {},
      async ({ fixture }) => {
        const response = await sendRequest(fixture.port, get());
        expect(response.status).toBe(504);
        expect(response.body.toString()).toContain("head_timeout");
        expect(fixture.ended[0]?.outcome).toMatchObject({
          kind: "failure",
          phase: "head",
          reason: "head_timeout",
        });
      },
      { timeouts: { connectMs: 100, headMs: 100 }, retries: 0 },
    ),

  "responds with 502 when the upstream does not speak HTTP": (engine) =>
    withOrigin(
      engine,
      (_, socket) => void socket.end("SSH-2.0-OpenSSH_9.2\r\n\r\n"),
      async ({ fixture }) => expect([502, 504]).toContain((await sendRequest(fixture.port, get())).status),
      { timeouts: { connectMs: 200, headMs: 300 } },
    ),

  "resets the client connection when a response is truncated, and never ends it cleanly": (engine) => {
    const truncated: Readonly<Record<string, string>> = {
      "/length": `HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\nhello`,
      "/chunked": `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`,
    };
    return withOrigin(
      engine,
      ({ target }, socket) => void socket.write(truncated[target] ?? "", () => socket.destroy()),
      async ({ fixture }) => {
        for (const target of Object.keys(truncated)) {
          const client = await RawClient.connect(fixture.port);
          client.send(get(target));
          await until(() => client.isClosed, "the connection to close");
          expect(client.received.toString()).not.toEndWith("0\r\n\r\n");
          expect(client.isReset || client.received.length === 0 || target === "/length").toBe(true);
        }
        await until(() => fixture.ended.length === 2);
        for (const { outcome } of fixture.ended)
          expect(outcome).toMatchObject({ kind: "failure", phase: "body" });
      },
    );
  },

  "cancels the upstream request when the client disconnects, and counts no upstream failure": (engine) => {
    let upstreamClosed = 0;
    return withOrigin(
      engine,
      {
        respond: ({ target }, socket) => {
          socket.on("close", () => (upstreamClosed += 1));
          if (target === "/body")
            socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
        },
      },
      async ({ origin, fixture }) => {
        for (const target of ["/head", "/body"]) {
          const client = await RawClient.connect(fixture.port);
          client.send(get(target));
          await until(
            () => origin.requests.some((request) => request.target === target),
            "the request to arrive",
          );
          if (target === "/body") await until(() => client.received.includes("hello"), "the first chunk");
          client.destroy();
          await until(() => fixture.pool.upstreams[0]?.inFlight === 0, "the attempt to end");
        }
        await until(() => upstreamClosed === 2, "the upstream's connections to close");
        expect(fixture.ended.map(({ outcome }) => outcome.kind)).toEqual(["cancelled", "cancelled"]);
      },
    );
  },

  "refuses two Host headers with 400, CONNECT and TRACE with 405, and forwards none of them": (engine) =>
    withOrigin(
      engine,
      (_, socket) => void socket.write(respondWith("ok")),
      async ({ origin, fixture }) => {
        expect((await sendRequest(fixture.port, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")).status).toBe(
          400,
        );
        expect((await sendRequest(fixture.port, "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n")).status).toBe(405);
        const connect = await sendRequest(fixture.port, "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n");
        expect(connect.status).toBe(405);
        expect(connect.header("allow")).toContain("GET");
        expect(origin.requests).toHaveLength(0);
      },
    ),

  "forwards a WebSocket in both directions: text, binary, subprotocol and close code": (engine) =>
    withWebSocketUpstream(engine, async (port, seen) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/chat?room=1`, ["v2", "v1"]);
      socket.binaryType = "arraybuffer";
      const messages: unknown[] = [];
      socket.onmessage = ({ data }) =>
        messages.push(typeof data === "string" ? data : [...new Uint8Array(data)]);
      const closed = new Promise<{ code: number; reason: string }>((resolve) => (socket.onclose = resolve));
      await new Promise((resolve) => (socket.onopen = resolve));
      expect(socket.protocol).toBe("v1");
      socket.send("héllo");
      socket.send(new Uint8Array([0, 255, 7]));
      await until(() => messages.length === 3, "the echoes");
      expect(messages).toEqual(["welcome", "héllo", [0, 255, 7]]);
      expect(seen.target).toBe("/chat?room=1");
      socket.send("close me");
      expect(await closed).toMatchObject({ code: 4001, reason: "bye" });
    }),

  "forwards a WebSocket client's close code to the upstream": (engine) =>
    withWebSocketUpstream(engine, async (port, seen) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
      await new Promise((resolve) => (socket.onopen = resolve));
      socket.close(4002, "done");
      await until(() => seen.closed !== undefined, "the upstream to see the close");
      expect(seen.closed).toEqual({ code: 4002, reason: "done" });
    }),

  "finishes requests in flight before a drain ends, and accepts no new ones": (engine) =>
    withRequestInFlight(engine, async ({ fixture, client, finish }) => {
      expect(fixture.listener.active()).toBe(1);
      let isDrained = false;
      const drained = fixture.listener.drain().then(() => (isDrained = true));
      await until(() => isRefused(fixture.port), "new connections to be refused");
      expect(isDrained).toBe(false);
      finish();
      expect((await client.readResponse()).body.toString()).toBe("late");
      await drained;
    }),

  "lets a slow client read its whole response before a drain ends": (engine) => {
    const body = patterned(24 * 1024 * 1024);
    return withOrigin(
      engine,
      (_, socket) => void socket.write(respondWith(body)),
      async ({ fixture }) => {
        const client = await RawClient.connect(fixture.port);
        client.send(get());
        await until(() => client.received.length > 0, "the response to begin");
        client.socket.pause();
        let isDrained = false;
        const drained = fixture.listener.drain().then(() => (isDrained = true));
        await until(() => isRefused(fixture.port), "new connections to be refused");
        expect(isDrained).toBe(false);
        client.socket.resume();
        expect((await client.readResponse()).body.equals(body)).toBe(true);
        await drained;
        client.destroy();
      },
    );
  },

  "does not wait for an incomplete request head when it drains": (engine) =>
    withOrigin(
      engine,
      (_, socket) => void socket.write(respondWith("ok")),
      async ({ fixture }) => {
        const client = await RawClient.connect(fixture.port);
        await client.send(get()).readResponse();
        client.send("GET / HT");
        await fixture.listener.drain();
        await until(() => client.isClosed, "the connection to be closed");
      },
    ),

  "sends Connection: close while it drains": (engine) =>
    withRequestInFlight(engine, async ({ fixture, client, finish }) => {
      const drained = fixture.listener.drain();
      finish();
      expect((await client.readResponse()).header("connection")?.toLowerCase()).toBe("close");
      await drained;
      await until(() => client.isClosed, "the connection to be closed");
    }),

  "closes an idle client connection after the keep-alive timeout": (engine) =>
    withOrigin(
      engine,
      (_, socket) => void socket.write(respondWith("ok")),
      async ({ fixture }) => {
        const client = await RawClient.connect(fixture.port);
        await client.send(get()).readResponse();
        // Bun's idle timer moves in steps of four seconds.
        await until(() => client.isClosed, "the idle connection to be closed", 12_000);
      },
      { clientTimeouts: { keepAliveMs: 1_000 } },
    ),

  "waits for a slow upstream longer than the keep-alive timeout of its client": (engine) =>
    withOrigin(
      engine,
      (_, socket) => void setTimeout(() => socket.write(respondWith("late")), 6_000),
      async ({ fixture }) => {
        const client = await RawClient.connect(fixture.port);
        // Bun's idle timer moves in steps of four seconds.
        expect((await client.send(get()).readResponse()).status).toBe(200);
      },
      { clientTimeouts: { keepAliveMs: 1_000 }, timeouts: { headMs: 12_000 } },
    ),

  "spreads requests evenly over upstreams and connections": async (engine) => {
    const origins = await Promise.all(
      [1, 2, 3].map((name) => startOrigin((_, socket) => void socket.write(respondWith(`${name}`)))),
    );
    const fixture = await startEngine(engine, { ports: origins.map(({ port }) => port) });
    const client = await RawClient.connect(fixture.port);
    const counts = new Map<string, number>();
    for (let i = 0; i < 30; i++) {
      const name = (await client.send(get()).readResponse()).body.toString();
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    expect([...counts.values()]).toEqual([10, 10, 10]);
    expect(origins.every((origin) => origin.connections() === 1)).toBe(true);
    client.destroy();
    fixture.close();
    await Promise.all(origins.map((origin) => origin.close()));
  },

  "forwards the request target byte for byte": (engine) =>
    withOrigin(
      engine,
      (_, socket) => void socket.write(respondWith("ok")),
      async ({ origin, fixture }) => {
        await sendRequest(fixture.port, get("/a%2Fb/%2e%2e/./c//d?q=%zz|"));
        expect(origin.requests[0]?.target).toBe("/a%2Fb/%2e%2e/./c//d?q=%zz|");
      },
    ),

  "keeps the case, order, duplicates and bytes above 0x7f of headers, and adds no others": (engine) =>
    withOrigin(
      engine,
      (_, socket) => void socket.write(respondWith("ok", ["X-Odd: caf\xe9", "x-twice: 1", "X-Twice: 2"])),
      async ({ origin, fixture }) => {
        const response = await sendRequest(
          fixture.port,
          get("/", "x-FIRST: caf\xe9\r\nX-Twice: 1\r\nx-twice: 2\r\n"),
        );
        const sent = origin.requests[0]?.headers.filter(
          ([name]) => !/^(x-forwarded|x-request-id|via|connection)/i.test(name),
        );
        expect(sent).toEqual([
          ["Host", "shop.example"],
          ["x-FIRST", "caf\xe9"],
          ["X-Twice", "1"],
          ["x-twice", "2"],
        ]);
        expect(response.headers.slice(0, 3)).toEqual([
          ["X-Odd", "caf\xe9"],
          ["x-twice", "1"],
          ["X-Twice", "2"],
        ]);
      },
    ),

  "keeps the Content-Length framing of large responses": (engine) =>
    withOrigin(
      engine,
      (_, socket) => void socket.write(respondWith(patterned(300_000))),
      async ({ fixture }) =>
        expect((await sendRequest(fixture.port, get())).header("content-length")).toBe("300000"),
    ),

  "forwards 103 Early Hints and trailers": (engine) =>
    withOrigin(
      engine,
      (_, socket) =>
        void socket.write(
          "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n",
        ),
      async ({ fixture }) => {
        const client = await RawClient.connect(fixture.port);
        expect((await client.send(get()).readResponse()).status).toBe(103);
        await until(() => client.received.includes("X-Sum: 7\r\n\r\n"), "the trailer");
        client.destroy();
      },
    ),

  "responds to pipelined requests in order": (engine) =>
    withOrigin(
      engine,
      ({ target }, socket) =>
        void setTimeout(() => socket.write(respondWith(target)), target === "/1" ? 30 : 0),
      async ({ fixture }) => {
        const client = await RawClient.connect(fixture.port);
        client.send(get("/1") + get("/2") + get("/3"));
        const bodies = [
          await client.readResponse(),
          await client.readResponse(),
          await client.readResponse(),
        ].map(({ body }) => body.toString());
        expect(bodies).toEqual(["/1", "/2", "/3"]);
        client.destroy();
      },
    ),
};

interface ObservedByUpstream {
  target?: string;
  closed?: { code: number; reason: string };
}

/** Runs a test with a WebSocket upstream that greets, echoes, and closes with 4001 on `close me`. */
async function withWebSocketUpstream(
  engine: Engine,
  run: (port: number, seen: ObservedByUpstream) => Promise<void>,
): Promise<void> {
  const seen: ObservedByUpstream = {};
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request, server) {
      seen.target = request.url.slice(request.url.indexOf("/", 8));
      const offered = request.headers.get("sec-websocket-protocol");
      const headers = new Headers(offered ? { "Sec-WebSocket-Protocol": "v1" } : {});
      return server.upgrade(request, { headers }) ? undefined : new Response("no", { status: 400 });
    },
    websocket: {
      open: (socket) => void socket.send("welcome"),
      message: (socket, message) =>
        message === "close me" ? socket.close(4001, "bye") : void socket.send(message),
      close: (_, code, reason) => void (seen.closed = { code, reason }),
    },
  });
  const fixture = await startEngine(engine, { ports: [server.port ?? 0] });
  try {
    await run(fixture.port, seen);
    await until(() => fixture.ended.length === 1, "the tunnel to end");
    expect(fixture.ended[0]).toMatchObject({ status: 101, outcome: { kind: "response" } });
    expect(fixture.pool.upstreams[0]?.inFlight).toBe(0);
  } finally {
    fixture.close();
    await server.stop(true);
  }
}

/** Bytes in which a misplaced chunk is detected. */
function patterned(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i += 4)
    bytes.writeUInt32LE(Math.imul(i, 2654435761) >>> 0, Math.min(i, length - 4));
  return bytes;
}

export const lawNames: readonly string[] = Object.keys(laws);

/** Runs every law. A law with an exception must fail, so that no exception outlives its reason. */
export function engineLaws(engine: Engine, exceptions: Exceptions = {}): void {
  describe(`the ${engine.name} engine`, () => {
    test("has exceptions only for laws that exist", () =>
      expect(Object.keys(exceptions).filter((name) => !(name in laws))).toEqual([]));
    for (const [name, law] of Object.entries(laws)) {
      const exception = exceptions[name];
      if (exception === undefined) test(name, () => law(engine), 30_000);
      else test.failing(`${name} (exception: ${exception})`, () => law(engine), 30_000);
    }
  });
}
