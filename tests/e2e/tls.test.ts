import { describe, expect, test } from "bun:test";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { engineNames } from "../../src/config/config.ts";
import type { Snapshot } from "../../src/snapshot/snapshot.ts";
import { temporaryFolder } from "../support/folder.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";

const fixture = (name: string) => join(import.meta.dirname, "../engine/wire/certificates", name);
const [caFile, certFile, keyFile] = [fixture("authority.crt"), fixture("server.crt"), fixture("server.key")];
const [ca, cert, key] = [caFile, certFile, keyFile].map((file) => readFileSync(file, "utf8"));

const inFolder = temporaryFolder("tls");

let files = 0;
function fileWith(text: string): string {
  const path = inFolder(`${(files += 1)}.yaml`);
  writeFileSync(path, text);
  return path;
}

/** An https server that responds with the path and Host of the request, and echoes WebSocket messages. */
function secureOrigin() {
  return Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    tls: { cert: cert ?? "", key: key ?? "" },
    fetch(request, server) {
      if (server.upgrade(request, { data: undefined })) return undefined;
      return new Response(`safe ${new URL(request.url).pathname} ${request.headers.get("host")}`);
    },
    websocket: { message: (socket, message) => void socket.send(message) },
  });
}

const listen = ["--port", "0", "--admin-port", "0", "--host", "127.0.0.1"];

/** A balancer with one pool; `pool` is the pool's YAML in the file. */
async function balancer(programs: Programs, engine: string, pool: string, ...flags: string[]) {
  const config = fileWith(`pools: { main: { ${pool} } }\n`);
  const proxy = programs.evenkeel("proxy", ...listen, "--engine", engine, "--config", config, ...flags);
  const port = await proxy.port("balancer");
  const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
  const snapshot = async () => (await (await fetch(`${admin}/api/snapshot`)).json()) as Snapshot;
  return { proxy, config, port, admin, url: `http://127.0.0.1:${port}`, snapshot };
}

async function echoed(url: string, options: object = {}): Promise<unknown> {
  const socket = new WebSocket(`${url.replace(/^http/, "ws")}/echo`, options as string[]);
  const message = new Promise((resolve) => {
    socket.onmessage = ({ data }) => resolve(data);
    socket.onclose = ({ code }) => resolve(`closed ${code}`);
  });
  socket.onopen = () => socket.send("hello");
  const response = await message;
  socket.close();
  return response;
}

