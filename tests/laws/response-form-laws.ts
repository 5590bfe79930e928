/** What engines must do with the form of responses: read it as other proxies do, normalise it, or refuse it without blame. */

import { expect } from "bun:test";

import type { Engine } from "../../src/engine/engine.ts";
import { respondWith, type Origin, type Responder, startOrigin } from "../support/origin.ts";
import { type RawResponse, sendRequest, RawClient } from "../support/raw-client.ts";
import { type EngineFixture, type EngineFixtureOptions, startEngine } from "../support/engine-fixture.ts";
import { until } from "../support/wait.ts";

const get = (target = "/", headers = "") => `GET ${target} HTTP/1.1\r\nHost: a\r\n${headers}\r\n`;

interface Scene {
  readonly origins: readonly Origin[];
  readonly fixture: EngineFixture;
  ask(request?: string): Promise<RawResponse>;
}

/** Two servers that respond alike. */
async function withServers(
  engine: Engine,
  respond: Responder,
  run: (scene: Scene) => Promise<void>,
  options: Partial<EngineFixtureOptions> = {},
): Promise<void> {
  const origins = await Promise.all([startOrigin(respond), startOrigin(respond)]);
  const ports = origins.map(({ port }) => port);
  const fixture = await startEngine(engine, { ports, ejectsAfter: 3, ...options });
  try {
    await run({ origins, fixture, ask: (request = get()) => sendRequest(fixture.port, request) });
    expect(fixture.bugs).toEqual([]);
  } finally {
    fixture.close();
    await Promise.all(origins.map((origin) => origin.close()));
  }
}

/** Responds to any target but /good with these bytes. */
const unlessGood =
  (bytes: string): Responder =>
  ({ target }, socket) =>
    void socket.write(target === "/good" ? respondWith("good") : Buffer.from(bytes, "latin1"));

const ok = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";

const attemptsOf = ({ origins }: Scene) =>
  origins.flatMap(({ requests }) => requests.filter(({ target }) => target !== "/good")).length;

const states = ({ fixture }: Scene) => fixture.pool.upstreams.map(({ outlier }) => outlier.state);

