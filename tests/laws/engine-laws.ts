/** What every engine must do, told over real sockets. An engine that cannot names the law and why in its exceptions. */

import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import type { Socket } from "node:net";
import { gzipSync } from "node:zlib";

import type { Engine } from "../../src/engine/engine.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { rescueWaiting } from "../../src/pool/attempt-control.ts";
import { readTraceparent, tracer } from "../../src/proxy/trace-context.ts";
import { respondWith, type Origin, type OriginOptions, startOrigin } from "../support/origin.ts";
import { sendRequest, RawClient } from "../support/raw-client.ts";
import { type EngineFixture, startEngine, type EngineFixtureOptions } from "../support/engine-fixture.ts";
import { until } from "../support/wait.ts";
import { deadlineLaws } from "./deadline-laws.ts";
import { faultLaws } from "./bug-laws.ts";
import { hedgeLaws } from "./hedge-laws.ts";
import { oddityLaws } from "./oddity-laws.ts";
import { recordLaws } from "./record-laws.ts";

/** Laws that an engine cannot keep, with the reason. They stand in the README's table of limits. */
export type Exceptions = Readonly<Record<string, string>>;

interface Scene {
  readonly origin: Origin;
  readonly stage: EngineFixture;
}

type Law = (engine: Engine) => Promise<void>;

async function scene(
  engine: Engine,
  script: OriginOptions | OriginOptions["respond"],
  play: (scene: Scene) => Promise<void>,
  options: Partial<EngineFixtureOptions> = {},
): Promise<void> {
  const origin = await startOrigin(script);
  const set = await startEngine(engine, { ports: [origin.port], ...options });
  try {
    await play({ origin, stage: set });
    expect(set.bugs).toEqual([]);
  } finally {
    set.close();
    await origin.close();
  }
}

/** The head that switches to WebSocket. RFC 6455 section 4.2.2. */
function acceptance(key: string): string {
  const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  const fields = ["Upgrade: websocket", "Connection: Upgrade", `Sec-WebSocket-Accept: ${accept}`];
  return ["HTTP/1.1 101 Switching Protocols", ...fields, "", ""].join("\r\n");
}

/** A client whose request waits at its upstream, until that is told to finish. */
function underWay(
  engine: Engine,
  play: (scene: Scene & { readonly client: RawClient; readonly finish: () => void }) => Promise<void>,
): Promise<void> {
  let finish = () => {};
  return scene(
    engine,
    (_, socket) => void (finish = () => socket.write(respondWith("late"))),
    async ({ origin, stage }) => {
      const client = await RawClient.connect(stage.port);
      client.send(get());
      await until(() => origin.requests.length === 1, "the request to arrive");
      await play({ origin, stage, client, finish });
      client.destroy();
    },
  );
}

const clientTrace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

const get = (target = "/", fields = "") => `GET ${target} HTTP/1.1\r\nHost: shop.example\r\n${fields}\r\n`;

const post = (body: string, fields = "") =>
  `POST / HTTP/1.1\r\nHost: shop.example\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`;

