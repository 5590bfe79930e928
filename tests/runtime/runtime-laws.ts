/** Laws of every runtime, as plain functions that both bun:test and node:test run. Real sockets, loopback only. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { until } from "../support/wait.ts";
import { addressLaws } from "./address-laws.ts";
import { ask, closeOf, exchange, openSocket, quietStream } from "./clients.ts";
import { limitLaws } from "./limit-laws.ts";
import { hasIpv6, listen, opening, serving, startChild } from "./fixture.ts";

export interface RuntimeLaw {
  /** A sentence whose subject is the runtime. */
  readonly name: string;
  readonly check: (runtime: Runtime) => Promise<void>;
}

/** The same runtime, with limits for the listeners that may have them. */
export function limited(runtime: Runtime): Runtime {
  const limits = { maxConnections: 1_000, headMs: 5_000, idleMs: 5_000, stallMs: 5_000 };
  const serve: Runtime["serve"] = (options) =>
    runtime.serve(options.echoPath === undefined ? { limits, ...options } : options);
  return { ...runtime, serve };
}

const respondOk = () => new Response("ok");

const hasCode = (code: string) => (error: unknown) => {
  assert.ok(error instanceof Error, `${error} is not an Error`);
  assert.equal("code" in error && error.code, code, error.message);
  return true;
};

/** "Kahn's öre" with costs that differ from the default, one hash by Bun and one by @noble/hashes. */
const foreignHashes = [
  "$argon2id$v=19$m=2048,t=1,p=1$MUL6bqMHAQBsFooSydzOqfmPKVgRw2XLukjgLoVkjo0$Inh3kQBk43nVUNCPRx7mXEEMrbB7QWXZ+atHEd/kDFk",
  "$argon2id$v=19$m=1024,t=3,p=2$eGDcAKA5uVh3hNvAPEFAXg$5+3a5UxbrnjQyGbNwbI58hDiYZr0QC2zRrcDcZbDuco",
];