describe.each([...engineNames])("TLS on the %s engine", (engine) => {
  test.concurrent(
    "clients connect over https, and the upstream gets X-Forwarded-Proto",
    async () => {
      await using programs = new Programs();
      const origin = await startOrigin(
        ({ header: field }, socket) => void socket.write(respondWith(field("x-forwarded-proto") ?? "")),
      );
      const flags = ["--tls-cert", certFile, "--tls-key", keyFile];
      const { port } = await balancer(programs, engine, `upstreams: [${origin.url}]`, ...flags);
      for (let i = 0; i < 3; i++) {
        const response = await fetch(`https://127.0.0.1:${port}/`, { tls: { ca: ca ?? "" } });
        expect([response.status, await response.text()]).toEqual([200, "https"]);
      }
      const plain = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
      const words = "The plain HTTP request was sent to an HTTPS port.\n";
      if (engine === "wire") expect([plain?.status, await plain?.text()]).toEqual([400, words]);
      else expect(plain).toBeUndefined();
      await origin.close();
    },
    20_000,
  );

  test.concurrent(
    "a WebSocket works through TLS on both sides",
    async () => {
      await using programs = new Programs();
      const origin = secureOrigin();
      const { port } = await balancer(
        programs,
        engine,
        `upstreamTls: { ca: ${caFile} }, upstreams: ["https://127.0.0.1:${origin.port}"]`,
        ...["--tls-cert", certFile, "--tls-key", keyFile],
      );
      expect(await echoed(`https://127.0.0.1:${port}`, { tls: { ca } })).toBe("hello");
      await origin.stop(true);
    },
    20_000,
  );

  test.concurrent.each([
    ["is accepted with its authority", "127.0.0.1", `ca: ${caFile}`, 200],
    ["is rejected without its authority", "127.0.0.1", "", 502],
    ["is rejected for another server name", "127.0.0.1", `ca: ${caFile}, serverName: other.example`, 502],
    ["is accepted for its own server name", "localhost", `ca: ${caFile}, serverName: up.example`, 200],
    ["is rejected for another host", "localhost", `ca: ${caFile}`, 502],
    ["is accepted without verification", "localhost", "verify: false", 200],
  ])(
    "an upstream's certificate %s",
    async (_, host, tls, status) => {
      await using programs = new Programs();
      const origin = secureOrigin();
      const { url, proxy, snapshot } = await balancer(
        programs,
        engine,
        `retries: 0, upstreams: [{ url: "https://${host}:${origin.port}", tls: { ${tls} } }]`,
      );
      // The client sets the Host header: it must not decide which certificate is accepted.
      const response = await fetch(`${url}/a`, { headers: { host: "up.example" } });
      expect([response.status, response.headers.get("proxy-status") ?? ""]).toEqual([
        status,
        status === 200 ? "" : expect.stringContaining("connection_refused"),
      ]);
      if (status === 200) expect(await response.text()).toBe("safe /a up.example");
      else {
        await until(() => proxy.stderr.includes("connect_refused"), "the log");
        expect(proxy.stderr).toMatch(/"?phase"?: ?"connect"/);
        expect((await snapshot()).pools[0]?.refusals).toEqual({ connect_refused: 1 });
      }
      expect(await echoed(url)).toBe(status === 200 ? "hello" : "closed 1006");
      expect(proxy.stderr.includes("is not verified")).toBe(tls === "verify: false");
      await origin.stop(true);
    },
    20_000,
  );

  test.concurrent(
    "probes over https verify certificates as requests do",
    async () => {
      await using programs = new Programs();
      const origin = secureOrigin();
      const at = `https://127.0.0.1:${origin.port}`;
      const { snapshot } = await balancer(
        programs,
        engine,
        `probe: { path: /up, interval: 1s, fall: 1 }, upstreams: [
        { url: "${at}", name: good, tls: { ca: ${caFile} } }, { url: "${at}", name: unknown },
        { url: "${at}", name: misnamed, tls: { ca: ${caFile}, serverName: other.example } },
        { url: "${at}", name: trusting, tls: { verify: false } }]`,
      );
      const seen = Object.fromEntries(
        (await snapshot()).pools[0]?.upstreams.map(({ id, lastProbe }) => [id, lastProbe?.detail]) ?? [],
      );
      expect(seen).toEqual({
        good: "status 200",
        unknown: "certificate signed by an untrusted authority",
        misnamed: "certificate for another name",
        trusting: "status 200",
      });
      await origin.stop(true);
    },
    20_000,
  );

  test.concurrent(
    "a reload changes certificate verification, also for idle connections",
    async () => {
      await using programs = new Programs();
      const origin = secureOrigin();
      const upstream = (tls: string) =>
        `retries: 0, outlier: { maxEjected: 0 }, upstreams: [{ url: "https://127.0.0.1:${origin.port}", name: a, tls: { ${tls} } }]`;
      const { url, admin, config } = await balancer(programs, engine, upstream("verify: false"));
      const statusNow = async () => {
        const { status, body } = await fetch(url);
        await body?.cancel();
        return status;
      };
      expect(await statusNow()).toBe(200);
      writeFileSync(config, `pools: { main: { ${upstream("serverName: other.example")} } }\n`);
      const report = await (await fetch(`${admin}/api/reload`, { method: "POST" })).text();
      expect(report).toContain("tls.verify");
      expect(await statusNow()).toBe(502);
      writeFileSync(config, `pools: { main: { ${upstream(`ca: ${caFile}`)} } }\n`);
      await fetch(`${admin}/api/reload`, { method: "POST" });
      expect(await statusNow()).toBe(200);
      await origin.stop(true);
    },
    20_000,
  );

  test.concurrent(
    "an expired certificate is reported everywhere, and a renewed one only once it is in use",
    async () => {
      await using programs = new Programs();
      const origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
      const shown = inFolder(`${engine}.crt`);
      copyFileSync(fixture("expired.crt"), shown);
      const flags = ["--tls-cert", shown, "--tls-key", keyFile];
      const start = () => balancer(programs, engine, `upstreams: [${origin.url}]`, ...flags);
      const { proxy, admin, snapshot } = await start();
      const metricLines = async (from: string) => (await (await fetch(`${from}/metrics`)).text()).split("\n");
      const gauge = `evenkeel_certificate_expiry_timestamp_seconds{source="${shown}"}`;
      const [ended, ends] = [Date.parse("2021-01-01T00:00:00Z"), Date.parse("2036-11-19T15:24:15Z")];
      const ofExpired = { source: shown, expiresAt: ended, status: "expired" } as const;

      const warning = `--tls-cert: the certificate from ${shown} expired on 2021-01-01`;
      await until(() => proxy.stderr.includes(warning), "the warning");
      const { certificates, events } = await snapshot();
      expect(certificates).toMatchObject([{ ...ofExpired, validFrom: Date.parse("2020-01-01T00:00:00Z") }]);
      expect(JSON.stringify(certificates)).not.toMatch(/BEGIN/);
      expect(events.find(({ kind }) => kind === "certificate")).toMatchObject({
        from: "",
        to: "expired",
        reason: "time",
        by: "balancer",
        pool: null,
        upstream: null,
        detail: `${shown} expired on 2021-01-01`,
      });
      expect(await metricLines(admin)).toContain(`${gauge} ${ended / 1_000}`);

      copyFileSync(certFile, shown);
      const report = await (await fetch(`${admin}/api/reload`, { method: "POST" })).json();
      if (engine === "fetch") {
        expect(report).toMatchObject({ applied: false, needsRestart: [`certificate ${shown}`] });
        expect((await snapshot()).certificates).toMatchObject([ofExpired]);
        expect(await metricLines(admin)).toContain(`${gauge} ${ended / 1_000}`);
      } else {
        expect(report).toMatchObject({ applied: true, needsRestart: [] });
        expect((await snapshot()).certificates).toMatchObject([{ status: "valid", expiresAt: ends }]);
        expect(await metricLines(admin)).toContain(`${gauge} ${ends / 1_000}`);
      }

      const renewed = await start();
      expect((await renewed.snapshot()).certificates).toMatchObject([{ status: "valid", expiresAt: ends }]);
      expect(await metricLines(renewed.admin)).toContain(`${gauge} ${ends / 1_000}`);
      await origin.close();
    },
    20_000,
  );

  test.concurrent(
    "a client beyond maxClients gets 503",
    async () => {
      await using programs = new Programs();
      const origin = await startOrigin(() => {});
      const { url } = await balancer(programs, engine, `upstreams: [${origin.url}]`, "--max-clients", "1");
      const leave = new AbortController();
      const held = fetch(url, { signal: leave.signal }).catch(() => "left");
      await until(() => origin.requests.length === 1, "the first request");
      const response = await fetch(`${url}/second`, { keepalive: false });
      expect([response.status, await response.text()]).toEqual([
        503,
        expect.stringContaining("too_many_clients"),
      ]);
      leave.abort();
      expect(await held).toBe("left");
      await origin.close();
    },
    20_000,
  );
});

test.concurrent("a key of another certificate prints one sentence and exits with 2", async () => {
  await using programs = new Programs();
  const { privateKey } = (await import("node:crypto")).generateKeyPairSync("ec", { namedCurve: "P-256" });
  const other = inFolder("other.key");
  writeFileSync(other, privateKey.export({ type: "pkcs8", format: "pem" }));
  const proxy = programs.evenkeel("proxy", ...listen, "--tls-cert", certFile, "--tls-key", other);
  expect(await proxy.exited).toEqual({ code: 2, signal: null });
  expect(proxy.stderr).toBe(
    `Cannot use --tls-key: the key does not match the certificate in --tls-cert (received ${JSON.stringify(other)}).\n`,
  );
});