/** A port that refuses connections, because its listener has just gone. */
async function deadPort(): Promise<number> {
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
  ...hedgeLaws,
  ...deadlineLaws,
  ...recordLaws,
  ...faultLaws,
  ...oddityLaws,

  "passes method, target, fields and body on, and the answer back": (engine) =>
    scene(
      engine,
      (request, socket) =>
        void socket.write(respondWith(`got ${request.body.toString()}`, ["X-Answer: yes"], "201 Created")),
      async ({ origin, stage }) => {
        const response = await sendRequest(
          stage.port,
          post("hello", "X-Ask: 1\r\n").replace("POST /", "POST /a/b?c=d%20e&f"),
        );
        expect(response.status).toBe(201);
        expect(response.reason).toBe("Created");
        expect(response.header("x-answer")).toBe("yes");
        expect(response.body.toString()).toBe("got hello");
        const [received] = origin.requests;
        expect(received?.method).toBe("POST");
        expect(received?.target).toBe("/a/b?c=d%20e&f");
        expect(received?.header("x-ask")).toBe("1");
        expect(received?.body.toString()).toBe("hello");
        await until(() => stage.ended.length === 1);
        expect(stage.ended[0]).toMatchObject({ status: 201, outcome: { kind: "response" } });
        expect(stage.pool.upstreams[0]?.inFlight).toBe(0);
      },
    ),

  "keeps Host and adds the forwarding fields, replacing what an untrusted client sent": (engine) =>
    scene(
      engine,
      (_, socket) => void socket.write(respondWith("ok")),
      async ({ origin, stage }) => {
        const lies =
          "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\nForwarded: for=6.6.6.6\r\n";
        await sendRequest(stage.port, get("/", `${lies}Via: 1.0 before\r\nX-Request-Id: abc-1\r\n`));
        const received = origin.requests[0];
        expect(received?.header("host")).toBe("shop.example");
        expect(received?.header("x-forwarded-for")).toBe("127.0.0.1");
        expect(received?.header("x-forwarded-proto")).toBe("http");
        expect(received?.header("x-forwarded-host")).toBe("shop.example");
        expect(received?.header("x-forwarded-port")).toBe(String(stage.port));
        expect(received?.header("forwarded")).toBeUndefined();
        expect(received?.header("via")).toBe("1.0 before, 1.1 evenkeel");
        expect(received?.header("x-request-id")).toBe("abc-1");
        await sendRequest(stage.port, get("/", "X-Request-Id: <script>\r\n"));
        expect(origin.requests[1]?.header("x-request-id")).toMatch(/^[0-9a-f]{8}-[0-9a-f]{6}$/);
      },
    ),

  "lets no client say where it comes from by another spelling, which servers of the CGI family take for the same":
    (engine) =>
      scene(
        engine,
        (_, socket) => void socket.write(respondWith("ok")),
        async ({ origin, stage }) => {
          const lies = ["X_Forwarded_For", "x-forwarded_proto", "X_FORWARDED-HOST", "X_Forwarded_Port"];
          const fields = lies.map((name) => `${name}: 6.6.6.6\r\n`).join("");
          await sendRequest(stage.port, get("/", `${fields}X_Own: kept\r\n`));
          const names = origin.requests[0]?.headers.map(([name]) => name.toLowerCase()) ?? [];
          expect(names.filter((name) => /^x.forwarded/.test(name)).toSorted()).toEqual(
            ["for", "host", "port", "proto"].map((part) => `x-forwarded-${part}`),
          );
          expect(origin.requests[0]?.header("x-forwarded-for")).toBe("127.0.0.1");
          expect(origin.requests[0]?.header("x_own")).toBe("kept");
        },
      ),

  "passes a client's traceparent on as it came, unless requests are traced": (engine) =>
    scene(
      engine,
      (_, socket) => void socket.write(respondWith("ok")),
      async ({ origin, stage }) => {
        const fields = `traceparent: ${clientTrace}\r\ntracestate: vendor=1\r\n`;
        await sendRequest(stage.port, get("/", fields));
        expect(origin.requests[0]?.header("traceparent")).toBe(clientTrace);
        expect(origin.requests[0]?.header("tracestate")).toBe("vendor=1");
        await sendRequest(stage.port, get("/"));
        expect(origin.requests[1]?.header("traceparent")).toBeUndefined();
      },
    ),

  "makes itself the parent of what upstreams do for a traced request, and of no other one": (engine) =>
    scene(
      engine,
      (_, socket) => void socket.write(respondWith("ok")),
      async ({ origin, stage }) => {
        await sendRequest(stage.port, get("/", `TraceParent: ${clientTrace}\r\ntracestate: vendor=1\r\n`));
        const received = origin.requests[0];
        expect(received?.headers.filter(([name]) => name.toLowerCase() === "traceparent")).toHaveLength(1);
        const given = readTraceparent(received?.header("traceparent") ?? "");
        expect(given).toMatchObject({ traceId: clientTrace.slice(3, 35), isSampled: true });
        expect(given?.parentId).not.toBe(clientTrace.slice(36, 52));
        expect(received?.header("tracestate")).toBe("vendor=1");
        const untraced = clientTrace.replace(/01$/, "00");
        await sendRequest(stage.port, get("/", `traceparent: ${untraced}\r\n`));
        expect(origin.requests[1]?.header("traceparent")).toBe(untraced);
        await sendRequest(stage.port, get("/"));
        expect(origin.requests[2]?.header("traceparent")).toMatch(/^00-[\da-f]{32}-[\da-f]{16}-01$/);
      },
      { trace: tracer(1, seededRandom(1)) },
    ),

  "believes a trusted peer's forwarding fields and adds its address": (engine) =>
    scene(
      engine,
      (_, socket) => void socket.write(respondWith("ok")),
      async ({ origin, stage }) => {
        await sendRequest(
          stage.port,
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

  "ends hop-by-hop fields and those that Connection names at this hop, both ways": (engine) =>
    scene(
      engine,
      (_, socket) =>
        void socket.write(
          respondWith("ok", ["Connection: X-Back", "X-Back: 1", "Keep-Alive: timeout=5", "X-Stays: 1"]),
        ),
      async ({ origin, stage }) => {
        const fields =
          "Connection: x-gone, Keep-Alive\r\nX-Gone: 1\r\nKeep-Alive: 5\r\nTE: gzip\r\nProxy-Authorization: x\r\nX-Stays: 1\r\n";
        const response = await sendRequest(stage.port, get("/", fields));
        for (const name of ["x-gone", "keep-alive", "te", "proxy-authorization"])
          expect(origin.requests[0]?.header(name)).toBeUndefined();
        expect(origin.requests[0]?.header("x-stays")).toBe("1");
        for (const name of ["x-back", "keep-alive"]) expect(response.header(name)).toBeUndefined();
        expect(response.header("x-stays")).toBe("1");
      },
    ),

  "moves requests that wait on an upstream that was found down, but no POST": async (engine) => {
    const stuck: Socket[] = [];
    const frozen = await startOrigin((_, socket) => void stuck.push(socket));
    const well = await startOrigin((_, socket) => void socket.write(respondWith("moved")));
    const set = await startEngine(engine, { ports: [frozen.port, well.port], policy: "first" });
    try {
      const moved = Array.from({ length: 20 }, () => sendRequest(set.port, get("/slow")));
      const stays = sendRequest(set.port, post("once"));
      await until(() => stuck.length === 21, "all requests to wait");
      const [upstream] = set.pool.upstreams;
      for (let i = 0; i < 3; i++) if (upstream) set.pool.recordProbe(upstream, false);
      if (upstream) rescueWaiting(upstream);
      for (const response of await Promise.all(moved)) expect(response.body.toString()).toBe("moved");
      expect(upstream?.inFlight).toBe(1);
      expect(set.retried).toEqual(Array.from({ length: 20 }, () => "rescued"));
      const waiting = frozen.requests.findIndex(({ method }) => method === "POST");
      stuck[waiting]?.write(respondWith("late"));
      expect((await stays).body.toString()).toBe("late");
      expect(set.bugs).toEqual([]);
    } finally {
      set.close();
      await frozen.close();
      await well.close();
    }
  },

  "keeps requests waiting that find no place, serves them in their order, and forgets who left": (engine) => {
    const stuck: Socket[] = [];
    return scene(
      engine,
      (_, socket) => void stuck.push(socket),
      async ({ origin, stage }) => {
        const answerNext = async (served: number) => {
          await until(() => stuck.length === 1, "the next request to arrive");
          expect(origin.requests.at(-1)?.target).toBe(`/${served}`);
          stuck.pop()?.write(respondWith(`answer ${served}`));
        };
        const first = sendRequest(stage.port, get("/1"));
        await until(() => stuck.length === 1, "the first request to arrive");
        const leaving = await RawClient.connect(stage.port);
        leaving.send(get("/left"));
        await until(() => stage.queued() === 1, "a second request to wait");
        const second = sendRequest(stage.port, post("a body", "").replace("POST /", "POST /2"));
        await until(() => stage.queued() === 2, "a third request to wait");
        const third = sendRequest(stage.port, get("/3"));
        await until(() => stage.queued() === 3, "a fourth request to wait");
        const fourth = await sendRequest(stage.port, get("/4"));
        expect([fourth.status, fourth.header("retry-after")]).toEqual([503, "2"]);
        leaving.destroy();
        await until(() => stage.queued() === 2, "the one that left to be forgotten");
        await answerNext(1);
        await answerNext(2);
        await answerNext(3);
        expect((await first).body.toString()).toBe("answer 1");
        expect((await second).body.toString()).toBe("answer 2");
        expect(origin.requests[1]?.body.toString()).toBe("a body");
        expect((await third).body.toString()).toBe("answer 3");
        expect(stage.refused).toEqual(["queue_full"]);
      },
      { queue: { maxWaiting: 3, timeoutMs: 5_000, whenNoneFit: false, maxInFlight: 1 } },
    );
  },

  "refuses a request that waited for too long, and the connection goes on": (engine) => {
    const stuck: Socket[] = [];
    return scene(
      engine,
      (_, socket) => void stuck.push(socket),
      async ({ stage }) => {
        const first = sendRequest(stage.port, get("/1"));
        await until(() => stuck.length === 1, "the first request to arrive");
        const late = await sendRequest(stage.port, get("/2"));
        expect([late.status, late.header("proxy-status")?.includes("queue_timeout")]).toEqual([503, true]);
        stuck.pop()?.write(respondWith("ok"));
        expect((await first).status).toBe(200);
        expect(stage.pool.upstreams[0]?.inFlight).toBe(0);
      },
      { queue: { maxWaiting: 3, timeoutMs: 200, whenNoneFit: false, maxInFlight: 1 } },
    );
  },

  "lets no tunnel take the place of a request": async (engine) => {
    const held: Socket[] = [];
    await scene(
      engine,
      {
        respond: ({ target }, socket) =>
          void (target === "/held" ? held.push(socket) : socket.write(respondWith("ok"))),
        onHead(request, socket) {
          const key = request.header("sec-websocket-key");
          if (key !== undefined) socket.write(acceptance(key));
          return key !== undefined;
        },
      },
      async ({ stage }) => {
        const [upstream] = stage.pool.upstreams;
        const sockets = [1, 2].map(() => new WebSocket(`ws://127.0.0.1:${stage.port}/`));
        await until(() => upstream?.tunnels === 2, "two tunnels");
        expect(upstream?.inFlight).toBe(2);
        expect((await sendRequest(stage.port, get())).body.toString()).toBe("ok");
        const first = sendRequest(stage.port, get("/held"));
        await until(() => held.length === 1, "the place to be taken");
        const second = sendRequest(stage.port, get());
        await until(() => stage.queued() === 1, "the next one to wait");
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

  "takes the places of clients that trickle their bodies back, but only when others wait": (engine) =>
    scene(
      engine,
      {
        respond: (_, socket) => void socket.write(respondWith("ok")),
        onHead: ({ method }) => method === "POST",
      },
      async ({ origin, stage }) => {
        const slow = await Promise.all([1, 2].map(() => RawClient.connect(stage.port)));
        for (const client of slow)
          client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
        const trickle = setInterval(
          () => slow.forEach((client) => client.socket.writable && client.send("x")),
          50,
        );
        try {
          await until(() => origin.requests.length === 2, "both places to be taken");
          const [upstream] = stage.pool.upstreams;
          const since = performance.now();
          await until(() => performance.now() - since > 2_200, "the time that a client has");
          expect(upstream?.inFlight).toBe(2);
          expect((await sendRequest(stage.port, get())).body.toString()).toBe("ok");
          await until(
            () => slow.some((client) => client.received.length > 0 || client.isClosed),
            "one to be let go",
          );
          const [given, kept] = slow[0]?.received.length ? slow : slow.toReversed();
          expect(given?.received.toString()).toStartWith("HTTP/1.1 408");
          expect([kept?.received.length, kept?.isClosed]).toEqual([0, false]);
        } finally {
          clearInterval(trickle);
          for (const client of slow) client.destroy();
        }
      },
      { queue: { maxWaiting: 3, timeoutMs: 5_000, whenNoneFit: false, maxInFlight: 2 } },
    ),

  "cuts what is under way on one upstream: answers break off, what waits may go elsewhere, a POST is refused":
    async (engine) => {
      const begun = Buffer.from(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000000\r\n\r\nsome",
      );
      const origin = await startOrigin(
        ({ target }, socket) => void (target === "/begun" && socket.write(begun)),
      );
      const well = await startOrigin((_, socket) => void socket.write(respondWith("moved")));
      const set = await startEngine(engine, { ports: [origin.port, well.port], policy: "first" });
      try {
        const [upstream] = set.pool.upstreams;
        if (!upstream) throw new Error("nobody there");
        const broken = fetch(`http://127.0.0.1:${set.port}/begun`).then((response) => response.text());
        const isBroken = broken.then(
          () => false,
          () => true,
        );
        const moved = sendRequest(set.port, get("/waits"));
        const refused = sendRequest(set.port, post("once"));
        await until(() => origin.requests.length === 3, "all to arrive");
        await until(() => upstream.responding.oldest !== undefined, "an answer to begin");
        expect(set.listener.abortAttempts?.(upstream)).toBe(3);
        expect((await moved).body.toString()).toBe("moved");
        expect((await refused).status).toBe(502);
        expect(await isBroken).toBe(true);
        await until(() => upstream.inFlight === 0, "nothing to be left");
        expect(set.listener.abortAttempts?.(upstream)).toBe(0);
        expect(set.bugs).toEqual([]);
      } finally {
        set.close();
        await origin.close();
        await well.close();
      }
    },

  "leaves encoded bodies and their fields as they are": (engine) =>
    scene(
      engine,
      (_, socket) =>
        void socket.write(
          respondWith(gzipSync("plain text"), ["Content-Encoding: gzip", "Content-Type: text/plain"]),
        ),
      async ({ stage }) => {
        const response = await sendRequest(stage.port, get("/", "Accept-Encoding: gzip\r\n"));
        expect(response.header("content-encoding")).toBe("gzip");
        expect(response.body).toEqual(gzipSync("plain text"));
      },
    ),

  "follows no redirect": (engine) =>
    scene(
      engine,
      (_, socket) => void socket.write(respondWith("", ["Location: /else"], "302 Found")),
      async ({ origin, stage }) => {
        const response = await sendRequest(stage.port, get());
        expect(response.status).toBe(302);
        expect(response.header("location")).toBe("/else");
        expect(origin.requests).toHaveLength(1);
      },
    ),

  "passes repeated Set-Cookie fields one by one": (engine) =>
    scene(
      engine,
      (_, socket) => void socket.write(respondWith("ok", ["Set-Cookie: a=1; Path=/", "Set-Cookie: b=2, c"])),
      async ({ stage }) => {
        const response = await sendRequest(stage.port, get());
        const cookies = response.headers
          .filter(([name]) => name.toLowerCase() === "set-cookie")
          .map(([, value]) => value);
        expect(cookies).toEqual(["a=1; Path=/", "b=2, c"]);
      },
    ),

  "answers HEAD without a body and with the upstream's Content-Length": (engine) =>
    scene(
      engine,
      (_, socket) => void socket.write("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n"),
      async ({ stage }) => {
        const client = await RawClient.connect(stage.port);
        for (let i = 0; i < 2; i++) {
          const response = await client.send(get().replace("GET", "HEAD")).readResponse("HEAD");
          expect(response.header("content-length")).toBe("1234");
        }
        client.destroy();
      },
    ),

  "passes 204 and 304 without a body and keeps the connection": (engine) =>
    scene(
      engine,
      ({ target }, socket) =>
        void socket.write(
          target === "/204"
            ? "HTTP/1.1 204 No Content\r\n\r\n"
            : 'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n',
        ),
      async ({ stage }) => {
        const client = await RawClient.connect(stage.port);
        expect((await client.send(get("/204")).readResponse()).status).toBe(204);
        const response = await client.send(get("/304")).readResponse();
        expect(response.status).toBe(304);
        expect(response.header("etag")).toBe('"x"');
        client.destroy();
      },
    ),

  "answers 100-continue before the body comes": (engine) =>
    scene(
      engine,
      {
        respond: ({ body }, socket) => void socket.write(respondWith(body)),
        // An engine may answer itself, or pass the question on.
        onHead(request, socket) {
          if (request.header("expect")) socket.write("HTTP/1.1 100 Continue\r\n\r\n");
          return false;
        },
      },
      async ({ stage }) => {
        const client = await RawClient.connect(stage.port);
        client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
        expect((await client.readResponse()).status).toBe(100);
        const response = await client.send("hello").readResponse();
        expect(response.body.toString()).toBe("hello");
        client.destroy();
      },
    ),

  "streams an answer piece by piece, before it is complete": (engine) => {
    let finish = () => {};
    return scene(
      engine,
      (_, socket) => {
        socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
        finish = () => void socket.write("6\r\nsecond\r\n0\r\n\r\n");
      },
      async ({ stage }) => {
        const client = await RawClient.connect(stage.port);
        client.send(get());
        await until(() => client.received.includes("first"), "the first piece");
        expect(client.received.includes("second")).toBe(false);
        expect(stage.pool.upstreams[0]?.inFlight).toBe(1);
        finish();
        expect((await client.readResponse()).body.toString()).toBe("firstsecond");
        await until(() => stage.ended.length === 1);
        client.destroy();
      },
    );
  },

  "carries a 32 MB upload and a 64 MB download exactly": (engine) => {
    const upload = patterned(32 * 1024 * 1024);
    const download = patterned(64 * 1024 * 1024);
    return scene(
      engine,
      ({ body }, socket) =>
        void socket.write(respondWith(body.equals(upload) ? download : `wrong: ${body.length}`)),
      async ({ stage }) => {
        const client = await RawClient.connect(stage.port);
        client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${upload.length}\r\n\r\n`).send(upload);
        const response = await client.readResponse("POST", 20_000);
        expect(response.body.equals(download)).toBe(true);
        client.destroy();
      },
    );
  },

  "passes a chunked upload on": (engine) =>
    scene(
      engine,
      ({ body }, socket) => void socket.write(respondWith(body)),
      async ({ stage }) => {
        const request =
          "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
        expect((await sendRequest(stage.port, request)).body.toString()).toBe("hello world");
      },
    ),

  "keeps Content-Length framing of uploads, small and large": (engine) =>
    scene(
      engine,
      (_, socket) => void socket.write(respondWith("ok")),
      async ({ origin, stage }) => {
        for (const length of [5, 300_000]) {
          await sendRequest(stage.port, post("x".repeat(length)));
          expect(origin.requests.at(-1)?.header("content-length")).toBe(String(length));
          expect(origin.requests.at(-1)?.header("transfer-encoding")).toBeUndefined();
        }
      },
    ),

  "lets a client that does not read slow the upstream down": (engine) => {
    const whole = 256 * 1024 * 1024;
    let written = 0;
    return scene(
      engine,
      (_, socket) => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${whole}\r\n\r\n`);
        const piece = Buffer.alloc(64 * 1024, 1);
        const more = () => {
          while (written < whole && !socket.destroyed) {
            written += piece.length;
            if (!socket.write(piece)) return void socket.once("drain", more);
          }
        };
        more();
      },
      async ({ stage }) => {
        const client = await RawClient.connect(stage.port);
        client.socket.pause();
        client.send(get());
        let before = -1;
        await until(async () => {
          const isStill = written === before && written > 0;
          before = written;
          await new Promise((resolve) => setTimeout(resolve, 100));
          return isStill;
        }, "the upstream to pause");
        expect(written).toBeLessThan(whole / 2);
        client.destroy();
      },
    );
  },

  "tries a refused connect elsewhere, whatever the method": async (engine) => {
    const dead = await deadPort();
    await scene(
      engine,
      ({ body }, socket) => void socket.write(respondWith(body)),
      async ({ origin }) => {
        const set = await startEngine(engine, { ports: [dead, origin.port] });
        for (let i = 0; i < 6; i++)
          expect((await sendRequest(set.port, post("pay"))).body.toString()).toBe("pay");
        expect(set.retried.length).toBe(3);
        expect(set.retried[0]).toBe("connect_refused");
        expect(set.pool.upstreams.map(({ inFlight }) => inFlight)).toEqual([0, 0]);
        set.close();
      },
    );
  },

  "tries an idempotent request elsewhere when its upstream resets": (engine) =>
    scene(
      engine,
      (_, socket) => void socket.resetAndDestroy(),
      async ({ origin: bad }) => {
        const good = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
        const set = await startEngine(engine, { ports: [bad.port, good.port] });
        for (let i = 0; i < 4; i++) expect((await sendRequest(set.port, get())).status).toBe(200);
        expect(set.retried).toContain("upstream_reset");
        set.close();
        await good.close();
      },
    ),

  "never sends a POST twice that reached an upstream": (engine) => {
    let received = 0;
    const resets: OriginOptions["respond"] = ({ method }, socket) => {
      if (method === "GET") return void socket.write(respondWith("warm"));
      received += 1;
      socket.resetAndDestroy();
    };
    return scene(engine, resets, async ({ origin }) => {
      const other = await startOrigin(resets);
      const set = await startEngine(engine, { ports: [origin.port, other.port], retries: 2 });
      for (let i = 0; i < 4; i++) await sendRequest(set.port, get());
      for (let i = 1; i <= 4; i++) {
        const response = await sendRequest(set.port, post("pay"));
        expect(response.status).toBe(502);
        expect(response.header("proxy-status")).toContain("upstream_reset");
        expect(received).toBe(i);
      }
      set.close();
      await other.close();
    });
  },

  "answers 502 with Proxy-Status and a reason when every upstream refuses": async (engine) => {
    const set = await startEngine(engine, { ports: [await deadPort(), await deadPort()] });
    const response = await sendRequest(set.port, get("/", "Accept: application/json\r\n"));
    expect(response.status).toBe(502);
    expect(response.header("proxy-status")).toBe(
      'evenkeel; error=connection_refused; details="connect_refused"',
    );
    expect(JSON.parse(response.body.toString()).error).toMatchObject({
      status: 502,
      reason: "connect_refused",
    });
    expect(set.refused).toEqual(["connect_refused"]);
    set.close();
  },

  "refuses a body that its Content-Length says is too large with 413, before it comes": (engine) =>
    scene(
      engine,
      (_, socket) => void socket.write(respondWith("ok")),
      async ({ origin, stage }) => {
        const client = await RawClient.connect(stage.port);
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n");
        const response = await client.readResponse();
        expect(response.status).toBe(413);
        expect(response.body.toString()).toContain("request_too_large");
        client.destroy();
        expect((await sendRequest(stage.port, post("x".repeat(1_000)))).status).toBe(200);
        expect(origin.requests).toHaveLength(1);
      },
      { destination: { maxRequestBodyBytes: 1_000 } },
    ),

  "refuses a body of unknown length with 413 as soon as it is too large, and blames nobody": (engine) =>
    scene(
      engine,
      ({ body }, socket) => void socket.write(respondWith(String(body.length))),
      async ({ stage }) => {
        const chunk = `64\r\n${"x".repeat(100)}\r\n`;
        const head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        const within = await sendRequest(stage.port, `${head}${chunk.repeat(10)}0\r\n\r\n`);
        expect(within.body.toString()).toBe("1000");
        const client = await RawClient.connect(stage.port);
        client.send(head + chunk.repeat(10));
        const response = await client.send(chunk).readResponse();
        expect(response.status).toBe(413);
        client.destroy();
        await until(() => stage.pool.upstreams[0]?.inFlight === 0);
        // What came in one piece may be refused before there is an attempt.
        expect(stage.ended.slice(1).every(({ outcome }) => outcome.kind === "cancelled")).toBe(true);
      },
      { destination: { maxRequestBodyBytes: 1_000 } },
    ),

  "tries an answer with a configured status elsewhere": (engine) =>
    scene(
      engine,
      (_, socket) => void socket.write(respondWith("overloaded", [], "503 Service Unavailable")),
      async ({ origin: bad }) => {
        const good = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
        const destination = { retryStatuses: new Set([503]) };
        const set = await startEngine(engine, { ports: [bad.port, good.port], destination });
        for (let i = 0; i < 4; i++) expect((await sendRequest(set.port, get())).body.toString()).toBe("ok");
        expect(set.retried).toEqual(["status_503", "status_503"]);
        const posted = [];
        for (let i = 0; i < 2; i++) posted.push((await sendRequest(set.port, post("pay"))).status);
        expect(posted.toSorted()).toEqual([200, 503]);
        await until(() => set.pool.upstreams.every(({ inFlight }) => inFlight === 0));
        expect(set.refused).toEqual([]);
        set.close();
        await good.close();
      },
    ),

  "gives the last real answer when trying elsewhere does no better": (engine) => {
    let large = false;
    return scene(
      engine,
      (_, socket) =>
        void socket.write(
          respondWith(large ? "x".repeat(200_000) : "sorry", ["X-From: one"], "503 Service Unavailable"),
        ),
      async ({ origin: bad }) => {
        const worse = await startOrigin((_, socket) => void socket.resetAndDestroy());
        const destination = { retryStatuses: new Set([503]) };
        const set = await startEngine(engine, { ports: [bad.port, worse.port], destination });
        for (let i = 0; i < 4; i++) {
          large = i >= 2;
          const response = await sendRequest(set.port, get());
          expect(response.status).toBe(503);
          expect(response.header("x-from")).toBe("one");
          expect(response.body.length).toBe(large ? 200_000 : 5);
        }
        expect(set.refused).toEqual([]);
        await until(() => set.pool.upstreams.every(({ inFlight }) => inFlight === 0));
        set.close();
        await worse.close();
      },
    );
  },

  "ejects an upstream that resets, whatever the clients see, and goes on with the rest": (engine) =>
    scene(
      engine,
      (_, socket) => void socket.resetAndDestroy(),
      async ({ origin: bad }) => {
        const good = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
        const set = await startEngine(engine, { ports: [bad.port, good.port, good.port], ejectsAfter: 3 });
        for (let i = 0; i < 30; i++) expect((await sendRequest(set.port, get())).status).toBe(200);
        expect(set.pool.upstreams[0]?.status).toBe("ejected");
        expect(set.retried).toHaveLength(3);
        set.close();
        await good.close();
      },
    ),

  "answers 503 with Retry-After when no upstream is fit": async (engine) => {
    const set = await startEngine(engine, { ports: [await deadPort()] });
    for (const upstream of set.pool.upstreams) set.pool.setMode(upstream, "maintenance");
    const response = await sendRequest(set.port, get());
    expect(response.status).toBe(503);
    expect(Number(response.header("retry-after"))).toBeGreaterThan(0);
    expect(response.body.toString()).toContain("no_upstream");
    set.close();
  },

  "answers 504 when the head does not come in time": (engine) =>
    scene(
      engine,
      () => {},
      async ({ stage }) => {
        const response = await sendRequest(stage.port, get());
        expect(response.status).toBe(504);
        expect(response.body.toString()).toContain("head_timeout");
        expect(stage.ended[0]?.outcome).toMatchObject({
          kind: "failure",
          phase: "head",
          reason: "head_timeout",
        });
      },
      { timeouts: { connectMs: 100, headMs: 100 }, retries: 0 },
    ),

  "answers 502 to an answer that is not HTTP": (engine) =>
    scene(
      engine,
      (_, socket) => void socket.end("SSH-2.0-OpenSSH_9.2\r\n\r\n"),
      async ({ stage }) => expect([502, 504]).toContain((await sendRequest(stage.port, get())).status),
      { timeouts: { connectMs: 200, headMs: 300 } },
    ),

  "resets the client when an answer is cut short, and never ends it cleanly": (engine) => {
    const cuts: Readonly<Record<string, string>> = {
      "/length": `HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\nhello`,
      "/chunked": `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`,
    };
    return scene(
      engine,
      ({ target }, socket) => void socket.write(cuts[target] ?? "", () => socket.destroy()),
      async ({ stage }) => {
        for (const target of Object.keys(cuts)) {
          const client = await RawClient.connect(stage.port);
          client.send(get(target));
          await until(() => client.isClosed, "the connection to close");
          expect(client.received.toString()).not.toEndWith("0\r\n\r\n");
          expect(client.isReset || client.received.length === 0 || target === "/length").toBe(true);
        }
        await until(() => stage.ended.length === 2);
        for (const { outcome } of stage.ended)
          expect(outcome).toMatchObject({ kind: "failure", phase: "body" });
      },
    );
  },

  "stops the upstream when the client goes away, and blames nobody": (engine) => {
    let upstreamClosed = 0;
    return scene(
      engine,
      {
        respond: ({ target }, socket) => {
          socket.on("close", () => (upstreamClosed += 1));
          if (target === "/body")
            socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
        },
      },
      async ({ origin, stage }) => {
        for (const target of ["/head", "/body"]) {
          const client = await RawClient.connect(stage.port);
          client.send(get(target));
          await until(
            () => origin.requests.some((request) => request.target === target),
            "the request to arrive",
          );
          if (target === "/body") await until(() => client.received.includes("hello"), "the first piece");
          client.destroy();
          await until(() => stage.pool.upstreams[0]?.inFlight === 0, "the attempt to end");
        }
        await until(() => upstreamClosed === 2, "the upstream's connections to close");
        expect(stage.ended.map(({ outcome }) => outcome.kind)).toEqual(["cancelled", "cancelled"]);
      },
    );
  },

  "refuses two Hosts with 400, CONNECT and TRACE with 405, and lets none of them through": (engine) =>
    scene(
      engine,
      (_, socket) => void socket.write(respondWith("ok")),
      async ({ origin, stage }) => {
        expect((await sendRequest(stage.port, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")).status).toBe(
          400,
        );
        expect((await sendRequest(stage.port, "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n")).status).toBe(405);
        const connect = await sendRequest(stage.port, "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n");
        expect(connect.status).toBe(405);
        expect(connect.header("allow")).toContain("GET");
        expect(origin.requests).toHaveLength(0);
      },
    ),

  "carries a WebSocket both ways: text, binary, subprotocol and close code": (engine) =>
    webSocketScene(engine, async (port, seen) => {
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

  "passes a WebSocket client's close code to the upstream": (engine) =>
    webSocketScene(engine, async (port, seen) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
      await new Promise((resolve) => (socket.onopen = resolve));
      socket.close(4002, "done");
      await until(() => seen.closed !== undefined, "the upstream to see the close");
      expect(seen.closed).toEqual({ code: 4002, reason: "done" });
    }),

  "finishes what is under way before a drain ends, and takes nothing new": (engine) =>
    underWay(engine, async ({ stage, client, finish }) => {
      expect(stage.listener.active()).toBe(1);
      let isDrained = false;
      const drained = stage.listener.drain().then(() => (isDrained = true));
      await until(() => isRefused(stage.port), "new connections to be refused");
      expect(isDrained).toBe(false);
      finish();
      expect((await client.readResponse()).body.toString()).toBe("late");
      await drained;
    }),

  "lets a slow client read its answer to the end before a drain ends": (engine) => {
    const whole = patterned(24 * 1024 * 1024);
    return scene(
      engine,
      (_, socket) => void socket.write(respondWith(whole)),
      async ({ stage }) => {
        const client = await RawClient.connect(stage.port);
        client.send(get());
        await until(() => client.received.length > 0, "the answer to begin");
        client.socket.pause();
        let isDrained = false;
        const drained = stage.listener.drain().then(() => (isDrained = true));
        await until(() => isRefused(stage.port), "new connections to be refused");
        expect(isDrained).toBe(false);
        client.socket.resume();
        expect((await client.readResponse()).body.equals(whole)).toBe(true);
        await drained;
        client.destroy();
      },
    );
  },

  "does not wait for half a head when it drains": (engine) =>
    scene(
      engine,
      (_, socket) => void socket.write(respondWith("ok")),
      async ({ stage }) => {
        const client = await RawClient.connect(stage.port);
        await client.send(get()).readResponse();
        client.send("GET / HT");
        await stage.listener.drain();
        await until(() => client.isClosed, "the connection to be closed");
      },
    ),

  "tells clients to close while it drains": (engine) =>
    underWay(engine, async ({ stage, client, finish }) => {
      const drained = stage.listener.drain();
      finish();
      expect((await client.readResponse()).header("connection")?.toLowerCase()).toBe("close");
      await drained;
      await until(() => client.isClosed, "the connection to be closed");
    }),

  "closes a connection that its client leaves idle": (engine) =>
    scene(
      engine,
      (_, socket) => void socket.write(respondWith("ok")),
      async ({ stage }) => {
        const client = await RawClient.connect(stage.port);
        await client.send(get()).readResponse();
        // Bun's idle timer moves in steps of four seconds.
        await until(() => client.isClosed, "the idle connection to be closed", 12_000);
      },
      { clientTimeouts: { keepAliveMs: 1_000 } },
    ),

  "spreads requests evenly over upstreams and connections": async (engine) => {
    const origins = await Promise.all(
      [1, 2, 3].map((name) => startOrigin((_, socket) => void socket.write(respondWith(`${name}`)))),
    );
    const set = await startEngine(engine, { ports: origins.map(({ port }) => port) });
    const client = await RawClient.connect(set.port);
    const counts = new Map<string, number>();
    for (let i = 0; i < 30; i++) {
      const name = (await client.send(get()).readResponse()).body.toString();
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    expect([...counts.values()]).toEqual([10, 10, 10]);
    expect(origins.every((origin) => origin.connections() === 1)).toBe(true);
    client.destroy();
    set.close();
    await Promise.all(origins.map((origin) => origin.close()));
  },

  "keeps the target's bytes": (engine) =>
    scene(
      engine,
      (_, socket) => void socket.write(respondWith("ok")),
      async ({ origin, stage }) => {
        await sendRequest(stage.port, get("/a%2Fb/%2e%2e/./c//d?q=%zz|"));
        expect(origin.requests[0]?.target).toBe("/a%2Fb/%2e%2e/./c//d?q=%zz|");
      },
    ),

  "keeps names' case, order, duplicates and bytes above 0x7f, and invents no field": (engine) =>
    scene(
      engine,
      (_, socket) => void socket.write(respondWith("ok", ["X-Odd: caf\xe9", "x-twice: 1", "X-Twice: 2"])),
      async ({ origin, stage }) => {
        const response = await sendRequest(
          stage.port,
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

  "keeps Content-Length framing of large answers": (engine) =>
    scene(
      engine,
      (_, socket) => void socket.write(respondWith(patterned(300_000))),
      async ({ stage }) =>
        expect((await sendRequest(stage.port, get())).header("content-length")).toBe("300000"),
    ),

  "passes 103 Early Hints and trailers": (engine) =>
    scene(
      engine,
      (_, socket) =>
        void socket.write(
          "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n",
        ),
      async ({ stage }) => {
        const client = await RawClient.connect(stage.port);
        expect((await client.send(get()).readResponse()).status).toBe(103);
        await until(() => client.received.includes("X-Sum: 7\r\n\r\n"), "the trailer");
        client.destroy();
      },
    ),

  "answers pipelined requests in order": (engine) =>
    scene(
      engine,
      ({ target }, socket) =>
        void setTimeout(() => socket.write(respondWith(target)), target === "/1" ? 30 : 0),
      async ({ stage }) => {
        const client = await RawClient.connect(stage.port);
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

interface Seen {
  target?: string;
  closed?: { code: number; reason: string };
}

/** An upstream that speaks WebSocket: greets, echoes, and closes with 4001 when asked to. */
async function webSocketScene(
  engine: Engine,
  play: (port: number, seen: Seen) => Promise<void>,
): Promise<void> {
  const seen: Seen = {};
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request, server) {
      seen.target = request.url.slice(request.url.indexOf("/", 8));
      const offered = request.headers.get("sec-websocket-protocol");
      const headers = offered ? { "Sec-WebSocket-Protocol": "v1" } : undefined;
      return server.upgrade(request, { headers }) ? undefined : new Response("no", { status: 400 });
    },
    websocket: {
      open: (socket) => void socket.send("welcome"),
      message: (socket, message) =>
        message === "close me" ? socket.close(4001, "bye") : void socket.send(message),
      close: (_, code, reason) => void (seen.closed = { code, reason }),
    },
  });
  const set = await startEngine(engine, { ports: [server.port ?? 0] });
  try {
    await play(set.port, seen);
    await until(() => set.ended.length === 1, "the tunnel to end");
    expect(set.ended[0]).toMatchObject({ status: 101, outcome: { kind: "response" } });
    expect(set.pool.upstreams[0]?.inFlight).toBe(0);
  } finally {
    set.close();
    await server.stop(true);
  }
}

/** Bytes in which every misplaced piece shows. */
function patterned(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i += 4)
    bytes.writeUInt32LE(Math.imul(i, 2654435761) >>> 0, Math.min(i, length - 4));
  return bytes;
}

export const lawNames: readonly string[] = Object.keys(laws);

/** Runs every law; one with an exception must really fail, so that no exception outlives its reason. */
export function engineLaws(engine: Engine, exceptions: Exceptions = {}): void {
  describe(`the ${engine.name} engine`, () => {
    test("has exceptions only to laws that exist", () =>
      expect(Object.keys(exceptions).filter((name) => !(name in laws))).toEqual([]));
    for (const [name, law] of Object.entries(laws)) {
      const exception = exceptions[name];
      if (exception === undefined) test(name, () => law(engine), 30_000);
      else test.failing(`${name} (it cannot: ${exception})`, () => law(engine), 30_000);
    }
  });
}