export const runtimeLaws: readonly RuntimeLaw[] = [
  {
    name: "creates password hashes that it can verify, and no two alike",
    check: async ({ passwords }) => {
      const [one, two] = [await passwords.hash("Kahn's öre"), await passwords.hash("Kahn's öre")];
      assert.match(one, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{43}\$[\w+/]{43}$/);
      assert.notEqual(one, two);
      assert.equal(await passwords.verify("Kahn's öre", one), true);
      assert.equal(await passwords.verify("Kahn's ore", one), false);
    },
  },
  {
    name: "verifies bcrypt hashes of every kind, of which only 72 bytes of the password count",
    check: async ({ passwords }) => {
      // Test vectors of crypt_blowfish 1.3.
      const rest = "$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
      for (const kind of ["$2a", "$2b", "$2y"]) {
        assert.equal(await passwords.verify("U*U", kind + rest), true);
        assert.equal(await passwords.verify("U*V", kind + rest), false);
      }
      const text = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
      const hash = "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui";
      assert.equal(await passwords.verify(`${text}chars after 72 are ignored`, hash), true);
      assert.equal(await passwords.verify(text.slice(1), hash), false);
      await assert.rejects(passwords.verify("x", "$2y$05$nonsense"));
    },
  },
  {
    name: "verifies password hashes that another runtime created with other costs",
    check: async ({ passwords }) => {
      for (const hash of foreignHashes) {
        assert.equal(await passwords.verify("Kahn's öre", hash), true);
        assert.equal(await passwords.verify("", hash), false);
      }
      await assert.rejects(passwords.verify("x", "$argon2id$v=19$nonsense"));
    },
  },
  {
    name: "serves on a free port and passes on the client's address",
    check: (runtime) =>
      serving(runtime, { handle: (_, client) => new Response(client) }, async (url) => {
        assert.equal(await (await ask(url)).text(), "127.0.0.1");
      }),
  },
  ...addressLaws,
  ...limitLaws,
  {
    name: "passes on the address of an IPv4 client in the same form on a listener for both families",
    check: async (runtime) => {
      if (!(await hasIpv6())) return;
      const options = { hostname: "::", handle: (_: Request, client: string) => new Response(client) };
      await serving(runtime, options, async (url) => {
        assert.equal(await (await ask(url)).text(), "127.0.0.1");
      });
    },
  },
  {
    name: "rejects with EADDRINUSE if the port is in use",
    check: (runtime) =>
      serving(runtime, { handle: respondOk }, async (url) => {
        const options = { hostname: "127.0.0.1", port: Number(new URL(url).port), handle: respondOk };
        await assert.rejects(runtime.serve(options), hasCode("EADDRINUSE"));
      }),
  },
  {
    name: "responds to a bug of the handler with a bare 500 and reports it",
    check: async (runtime) => {
      const bugs: unknown[] = [];
      const options = {
        bug: (error: unknown) => void bugs.push(error),
        handle: (request: Request) => {
          if (request.url.endsWith("/later")) return Promise.reject(new Error("secret"));
          throw new Error("secret");
        },
      };
      await serving(runtime, options, async (url) => {
        for (const path of ["now", "later"]) {
          const response = await ask(`${url}/${path}`);
          assert.equal(response.status, 500);
          assert.match(response.headers.get("content-type") ?? "", /^text\/plain/);
          assert.equal(await response.text(), "500 Internal Server Error\n");
        }
        assert.deepEqual(bugs.map(String), ["Error: secret", "Error: secret"]);
      });
    },
  },
  {
    name: "drains: the open request is finished, new ones are refused",
    check: async (runtime) => {
      const arrived = Promise.withResolvers<void>();
      const held = Promise.withResolvers<Response>();
      const options = {
        handle: () => {
          arrived.resolve();
          return held.promise;
        },
      };
      await serving(runtime, options, async (url, listener) => {
        const response = ask(url);
        await arrived.promise;
        let drained = false;
        const drain = listener.drain().then(() => (drained = true));
        await assert.rejects(runtime.dial("127.0.0.1", listener.port, 2_000), hasCode("ECONNREFUSED"));
        assert.equal(drained, false);
        held.resolve(new Response("done"));
        assert.equal(await (await response).text(), "done");
        await drain;
      });
    },
  },
  {
    name: "closes: an open stream is aborted",
    check: (runtime) =>
      serving(runtime, { handle: () => new Response(quietStream()) }, async (url, listener) => {
        const reader = (await ask(url)).body?.getReader();
        assert.ok((await reader?.read())?.value);
        listener.close();
        await assert.rejects(async () => await reader?.read());
      }),
  },
  {
    name: "closes: a drain that waits for an endless response resolves",
    check: (runtime) =>
      serving(runtime, { handle: () => new Response(quietStream()) }, async (url, listener) => {
        const reader = (await ask(url)).body?.getReader();
        await reader?.read();
        const drain = listener.drain();
        listener.close();
        await drain;
        await reader?.cancel().catch(() => {});
      }),
  },
  {
    name: "cancels the source of a stream when the client has disconnected",
    check: async (runtime) => {
      const left = Promise.withResolvers<void>();
      await serving(runtime, { handle: () => new Response(quietStream(left.resolve)) }, async (url) => {
        const leave = new AbortController();
        const reader = (await ask(url, { signal: leave.signal })).body?.getReader();
        await reader?.read();
        leave.abort();
        await left.promise;
      });
    },
  },
  {
    name: "echoes text, bytes and empty messages, in the subprotocol that was offered first",
    check: (runtime) =>
      serving(runtime, { handle: respondOk, echoPath: "/echo" }, async (url) => {
        const socket = await openSocket(`${url}/echo`, ["first", "second"]);
        assert.equal(socket.protocol, "first");
        assert.equal(await exchange(socket, "grüße"), "grüße");
        assert.equal(await exchange(socket, ""), "");
        const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
        const echoed = await exchange(socket, bytes);
        assert.deepEqual(echoed instanceof ArrayBuffer && new Uint8Array(echoed), bytes);
        socket.close();
      }),
  },
  {
    name: "echoes every message of a client that sends faster than it reads",
    check: (runtime) =>
      serving(runtime, { handle: respondOk, echoPath: "/echo" }, async (url) => {
        const socket = await openSocket(`${url}/echo`);
        const [count, size] = [256, 256 * 1024];
        let received = 0;
        const done = Promise.withResolvers<void>();
        socket.onmessage = ({ data }) => {
          received += (data as ArrayBuffer).byteLength;
          if (received === count * size) done.resolve();
        };
        socket.onclose = ({ code }) => done.reject(new Error(`closed with ${code} after ${received} bytes`));
        for (let sent = 0; sent < count; sent++) socket.send(new Uint8Array(size));
        await done.promise;
        socket.onclose = null;
        socket.close();
      }),
  },
  {
    name: "returns code and reason to a client that closes",
    check: (runtime) =>
      serving(runtime, { handle: respondOk, echoPath: "/echo" }, async (url) => {
        const socket = await openSocket(`${url}/echo`);
        const closed = closeOf(socket);
        socket.close(4001, "enough");
        const { code, reason } = await closed;
        assert.deepEqual({ code, reason }, { code: 4001, reason: "enough" });
      }),
  },
  {
    name: "closes echo sockets with 1001 when it drains",
    check: (runtime) =>
      serving(runtime, { handle: respondOk, echoPath: "/echo" }, async (url, listener) => {
        const closed = closeOf(await openSocket(`${url}/echo`));
        await listener.drain();
        assert.equal((await closed).code, 1001);
      }),
  },
  {
    name: "passes requests for the echo path that are not WebSocket handshakes to the handler",
    check: (runtime) =>
      serving(runtime, { handle: respondOk, echoPath: "/echo" }, async (url) => {
        assert.equal(await (await ask(`${url}/echo`)).text(), "ok");
        const socket = connect(Number(new URL(url).port), "127.0.0.1");
        socket.write("GET /echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
        const [chunk] = (await once(socket, "data")) as [Buffer];
        assert.match(chunk.toString(), /^HTTP\/1\.1 200 /);
        socket.destroy();
      }),
  },
  {
    name: "dials a listener, and rejects with ECONNREFUSED for a closed port",
    check: async (runtime) => {
      const closed = Promise.withResolvers<void>();
      const origin = await listen((socket) => socket.resume().on("close", closed.resolve));
      await runtime.dial("127.0.0.1", origin.port, 2_000);
      await runtime.dial("localhost", origin.port, 2_000);
      await closed.promise;
      await origin.close();
      await assert.rejects(runtime.dial("127.0.0.1", origin.port, 2_000), hasCode("ECONNREFUSED"));
    },
  },
  {
    name: "takes a pause of its own process for no silence of a server",
    check: async (runtime) => {
      const origin = await listen((socket) =>
        socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")),
      );
      const greeting = new TextEncoder().encode("PROXY UNKNOWN\r\n");
      const probe = { url: `${origin.url}/`, timeoutMs: 300, headers: {} };
      const started = Promise.all([
        runtime.dial("127.0.0.1", origin.port, 300),
        runtime.dial("127.0.0.1", origin.port, 300, greeting),
        runtime.probeHttp(probe),
        runtime.probeHttp({ ...probe, greeting }),
      ]);
      const resumesAt = performance.now() + 700;
      while (performance.now() < resumesAt);
      assert.deepEqual((await started).slice(2), [200, 200]);
      await origin.close();
    },
  },
  {
    name: "sends a greeting first where there is one: in a dial, and before the request of a probe",
    check: async (runtime) => {
      const greeting = Buffer.from("PROXY UNKNOWN\r\n");
      const received: string[] = [];
      const closed = Promise.withResolvers<void>();
      const origin = await listen((socket) => {
        let text = "";
        socket.on("error", () => {});
        socket.on("data", (chunk: Buffer) => {
          text += chunk.toString("latin1");
          if (text.endsWith("\r\n\r\n")) socket.write("HTTP/1.1 204 No Content\r\n\r\n");
        });
        socket.on("close", () => {
          received.push(text);
          closed.resolve();
        });
      });
      await runtime.dial("127.0.0.1", origin.port, 2_000, greeting);
      await closed.promise;
      const url = `http://127.0.0.1:${origin.port}/healthz`;
      assert.equal(await runtime.probeHttp({ url, timeoutMs: 2_000, headers: {}, greeting }), 204);
      while (received.length < 2) await new Promise((resolve) => setImmediate(resolve));
      await origin.close();
      assert.equal(received[0], "PROXY UNKNOWN\r\n");
      assert.match(received[1] ?? "", /^PROXY UNKNOWN\r\nGET \/healthz HTTP\/1\.1\r\n/);
    },
  },
  {
    name: "dials an IPv6 address in the form of a URL",
    check: async (runtime) => {
      if (!(await hasIpv6())) return;
      const origin = await listen((socket) => socket.resume(), "::1");
      await runtime.dial("[::1]", origin.port, 2_000);
      await origin.close();
    },
  },
  {
    name: "rejects with ETIMEDOUT without a response, and leaves no growing number of sockets behind",
    check: async (runtime) => {
      const hole = startChild(runtime, "black-hole.ts", []);
      try {
        const port = Number(await hole.firstLine);
        await assert.rejects(async () => {
          // Each dial that succeeds fills an entry of the backlog of a listener that never accepts.
          for (let tries = 0; tries < 1_000; tries++) await runtime.dial("127.0.0.1", port, 200);
        }, hasCode("ETIMEDOUT"));
        const probe = { url: `http://127.0.0.1:${port}/`, timeoutMs: 200, headers: {} };
        await assert.rejects(runtime.probeHttp(probe), hasCode("ETIMEDOUT"));
        // Bun cannot cancel a connect, so one of a dial and one of a probe may stay, for any number of calls.
        await until(() => opening(port) <= 2);
      } finally {
        hole.stop();
      }
    },
  },
  {
    name: "sends a new SYN with each dial, and does not wait for a hanging one that retransmits ever more rarely",
    check: async (runtime) => {
      // Systems retransmit a SYN after one, three and seven seconds: by then the first dial has sent two.
      const hole = startChild(runtime, "black-hole.ts", ["1300"]);
      try {
        const port = Number(await hole.firstLine);
        await assert.rejects(async () => {
          for (let tries = 0; tries < 1_000; tries++) await runtime.dial("127.0.0.1", port, 100);
        }, hasCode("ETIMEDOUT"));
        await until(() => hole.lines.includes("accepts"));
        await runtime.dial("127.0.0.1", port, 500);
      } finally {
        hole.stop();
      }
    },
  },
  {
    name: "probes: sends the given headers and returns the status of a redirect, an error and a success",
    check: async (runtime) => {
      for (const status of ["204 No Content", "302 Found", "404 Not Found", "503 Busy"]) {
        const head = `HTTP/1.1 ${status}\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n`;
        const heads: string[] = [];
        const origin = await listen((socket) =>
          socket.on("data", (chunk: Buffer) => {
            heads.push(chunk.toString());
            socket.write(head);
          }),
        );
        const headers = { host: "shop.test:81", "user-agent": "evenkeel-probe" };
        const url = `${origin.url}/up?deep=1`;
        assert.equal(await runtime.probeHttp({ url, timeoutMs: 2_000, headers }), Number(status.slice(0, 3)));
        await origin.close();
        assert.equal(heads.length, 1);
        assert.match(heads[0] ?? "", /^GET \/up\?deep=1 HTTP\/1\.1\r\n/);
        assert.match(heads[0] ?? "", /\r\nhost: shop\.test:81\r\n/i);
        assert.match(heads[0] ?? "", /\r\nuser-agent: evenkeel-probe\r\n/i);
        assert.match(heads[0] ?? "", /\r\nconnection: close\r\n/i);
      }
    },
  },
  {
    name: "probes: return the status of a response whose form only a lenient reader accepts",
    check: async (runtime) => {
      const ok = "HTTP/1.1 204 No Content\r\n";
      for (const response of [
        `${ok}X: a\r\n b\r\n\r\n`,
        `${ok}X : a\r\n\r\n`,
        `\r\n${ok}\r\n`,
        `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\nX(y): a\n\n`,
        `${ok}${"X: a\r\n".repeat(400)}\r\n`,
        `${ok}Content-Length: 5, 5\r\n\r\n`,
        `${ok}X: ${"a".repeat(100_000)}\r\n\r\n`,
      ]) {
        const origin = await listen((socket) => socket.on("data", () => socket.write(response)));
        const status = await runtime.probeHttp({ url: origin.url, timeoutMs: 2_000, headers: {} });
        assert.equal(status, 204, response.slice(0, 100));
        await origin.close();
      }
      for (const other of ["SSH-2.0-OpenSSH_9.2\r\n", "HTTP/2.0 204 No Content\r\nX(y): a\r\n\r\n"]) {
        const origin = await listen((socket) => socket.on("data", () => socket.write(other)));
        const probe = runtime.probeHttp({ url: origin.url, timeoutMs: 2_000, headers: {} });
        await assert.rejects(probe, hasCode("head_invalid"));
        await origin.close();
      }
    },
  },
  {
    name: "probes: does not wait for a body and does not reuse connections",
    check: async (runtime) => {
      let [opened, closed] = [0, 0];
      const origin = await listen((socket) => {
        opened += 1;
        socket.on("close", () => (closed += 1));
        socket.on("data", () => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nbegun"));
      });
      for (let i = 0; i < 3; i++) {
        assert.equal(await runtime.probeHttp({ url: origin.url, timeoutMs: 2_000, headers: {} }), 200);
      }
      await until(() => closed === 3);
      assert.equal(opened, 3);
      await origin.close();
    },
  },
  {
    name: "probes: rejects with the code of the error",
    check: async (runtime) => {
      const probe = (port: number) =>
        runtime.probeHttp({ url: `http://127.0.0.1:${port}/`, timeoutMs: 200, headers: {} });
      const unresponsive = await listen((socket) => socket.resume());
      await assert.rejects(probe(unresponsive.port), hasCode("ETIMEDOUT"));
      await unresponsive.close();
      await assert.rejects(probe(unresponsive.port), hasCode("ECONNREFUSED"));
      let opened = 0;
      const broken = await listen((socket) => {
        opened += 1;
        socket.on("data", () => socket.resetAndDestroy());
      });
      await assert.rejects(probe(broken.port), hasCode("ECONNRESET"));
      assert.equal(opened, 1);
      await broken.close();
    },
  },
  {
    name: "restarts itself with its arguments, and then allows more than 256 concurrent fetches",
    check: async (runtime) => {
      const together = 300;
      const waiting: Array<(response: Response) => void> = [];
      const handle = (request: Request): Response | Promise<Response> => {
        if (request.url.endsWith("/probe")) return respondOk();
        return new Promise((resolve) => {
          waiting.push(resolve);
          if (waiting.length === together) for (const response of waiting) response(respondOk());
        });
      };
      await serving(runtime, { handle }, async (url) => {
        const child = startChild(runtime, "child.ts", [url, String(together), "two words", "--flag=ü"]);
        const { pid, firstLine } = child;
        const expected = {
          name: runtime.name,
          pid,
          rest: ["two words", "--flag=ü"],
          probed: 200,
          fetched: together,
        };
        assert.deepEqual(JSON.parse(await firstLine.finally(child.stop)), expected);
      });
    },
  },
  {
    name: "probes without a proxy of the environment",
    check: (runtime) =>
      serving(runtime, { handle: respondOk }, async (url) => {
        const proxies = { HTTP_PROXY: "http://127.0.0.1:1", http_proxy: "http://127.0.0.1:1" };
        const child = startChild(runtime, "child.ts", [url, "0"], proxies);
        assert.equal(JSON.parse(await child.firstLine.finally(child.stop)).probed, 200);
      }),
  },
];