export const responseFormLaws: Readonly<Record<string, (engine: Engine) => Promise<void>>> = {
  "forwards a response with a field of 20,000 bytes": (engine) =>
    withServers(
      engine,
      unlessGood(`${ok}X-Big: ${"a".repeat(20_000)}\r\nContent-Length: 2\r\n\r\nok`),
      async (scene) => {
        for (let i = 0; i < 8; i++) {
          const response = await scene.ask();
          expect([response.status, response.header("x-big")?.length]).toEqual([200, 20_000]);
        }
        expect(attemptsOf(scene)).toBe(8);
      },
    ),

  "refuses a response with a head above the limit as 502 answer_refused: the rule goes to client and record, no retry, no ejection":
    (engine) =>
      withServers(
        engine,
        unlessGood(`${ok}X-Big: ${"a".repeat(100_000)}\r\nContent-Length: 2\r\n\r\nok`),
        async (scene) => {
          const rule = "the head is larger than 65536 bytes";
          for (let i = 0; i < 8; i++) {
            const response = await scene.ask();
            expect(response.status).toBe(502);
            expect(response.header("proxy-status")).toContain(`details="answer_refused: ${rule}"`);
            expect(response.body.toString()).toStartWith(
              `502 answer_refused: The upstream's response was refused: ${rule}. (`,
            );
            expect((await scene.ask(get("/good"))).body.toString()).toBe("good");
          }
          expect(attemptsOf(scene)).toBe(8);
          expect(states(scene)).toEqual(["up", "up"]);
          const refused = scene.fixture.records.filter(({ status }) => status === 502);
          expect(refused.length).toBe(8);
          const record = { reason: "answer_refused", complaint: rule, notRetried: "answer_refused" };
          for (const one of refused) expect(one).toMatchObject(record);
        },
        { retries: 2 },
      ),

  "refuses a response with more fields than the limit, which is configured": (engine) =>
    withServers(
      engine,
      unlessGood(
        `${ok}${Array.from({ length: 60 }, (_, i) => `X-${i}: a\r\n`).join("")}Content-Length: 2\r\n\r\nok`,
      ),
      async (scene) => {
        const response = await scene.ask();
        expect([response.status, response.body.toString()]).toEqual([
          502,
          expect.stringContaining("more than 50 header fields"),
        ]);
        expect((await scene.ask(get("/good"))).status).toBe(200);
      },
      { limits: { responseFields: 50 } },
    ),

  "takes a malformed response of a server that responds well otherwise for no failure of it": (engine) => {
    const odd = ["HTTP/1.1 20 OK", "HTTP/1.1 200 OK\r\nX(y): a", "HTTP/1.1 200 OK\r\nContent-Length: x", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2", "HTTP/1.1 200 OK\r\nTransfer-Encoding: foo", "HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: x"]; // prettier-ignore
    let start = "";
    return withServers(
      engine,
      ({ target }, socket) =>
        void socket.write(target === "/good" ? respondWith("good") : `${start}\r\n\r\nhello`),
      async (scene) => {
        for (let i = 0; i < 2; i++) expect((await scene.ask(get("/good"))).status).toBe(200);
        for (const next of odd) {
          start = next;
          for (let i = 0; i < 4; i++) {
            expect((await scene.ask(get("/good"))).status).toBe(200);
            const response = await scene.ask();
            expect(response.status).toBe(502);
            expect([next, response.header("proxy-status")]).toEqual([
              next,
              expect.stringContaining('details="answer_refused: '),
            ]);
          }
        }
        expect(attemptsOf(scene)).toBe(odd.length * 4);
        expect(states(scene)).toEqual(["up", "up"]);
      },
      { ejectsAfter: 2 },
    );
  },

  "counts bytes that are no HTTP as a failure of their server, and tries another one": (engine) =>
    withServers(
      engine,
      (_, socket) => void socket.write("SSH-2.0-OpenSSH_9.2\r\n"),
      async (scene) => {
        const response = await scene.ask();
        expect([response.status, response.header("proxy-status")]).toEqual([
          502,
          expect.stringContaining('details="head_invalid"'),
        ]);
        expect(attemptsOf(scene)).toBe(2);
        for (let i = 0; i < 4; i++) await scene.ask();
        expect(states(scene).toSorted()).toEqual(["ejected", "up"]);
      },
    ),

  "cuts a response whose chunks become malformed, and its server is not at fault": (engine) =>
    withServers(
      engine,
      ({ target }, socket) => {
        if (target === "/good") return void socket.write(respondWith("good"));
        socket.write(`${ok}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`);
        setTimeout(() => socket.write("xyz\r\n"), 30);
      },
      async (scene) => {
        for (let i = 0; i < 6; i++) {
          const client = await RawClient.connect(scene.fixture.port);
          client.send(get());
          await until(() => client.isClosed || client.isEnded, "the cut");
          expect(client.received.toString()).not.toEndWith("0\r\n\r\n");
          client.destroy();
        }
        await until(() => scene.fixture.records.length === 6, "the records");
        expect(scene.fixture.records[0]?.reason).toBe("answer_refused");
        expect(states(scene)).toEqual(["up", "up"]);
      },
      { ejectsAfter: 2 },
    ),

  "takes the reason of a truncated response for a failure of its server": (engine) =>
    withServers(
      engine,
      (_, socket) => {
        socket.write(`${ok}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`);
        setTimeout(() => socket.destroy(), 30);
      },
      async (scene) => {
        const client = await RawClient.connect(scene.fixture.port);
        client.send(get());
        await until(() => client.isClosed || client.isEnded, "the cut");
        client.destroy();
        await until(() => scene.fixture.records.length === 1, "the record");
        expect(scene.fixture.records[0]?.reason).toBe("body_truncated");
      },
    ),

  "reads equal Content-Lengths as one": (engine) =>
    withServers(
      engine,
      unlessGood(`${ok}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`),
      async ({ ask }) => {
        const response = await ask();
        expect([response.status, response.body.toString()]).toEqual([200, "hello"]);
        const lengths = response.headers.filter(([name]) => name.toLowerCase() === "content-length");
        expect(lengths.map(([, value]) => value)).toEqual(["5"]);
      },
    ),

  "reads a response by its chunks where a Content-Length stands beside them": (engine) =>
    withServers(
      engine,
      unlessGood(`${ok}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`),
      async ({ ask }) => {
        const response = await ask();
        expect([response.status, response.body.toString()]).toEqual([200, "hello"]);
        expect(["5", undefined]).toContain(response.header("content-length"));
      },
    ),

  "reads a response of HTTP/1.2, and one without a reason": (engine) => {
    const starts = ["HTTP/1.2 200 OK", "HTTP/1.1 200"];
    return withServers(
      engine,
      ({ target }, socket) =>
        void socket.write(`${starts[Number(target.slice(1))]}\r\nContent-Length: 2\r\n\r\nok`),
      async ({ ask }) => {
        for (const target of ["/0", "/1"]) expect((await ask(get(target))).body.toString()).toBe("ok");
      },
    );
  },

  "reads a response with empty lines before it, folded fields, spaces before colons or equal lengths in a list":
    (engine) => {
      const odd = [
        `\r\n${ok}Content-Length: 2\r\n\r\nok`,
        `${ok}X: a\r\n b\r\nContent-Length: 2\r\n\r\nok`,
        `${ok}Content-Length : 2\r\n\r\nok`,
        `${ok}Content-Length: 2, 2\r\n\r\nok`,
      ];
      return withServers(
        engine,
        ({ target }, socket) => void socket.write(odd[Number(target.slice(1))] ?? ""),
        async ({ ask, origins }) => {
          for (const index of odd.keys()) {
            const response = await ask(get(`/${index}`));
            expect([index, response.status, response.body.toString()]).toEqual([index, 200, "ok"]);
          }
          expect(origins.reduce((sum, { requests }) => sum + requests.length, 0)).toBe(odd.length);
        },
      );
    },

  "reads a response whose lines end with LF, and writes it with CR LF": (engine) =>
    withServers(engine, unlessGood("HTTP/1.1 200 OK\nX-One: 1\nContent-Length: 2\n\nok"), async ({ ask }) => {
      const response = await ask();
      expect([response.status, response.header("x-one"), response.body.toString()]).toEqual([200, "1", "ok"]);
    }),

  "forwards statuses from 600 to 999": (engine) =>
    withServers(
      engine,
      unlessGood("HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\nok"),
      async ({ ask, fixture }) => {
        const response = await ask();
        expect([response.status, response.reason, response.body.toString()]).toEqual([999, "Odd", "ok"]);
        await until(() => fixture.ended.length === 1);
        expect(fixture.ended[0]?.outcome.kind).toBe("response");
      },
    ),

  "adds Date to a response without one and to its own, and changes no other": (engine) =>
    withServers(
      engine,
      ({ target }, socket) =>
        void socket.write(
          respondWith("ok", target === "/dated" ? ["Date: Sun, 06 Nov 1994 08:49:37 GMT"] : []),
        ),
      async ({ ask }) => {
        const dated = await ask(get("/dated"));
        const dates = dated.headers.filter(([name]) => name.toLowerCase() === "date");
        expect(dates.map(([, value]) => value)).toEqual(["Sun, 06 Nov 1994 08:49:37 GMT"]);
        for (const request of [get(), get().replace("GET", "TRACE")]) {
          const response = await ask(request);
          const date = response.headers.filter(([name]) => name.toLowerCase() === "date");
          expect(date.length).toBe(1);
          expect(Math.abs(Date.parse(date[0]?.[1] ?? "") - Date.now())).toBeLessThan(3_000);
        }
      },
    ),

  "keeps the protocols that a 426 names": (engine) =>
    withServers(
      engine,
      unlessGood(
        "HTTP/1.1 426 Upgrade Required\r\nConnection: upgrade\r\nUpgrade: TLS/1.0\r\nContent-Length: 0\r\n\r\n",
      ),
      async ({ ask }) => {
        const response = await ask();
        expect([response.status, response.header("upgrade")]).toEqual([426, "TLS/1.0"]);
        expect(response.header("connection")?.toLowerCase()).toContain("upgrade");
      },
    ),

  "gives an upstream its head timeout again with each interim response": (engine) =>
    withServers(
      engine,
      (_, socket) => {
        let sent = 0;
        const timer = setInterval(() => {
          sent += 1;
          if (sent < 8) return void socket.write("HTTP/1.1 102 Processing\r\n\r\n");
          clearInterval(timer);
          socket.write(respondWith("at last"));
        }, 200);
        socket.on("close", () => clearInterval(timer));
      },
      async ({ fixture }) => {
        const client = await RawClient.connect(fixture.port);
        client.send(get());
        await until(
          () => client.received.includes("at last") || client.received.includes(" 504 "),
          "a response",
        );
        expect(client.received.toString()).toContain("at last");
        client.destroy();
      },
      { timeouts: { headMs: 700, connectMs: 100 } },
    ),

  "accepts a request head of 30,000 bytes, and one of 120 fields": (engine) =>
    withServers(
      engine,
      ({ headers }, socket) => void socket.write(respondWith(String(headers.length))),
      async ({ ask }) => {
        expect((await ask(get("/", `X-Big: ${"a".repeat(30_000)}\r\n`))).status).toBe(200);
        const fields = Array.from({ length: 120 }, (_, i) => `X-${i}: a\r\n`).join("");
        const response = await ask(get("/", fields));
        expect(response.status).toBe(200);
        expect(Number(response.body.toString())).toBeGreaterThanOrEqual(120);
      },
    ),

  "refuses a request beyond the configured limits": (engine) =>
    withServers(
      engine,
      (_, socket) => void socket.write(respondWith("ok")),
      async ({ ask, origins }) => {
        const fields = Array.from({ length: 40 }, (_, i) => `X-${i}: a\r\n`).join("");
        const responses = [
          await ask(get(`/${"a".repeat(2_000)}`)),
          await ask(get("/", fields)),
          await ask(get("/", `X: ${"a".repeat(5_000)}\r\n`)),
        ];
        expect(responses.map(({ status }) => status)).toEqual([414, 431, 431]);
        expect(origins.flatMap(({ requests }) => requests)).toEqual([]);
      },
      { limits: { requestHeadBytes: 4_096, requestFields: 30, requestTargetBytes: 1_024 } },
    ),
};
