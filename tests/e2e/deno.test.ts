import { beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:http2";
import { tmpdir } from "node:os";
import type { Socket } from "node:net";
import { join } from "node:path";

import { engineNames } from "../../src/config/config.ts";
import type { Snapshot } from "../../src/snapshot/snapshot.ts";
import { request, startAuthenticatingOrigin, whoIs } from "../laws/authentication-laws.ts";
import { findDeno } from "../support/deno.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { isGone, Program, Programs } from "../support/program.ts";
import { sendRequest, RawClient } from "../support/raw-client.ts";
import {
  closeCodeIn,
  frame,
  framesIn,
  openRawWebSocket,
  startWebSocketOrigin,
} from "../support/websocket.ts";
import { until } from "../support/wait.ts";

const root = join(import.meta.dirname, "../..");

describe("under Deno", () => {
  let deno = "";
  beforeAll(async () => {
    deno = await findDeno();
  }, 120_000);

  const flags = ["--port", "0", "--admin-port", "0", "--host", "127.0.0.1"];
  const start = (programs: Programs, ...argv: string[]) =>
    programs.start([deno, "run", "-A", join(root, "src/main.ts"), ...argv]);

  test.each([...engineNames])(
    "the %s engine forwards, streams, fails over and drains",
    async (engine) => {
      if (!deno) return;
      await using programs = new Programs();
      const dead = await startOrigin(() => {});
      await dead.close();
      const origin = await startOrigin(({ body, target }, socket) => {
        if (target === "/cut")
          return void socket.write("HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\nhello", () =>
            socket.destroy(),
          );
        socket.write(respondWith(target === "/big" ? Buffer.alloc(5_000_000, 7) : body));
      });
      const proxy = start(
        programs,
        "proxy",
        ...flags,
        "--engine",
        engine,
        "--upstreams",
        `http://127.0.0.1:${dead.port},${origin.url}`,
      );
      const port = await proxy.port("balancer", 20_000);
      for (let i = 0; i < 4; i++) {
        const response = await sendRequest(
          port,
          "POST /x%20y HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello",
        );
        expect(response.status).toBe(200);
        expect(response.body.toString()).toBe("hello");
      }
      expect(origin.requests[0]?.target).toBe("/x%20y");
      expect(origin.requests[0]?.header("host")).toBe("a.example");
      expect(origin.requests[0]?.header("x-forwarded-for")).toBe("127.0.0.1");
      expect((await sendRequest(port, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n")).body.length).toBe(5_000_000);
      const client = await RawClient.connect(port);
      client.send("GET /cut HTTP/1.1\r\nHost: a\r\n\r\n");
      await until(() => client.isClosed, "the truncated response to close its client");
      expect(client.received.toString()).not.toEndWith("0\r\n\r\n");
      expect((await proxy.kill("SIGTERM")).code).toBe(0);
      await origin.close();
    },
    40_000,
  );

  test.each([...engineNames])(
    "the %s engine serves no client on a connection that NTLM authenticated for another",
    async (engine) => {
      if (!deno) return;
      await using programs = new Programs();
      const origin = await startAuthenticatingOrigin();
      const proxy = start(programs, "proxy", ...flags, "--engine", engine, "--upstreams", origin.url);
      const port = await proxy.port("balancer", 20_000);
      const ann = await RawClient.connect(port);
      const ticket = request("Authorization: Negotiate ticket-ann\r\n");
      expect((await ann.send(ticket).readResponse()).body.toString()).toBe("ann");
      if (engine === "wire") expect(await whoIs(ann)).toBe("ann");
      for (let i = 0; i < 3; i++) expect((await sendRequest(port, request())).status).toBe(401);
      ann.destroy();
      expect((await proxy.kill("SIGTERM")).code).toBe(0);
      await origin.close();
    },
    40_000,
  );

  test.each([...engineNames])(
    "the %s engine reads targets and hosts as the RFC does",
    async (engine) => {
      if (!deno) return;
      await using programs = new Programs();
      const origin = await startOrigin(({ method }, socket) =>
        method === "HEAD"
          ? void socket.write("HTTP/1.1 200 OK\r\n\r\n")
          : void socket.write(respondWith("ok", ["Content-Type: text/plain"])),
      );
      const proxy = start(programs, "proxy", ...flags, "--engine", engine, "--upstreams", origin.url);
      const port = await proxy.port("balancer", 20_000);
      const statusOf = async (line: string, host: string) =>
        (await sendRequest(port, `${line} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)).status;
      expect(await statusOf("OPTIONS *", "a")).toBe(200);
      expect(origin.requests.at(-1)?.target).toBe("*");
      expect(await statusOf("GET http://A:80/x", "a")).toBe(200);
      expect(await statusOf("GET https://a/x", "a")).toBe(200);
      expect(origin.requests.at(-1)?.header("x-forwarded-proto")).toBe("http");
      const seen = origin.requests.length;
      let forwarded = 0;
      for (const [line, host] of [
        ["GET http://b/x", "a"],
        ["GET /x", "a/b"],
        ["GET /x", "user@a"],
      ] as const) {
        const status = await statusOf(line, host);
        expect([200, 400]).toContain(status);
        if (status === 200) forwarded += 1;
      }
      // Each was refused, or its target named the host.
      const hosts = origin.requests.slice(seen).map((request) => request.header("host"));
      expect(hosts).toEqual(Array.from({ length: forwarded }, () => "b"));
      const head = await sendRequest(port, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD");
      expect([head.status, head.header("content-length")]).toEqual([200, undefined]);
      await origin.close();
    },
    40_000,
  );

  test("the fetch engine closes a WebSocket with a message above the limit with 1009", async () => {
    if (!deno) return;
    await using programs = new Programs();
    const upstream = await startWebSocketOrigin();
    const proxy = start(programs, "proxy", ...flags, "--engine", "fetch", "--upstreams", upstream.origin.url);
    const port = await proxy.port("balancer", 20_000);
    const client = await openRawWebSocket(port);
    const side = await upstream.side(0);
    client.send(frame("hello", { opcode: "text", masked: true }));
    await until(() => framesIn(side.received()).length === 1, "a small message");
    client.send(frame(Buffer.alloc(1_048_577), { masked: true }));
    await until(() => closeCodeIn(client.received) !== undefined, "the client's close frame");
    expect(closeCodeIn(client.received)).toBe(1009);
    await until(() => closeCodeIn(side.received()) !== undefined, "the upstream's close frame");
    const second = await openRawWebSocket(port);
    (await upstream.side(1)).socket.write(frame(Buffer.alloc(1_048_577)));
    await until(() => closeCodeIn(second.received) !== undefined, "the other client's close frame");
    expect(closeCodeIn(second.received)).toBe(1011);
    for (const open of [client, second]) open.destroy();
    await upstream.origin.close();
  }, 40_000);

  test("the fetch engine ends a WebSocket whose upstream breaks off or breaks the protocol with a valid code", async () => {
    if (!deno) return;
    await using programs = new Programs();
    const upstream = await startWebSocketOrigin();
    const proxy = start(programs, "proxy", ...flags, "--engine", "fetch", "--upstreams", upstream.origin.url);
    const port = await proxy.port("balancer", 20_000);
    const ends: readonly ((socket: Socket) => unknown)[] = [
      (socket) => socket.destroy(),
      (socket) => socket.resetAndDestroy(),
      (socket) => socket.write(Buffer.from("8500", "hex")),
    ];
    for (const [index, end] of ends.entries()) {
      const client = await openRawWebSocket(port);
      end((await upstream.side(index)).socket);
      await until(() => closeCodeIn(client.received) !== undefined, "the client's close frame");
      expect([index, closeCodeIn(client.received)]).toEqual([index, 4000]);
      client.destroy();
    }
    await upstream.origin.close();
  }, 40_000);

  test("the admin API serves its description and streams, and the commands work", async () => {
    if (!deno) return;
    await using programs = new Programs();
    const origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
    const proxy = start(programs, "proxy", ...flags, "--upstreams", `${origin.url};name=a`);
    const admin = `http://127.0.0.1:${await proxy.port("admin", 20_000)}`;
    await until(async () => (await fetch(`${admin}/readyz`)).ok, "the balancer", 10_000);
    expect(await (await fetch(`${admin}/api/docs`)).text()).toContain("/api/docs/style.css");
    expect(await (await fetch(`${admin}/api/openapi.json`)).json()).toMatchObject({ openapi: "3.1.1" });

    const end = new AbortController();
    const stream = await fetch(`${admin}/api/stream?snapshots=1s`, { signal: end.signal });
    const reader = stream.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    const read = async (what: string) => {
      while (!text.includes(what)) text += (await reader?.read())?.value ?? "";
    };
    await read("event: snapshot\n");
    const withRequestId = { headers: { "X-Request-Id": "asked" } };
    await (await fetch(`http://127.0.0.1:${await proxy.port("balancer")}/page`, withRequestId)).text();
    await until(async () => (await fetch(`${admin}/api/requests/asked`)).ok, "the record");
    const kept = await (await fetch(`${admin}/api/requests?from=-1h&path=/page`)).json();
    expect(kept).toMatchObject({ requests: [{ requestId: "asked" }], next: null });
    const summary = await (await fetch(`${admin}/api/requests/summary?from=-1h`)).json();
    expect(summary).toMatchObject({ counts: { failed: 0 }, groups: [{ upstreams: [] }] });
    const explained = start(programs, "explain", "asked", "--admin-url", admin);
    expect((await explained.exited).code).toBe(0);
    expect(explained.stdout).toContain("GET /page of ");
    expect(explained.stdout).toContain("The client got 200.");
    const drain = start(programs, "drain", "a", "--wait", "5s", "--admin-url", admin);
    await drain.exited;
    expect(drain.stdout).toBe("a is drained.\n");
    await read('"to":"drained"');
    end.abort();
    const problems = async () => (await fetch(`${admin}/api/problems`)).text();
    await until(async () => (await problems()).includes("pool_empty"), "the problem of the next sample");
    const status = start(programs, "status", "--admin-url", admin);
    expect((await status.exited).code).toBe(1);
    expect(status.stdout).toMatch(/^No upstream (is available|serves pool main)$/m);
    expect((await proxy.kill("SIGTERM")).code).toBe(0);
    await origin.close();
  }, 60_000);

  test.each([...engineNames])(
    "the %s engine carries a WebSocket to the demo server, and the dashboard shows it",
    async (engine) => {
      if (!deno) return;
      await using programs = new Programs();
      const backend = start(programs, "backend", "--port", "0", "--host", "127.0.0.1");
      const upstream = `http://127.0.0.1:${await backend.port("backend", 20_000)};name=echo-server`;
      const place = [...flags, "--dashboard-port", "0", "--engine", engine, "--upstreams", upstream];
      const up = start(programs, "up", ...place);
      const socket = new WebSocket(`ws://127.0.0.1:${await up.port("balancer", 20_000)}/ws`);
      const message = new Promise((resolve) => (socket.onmessage = ({ data }) => resolve(data)));
      socket.onopen = () => socket.send("through Deno");
      expect(await message).toBe("through Deno");
      socket.close();
      const page = await fetch(`http://127.0.0.1:${await up.port("dashboard")}/`);
      expect(await page.text()).toContain("echo-server");
    },
    40_000,
  );

  test("users log in with hashes that Bun made, and act within their role", async () => {
    if (!deno) return;
    await using programs = new Programs();
    const origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
    const folder = mkdtempSync(join(tmpdir(), "evenkeel-deno-"));
    const config = join(folder, "users.yaml");
    const cost = { algorithm: "argon2id", memoryCost: 1_024, timeCost: 1 } as const;
    const hash = await Bun.password.hash("otto's password", cost);
    const users = `[{ name: otto, role: operator, passwordHash: "${hash}" }]`;
    const upstream = `{ url: "${origin.url}", name: one }`;
    writeFileSync(config, `admin: { users: ${users} }\npools: { main: { upstreams: [${upstream}] } }\n`);
    const up = start(programs, "up", ...flags, "--dashboard-port", "0", "--config", config);
    const url = `http://127.0.0.1:${await up.port("dashboard", 20_000)}`;
    const cookies = new Map<string, string>();
    const visit = async (path: string, form?: Record<string, string>) => {
      const response = await fetch(url + path, {
        redirect: "manual",
        headers: {
          Accept: "text/html",
          Origin: url,
          Cookie: [...cookies].map((pair) => pair.join("=")).join("; "),
        },
        ...(form && { method: "POST", body: new URLSearchParams(form) }),
      });
      for (const field of response.headers.getSetCookie()) {
        const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(field) ?? [];
        cookies.set(name, value);
      }
      const html = await response.text();
      return { status: response.status, html, csrf: /name="csrf" value="([^"]*)"/.exec(html)?.[1] ?? "" };
    };
    expect((await visit("/")).status).toBe(303);
    const { csrf } = await visit("/login");
    expect((await visit("/login", { csrf, name: "otto", password: "wrong" })).status).toBe(401);
    expect((await visit("/login", { csrf, name: "otto", password: "otto's password" })).status).toBe(303);
    const page = await visit("/");
    expect(page.html).toContain(">otto<");
    expect((await visit("/logout", { csrf: "forged" })).status).toBe(403);
    expect((await visit("/logout", { csrf: page.csrf })).status).toBe(303);
    expect((await visit("/")).status).toBe(303);
    rmSync(folder, { recursive: true });
    await origin.close();
  }, 40_000);

  test.each([...engineNames])(
    "TLS to clients, HTTP/2 too, and to upstreams on the %s engine",
    async (engine) => {
      if (!deno) return;
      await using programs = new Programs();
      const pem = (name: string) => join(root, "tests/engine/wire/certificates", name);
      const [ca, cert, key] = ["authority.crt", "server.crt", "server.key"].map((name) =>
        readFileSync(pem(name), "utf8"),
      );
      const origin = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        tls: { cert: cert ?? "", key: key ?? "" },
        fetch: ({ headers }) => new Response(`${headers.get("host")} ${headers.get("x-forwarded-proto")}`),
      });
      const folder = mkdtempSync(join(tmpdir(), "evenkeel-deno-"));
      const config = join(folder, "tls.yaml");
      const url = `https://127.0.0.1:${origin.port}`;
      writeFileSync(
        config,
        `pools:
  good: { upstreams: [{ url: "${url}", name: good, tls: { ca: ${pem("authority.crt")} } }], probe: { path: / } }
  bad: { retries: 0, upstreams: [{ url: "${url}", name: bad }] }
routes: [{ host: bad.example, pool: bad }, { pool: good }]\n`,
      );
      const tls = ["--tls-cert", pem("server.crt"), "--tls-key", pem("server.key")];
      const proxy = start(programs, "proxy", ...flags, "--engine", engine, "--config", config, ...tls);
      const at = `https://127.0.0.1:${await proxy.port("balancer", 20_000)}/`;
      const response = async (host: string) => {
        const response = await fetch(at, { headers: { host }, tls: { ca: ca ?? "" } });
        return response.text();
      };
      expect(await response("a.example")).toBe("a.example https");
      expect(await response("bad.example")).toStartWith("502 connect_refused");
      const metrics = await fetch(`http://127.0.0.1:${await proxy.port("admin", 20_000)}/metrics`);
      expect(await metrics.text()).toContain(
        `evenkeel_certificate_expiry_timestamp_seconds{source="${pem("server.crt")}"} 2110721055\n`,
      );
      if (engine === "fetch") {
        const session = connect(at, { ca: ca ?? "" });
        const stream = session.request({ ":authority": "b.example" });
        let body = "";
        stream.setEncoding("utf8").on("data", (text: string) => (body += text));
        await new Promise((resolve) => stream.on("end", resolve).end());
        expect(body).toBe("b.example https");
        session.close();
      }
      rmSync(folder, { recursive: true });
      await origin.stop(true);
    },
    40_000,
  );

  test.each([...engineNames])(
    "two workers share a port on the %s engine, are replaced, drain, and leave no process behind",
    async (engine) => {
      if (!deno) return;
      await using programs = new Programs();
      const waiting: (() => void)[] = [];
      const origin = await startOrigin(({ target }, socket) => {
        const response = () => socket.write(respondWith("hello"));
        if (target === "/slow") waiting.push(response);
        else response();
      });
      const two = ["--engine", engine, "--workers", "2", "--upstreams", origin.url];
      const proxy = start(programs, "proxy", ...flags, ...two);
      const port = await proxy.port("balancer", 20_000);
      const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
      const snapshot = async () => (await (await fetch(`${admin}/api/snapshot`)).json()) as Snapshot;
      const supervisors = async () => (await snapshot()).workers ?? [];
      const request = (target = "/") =>
        sendRequest(port, `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
      for (let i = 0; i < 60; i++) expect((await request()).status).toBe(200);
      const counted = async () => (await supervisors()).reduce((sum, { requests }) => sum + requests, 0);
      await until(async () => (await counted()) === 60, "the counts to be reported");
      expect((await supervisors()).every(({ requests }) => requests > 0)).toBe(true);
      // No other process gets that port, not even with its own workers.
      const late = start(
        programs,
        "proxy",
        "--admin-port",
        "0",
        "--host",
        "127.0.0.1",
        ...two,
        "--port",
        `${port}`,
      );
      expect((await late.exited).code).toBe(2);
      expect(late.stderr).toContain("the address is already in use; set --port or listen.port.");

      const [victim] = (await supervisors()).map(({ pid }) => pid);
      process.kill(victim ?? 0, "SIGKILL");
      await until(
        async () => (await supervisors()).some(({ restarts }) => restarts === 1),
        "its replacement",
      );
      await until(async () => (await supervisors()).every(({ ready }) => ready), "it to serve");
      const pids = (await supervisors()).map(({ pid }) => pid);
      expect(pids).not.toContain(victim);
      const slow = Array.from({ length: 6 }, () => request("/slow"));
      await until(() => waiting.length === 6, "the requests to arrive");
      proxy.child.kill("SIGTERM");
      await until(async () => (await fetch(`${admin}/readyz`)).status === 503, "readiness to become 503");
      for (const response of waiting.splice(0)) response();
      expect((await Promise.all(slow)).map(({ status }) => status)).toEqual(
        Array.from({ length: 6 }, () => 200),
      );
      expect((await proxy.exited).code).toBe(0);
      await until(() => pids.every(isGone), "the workers to exit");
      await origin.close();
    },
    60_000,
  );

  test("workers exit when their parent is killed", async () => {
    if (!deno) return;
    await using programs = new Programs();
    const origin = await startOrigin((_, socket) => void socket.write(respondWith("hello")));
    const proxy = start(programs, "proxy", ...flags, "--workers", "2", "--upstreams", origin.url);
    const admin = `http://127.0.0.1:${await proxy.port("admin", 20_000)}`;
    const { workers = [] } = (await (await fetch(`${admin}/api/snapshot`)).json()) as Snapshot;
    expect(workers).toHaveLength(2);
    await proxy.kill("SIGKILL");
    await until(() => workers.every(({ pid }) => isGone(pid)), "the workers to exit");
    await origin.close();
  }, 40_000);

  test("a worker exits when its channel breaks, even if it does not see its parent's end", async () => {
    if (!deno) return;
    await using programs = new Programs();
    const parent = join(root, "tests/support/half-dead-parent.pl");
    const worker = programs.start(["perl", parent, deno, "run", "-A", join(root, "src/main.ts"), "worker"]);
    expect([await worker.exited, worker.stderr]).toEqual([{ code: 0, signal: null }, ""]);
  }, 30_000);

  test("the runtime passes its laws", async () => {
    if (!deno) return;
    const laws = new Program([deno, "test", "-A", "--no-check", join(root, "tests/runtime/deno-smoke.ts")]);
    const { code } = await laws.exited;
    expect(`${code} ${laws.stdout}`).toContain("0 failed");
    expect(code).toBe(0);
  }, 60_000);
});
