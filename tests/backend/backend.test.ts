import { describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { drainLimitMs, graceMs, startBackend } from "../../src/backend/backend.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { runtime } from "../../src/runtime/bun.ts";
import { closeOf, exchange, openSocket } from "../runtime/clients.ts";
import { until } from "../support/wait.ts";
import { type Fixture, manualTimers, withBackend } from "./fixture.ts";

const plain = (run: (fixture: Fixture) => Promise<void>) => () => withBackend({}, {}, run);

describe("a backend returns", () => {
  test("its name and the received request, at any path", () =>
    withBackend({}, { wallClock: () => 0 }, async ({ ask, backend }) => {
      const response = await ask("/any/path%2F?x=1", { headers: { "X-Seen": "yes" } });
      expect(response.status).toBe(200);
      expect(response.headers.get("content-type")).toBe("application/json");
      expect(await response.json()).toEqual({
        server: { name: "demo", port: backend.port, time: "1970-01-01T00:00:00.000Z" },
        request: {
          path: "/any/path%2F",
          method: "GET",
          headers: expect.objectContaining({ "x-seen": "yes", host: `127.0.0.1:${backend.port}` }),
          remote: "127.0.0.1",
        },
      });
    }));

  test(
    "every method, and the size of a body",
    plain(async ({ askJson }) => {
      for (const method of ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"]) {
        const body = new Uint8Array(100_000);
        const init = { method, ...(method === "OPTIONS" ? {} : { body }) };
        const request = { method, ...(method === "OPTIONS" ? {} : { bytes: 100_000 }) };
        expect(await askJson("/upload", init)).toMatchObject({ request });
      }
      const headers = { "content-type": "application/json" };
      const broken = await askJson("/", { method: "POST", headers, body: "{no json" });
      expect(broken).toMatchObject({ request: { bytes: 8 } });
    }),
  );

  test(
    "the size of uploads above Bun's default limit of 128 MB, without storing them",
    plain(async ({ askJson }) => {
      const chunk = new Uint8Array(1024 * 1024);
      let remaining = 150;
      const body = new ReadableStream<Uint8Array>({
        pull: (controller) => (remaining-- > 0 ? controller.enqueue(chunk) : controller.close()),
      });
      const response = await askJson("/", { method: "POST", body });
      expect(response).toMatchObject({ request: { bytes: 150 * 1024 * 1024 } });
    }),
  );

  test(
    "only headers to HEAD",
    plain(async ({ ask }) => {
      for (const path of ["/", "/?bytes=100000", "/healthz", "/readyz", "/metrics", "/sse"]) {
        const response = await ask(path, { method: "HEAD" });
        expect([path, response.status, await response.text()]).toEqual([path, 200, ""]);
      }
    }),
  );

  test(
    "requests whose Host is a single letter",
    plain(async ({ backend }) => {
      const socket = connect(backend.port, "127.0.0.1");
      socket.write("GET /some/where HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
      let text = "";
      for await (const chunk of socket) text += String(chunk);
      expect(text).toContain('"path":"/some/where"');
    }),
  );
});

describe("echo options", () => {
  test("ms replaces the latency", () => {
    const timers = manualTimers();
    return withBackend(
      { latencyMs: { min: 100, max: 300 } },
      { ...timers, random: () => 0.5 },
      async ({ ask }) => {
        for (const [path, delayMs] of [
          ["/", 200],
          ["/?ms=5", 5],
        ] as const) {
          const response = ask(path);
          await until(() => timers.waiting().length === 1);
          expect(timers.waiting()).toEqual([delayMs]);
          timers.fire(delayMs);
          expect((await response).status).toBe(200);
        }
        expect((await ask("/?ms=0")).status).toBe(200);
      },
    );
  });

  test(
    "status is sent, also one without a body",
    plain(async ({ ask }) => {
      for (const status of [200, 204, 205, 301, 304, 404, 418, 503, 599]) {
        expect((await ask(`/?status=${status}`)).status).toBe(status);
      }
    }),
  );

  test(
    "bytes is the exact size of the body",
    plain(async ({ ask }) => {
      for (const bytes of [0, 1, 65_535, 65_536, 65_537, 1_000_000, 50_000_000]) {
        const response = await ask(`/?bytes=${bytes}&status=203`);
        expect([response.status, (await response.bytes()).byteLength]).toEqual([203, bytes]);
      }
    }),
  );

  test(
    "with invalid values get 400 with a sentence for each",
    plain(async ({ ask }) => {
      const response = await ask("/?ms=soon&bytes=9999999999");
      expect(response.status).toBe(400);
      expect(await response.json()).toEqual({
        error:
          'Cannot use ms: expected a whole number from 0 to 60000 (received "soon"). ' +
          'Cannot use bytes: expected a whole number from 0 to 1073741824 (received "9999999999").',
      });
    }),
  );

  test("status overrides the fail rate, which returns 500 in that share", () =>
    withBackend({ failRate: 0.3 }, { random: seededRandom(7) }, async ({ ask, askJson }) => {
      const responses = await Promise.all(Array.from({ length: 400 }, () => ask("/")));
      const failed = responses.filter(({ status }) => status === 500).length;
      expect(failed).toBeWithin(90, 151);
      expect(await askJson("/metrics")).toMatchObject({ requests: 400, errors: failed });
      const input = await Promise.all(Array.from({ length: 40 }, () => ask("/?status=201")));
      expect(input.every(({ status }) => status === 201)).toBe(true);
    }));
});

describe("the other paths of a backend", () => {
  test(
    "health and readiness",
    plain(async ({ askJson }) => {
      expect(await askJson("/healthz")).toEqual({ status: "alive" });
      expect(await askJson("/readyz")).toEqual({ status: "ready" });
    }),
  );

  test(
    "readiness is set by the operator, with and without the trailing slash",
    plain(async ({ ask, askJson }) => {
      for (const field of ["Via", "X-Forwarded-For", "Forwarded"]) {
        const init = { method: "POST", body: '{"ready": false}', headers: { [field]: "1.1 proxy" } };
        expect((await ask("/admin/ready", init)).status).toBe(403);
        expect((await ask("/readyz")).status).toBe(200);
      }
      for (const path of ["/admin/ready/", "/admin/ready"]) {
        expect(await askJson(path, { method: "POST", body: '{"ready": false}' })).toEqual({ ready: false });
        const unready = await ask("/readyz");
        expect([unready.status, await unready.json()]).toEqual([503, { status: "not ready" }]);
        expect((await ask("/healthz")).status).toBe(200);
        expect(await askJson(path, { method: "POST", body: '{"ready": true}' })).toEqual({ ready: true });
        expect((await ask("/readyz")).status).toBe(200);
      }
    }),
  );

  test(
    "an invalid body changes nothing and gets 400 with a sentence",
    plain(async ({ ask }) => {
      const problem = 'Cannot change readiness: expected {"ready": true} or {"ready": false}';
      const cases: ReadonlyArray<[body: string | undefined, received: string]> = [
        [undefined, '""'],
        ["{no", '"{no"'],
        ["null", '"null"'],
        ['{"ready": "no"}', '"{\\"ready\\": \\"no\\"}"'],
        ["x".repeat(2_000), "an incomplete body or more than 1024 bytes"],
      ];
      for (const [body, received] of cases) {
        const response = await ask("/admin/ready/", {
          method: "POST",
          ...(body === undefined ? {} : { body }),
        });
        const error = `${problem} (received ${received}).`;
        expect([response.status, await response.json()]).toEqual([400, { error }]);
      }
      expect((await ask("/readyz")).status).toBe(200);
    }),
  );

  test(
    "a wrong method gets 405 with the allowed methods",
    plain(async ({ ask }) => {
      const cases = [
        ["/healthz", "POST", "GET, HEAD", "GET or HEAD"],
        ["/readyz", "DELETE", "GET, HEAD", "GET or HEAD"],
        ["/metrics", "PUT", "GET, HEAD", "GET or HEAD"],
        ["/sse", "POST", "GET, HEAD", "GET or HEAD"],
        ["/admin/ready/", "GET", "POST", "POST"],
        ["/admin/ready", "PUT", "POST", "POST"],
      ] as const;
      for (const [path, method, allowed, expected] of cases) {
        const response = await ask(path, { method });
        expect([path, response.status, response.headers.get("allow")]).toEqual([path, 405, allowed]);
        expect(await response.json()).toEqual({
          error: `Cannot serve ${path}: expected the method ${expected} (received ${method}).`,
        });
      }
    }),
  );

  test("metrics count all requests except health, readiness, metrics and admin", () => {
    let now = 0;
    const schedule = (delayMs: number, task: () => void) => {
      now += delayMs;
      task();
      return () => {};
    };
    return withBackend({}, { clock: () => now, schedule }, async ({ ask, askJson }) => {
      for (const path of ["/healthz", "/readyz", "/metrics", "/admin/ready"]) await ask(path);
      expect(await askJson("/metrics")).toEqual({ uptime: 0, requests: 0, errors: 0, avg_response_time: 0 });
      for (const path of ["/?ms=100", "/?ms=200&status=404", "/?ms=300&status=503"]) await ask(path);
      expect(await askJson("/metrics")).toEqual({
        uptime: 0.6,
        requests: 3,
        errors: 1,
        avg_response_time: 200,
      });
    });
  });

  test(
    "metrics are text if text is accepted and JSON is not",
    plain(async ({ ask }) => {
      const cases = [
        ["*/*", "application/json"],
        ["application/json, text/plain, */*", "application/json"],
        ["text/plain", "text/plain; version=0.0.4; charset=utf-8"],
        [
          "application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1",
          "text/plain; version=0.0.4; charset=utf-8",
        ],
      ] as const;
      for (const [accept, type] of cases) {
        const response = await ask("/metrics", { headers: { accept } });
        expect([accept, response.headers.get("content-type")]).toEqual([accept, type]);
      }
    }),
  );
});

test("an exception in a backend gets a 500 that does not reveal it, and is reported", () => {
  const bugs: unknown[] = [];
  const wallClock = (): number => {
    throw new Error("secret");
  };
  return withBackend({}, { wallClock, bug: (error) => void bugs.push(error) }, async ({ ask }) => {
    const response = await ask("/");
    expect([response.status, await response.json()]).toEqual([
      500,
      { error: "Cannot respond: internal error." },
    ]);
    expect(bugs.map(String)).toEqual(["Error: secret"]);
  });
});

describe("endless responses of a backend", () => {
  test("events are sent at once, then each second, until the client disconnects", () => {
    const timers = manualTimers();
    return withBackend({}, { ...timers, wallClock: () => 0 }, async ({ ask, backend }) => {
      const leave = new AbortController();
      const response = await ask("/sse", { signal: leave.signal });
      expect(response.headers.get("content-type")).toBe("text/event-stream");
      const reader = response.body?.getReader();
      for (const tick of [1, 2, 3]) {
        const { value } = (await reader?.read()) ?? {};
        const server = { name: "demo", port: backend.port, time: "1970-01-01T00:00:00.000Z" };
        const data = JSON.stringify({ tick, server });
        expect(new TextDecoder().decode(value)).toBe(`id: ${tick}\ndata: ${data}\n\n`);
        await until(() => timers.waiting().length === 1);
        expect(timers.waiting()).toEqual([1_000]);
        if (tick < 3) timers.fire(1_000);
      }
      leave.abort();
      await until(() => timers.waiting().length === 0, "the timer's end");
    });
  });

  test(
    "WebSocket messages are echoed",
    plain(async ({ url, ask }) => {
      const socket = await openSocket(`${url}/ws`, ["chat"]);
      expect(socket.protocol).toBe("chat");
      expect(await exchange(socket, "over")).toBe("over");
      socket.close();
      const response = await ask("/ws");
      expect([response.status, response.headers.get("upgrade")]).toEqual([426, "websocket"]);
    }),
  );
});

describe("start and stop of a backend", () => {
  test("a port in use is reported with the system's code", () =>
    withBackend({}, {}, async ({ backend }) => {
      const again = { name: "again", port: backend.port, latencyMs: { min: 0, max: 0 }, failRate: 0 };
      const started = startBackend({ ...again, hostname: "127.0.0.1" }, runtime);
      await expect(started).rejects.toMatchObject({ code: "EADDRINUSE" });
    }));

  test("stop: not ready for two seconds, then no new requests until the open ones are finished", () => {
    const timers = manualTimers();
    return withBackend({}, timers, async ({ backend, url, ask, askJson }) => {
      const slow = ask("/?ms=500");
      const events = await ask("/sse");
      const socketClosed = closeOf(await openSocket(`${url}/ws`));
      await until(() => timers.waiting().length === 2);
      const stopped = backend.stop();
      expect(backend.stop()).toBe(stopped);

      expect((await ask("/readyz")).status).toBe(503);
      const input = await askJson("/admin/ready", { method: "POST", body: '{"ready": true}' });
      expect(input).toEqual({ ready: false });
      expect((await ask("/")).status).toBe(200);
      expect(timers.waiting().toSorted()).toEqual([1_000, graceMs, 500]);

      timers.fire(graceMs);
      expect(await events.text()).toStartWith("id: 1\n");
      expect((await socketClosed).code).toBe(1001);
      await expect(runtime.dial("127.0.0.1", backend.port, 1_000)).rejects.toMatchObject({
        code: "ECONNREFUSED",
      });
      expect(timers.waiting()).toEqual([500, drainLimitMs]);
      timers.fire(500);
      expect((await slow).status).toBe(200);
      await stopped;
      expect(timers.waiting()).toEqual([]);
    });
  });

  test("stop: requests that are still open after the limit are aborted", () => {
    const timers = manualTimers();
    return withBackend({}, timers, async ({ backend, ask }) => {
      const slow = ask("/?ms=60000", { method: "POST" });
      slow.catch(() => {});
      await until(() => timers.waiting().length === 1);
      const stopped = backend.stop();
      timers.fire(graceMs);
      await until(() => timers.waiting().includes(drainLimitMs));
      timers.fire(drainLimitMs);
      await stopped;
      await expect(slow).rejects.toMatchObject({ code: "ECONNRESET" });
    });
  });

  test("close while it stops: the stop resolves too", () => {
    const timers = manualTimers();
    return withBackend({}, timers, async ({ backend }) => {
      const stopped = backend.stop();
      backend.close();
      timers.fire(graceMs);
      await stopped;
    });
  });
});
