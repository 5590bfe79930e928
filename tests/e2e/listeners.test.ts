import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { connect } from "node:http2";
import { join } from "node:path";

import type { Snapshot } from "../../src/snapshot/snapshot.ts";
import { startDemoServer } from "../support/demo-server.ts";
import { temporaryFolder } from "../support/folder.ts";
import { sendRequest } from "../support/raw-client.ts";
import { Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("listeners");

/** The status of a request over HTTP/2 with prior knowledge. */
function statusOverHttp2(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const session = connect(`http://127.0.0.1:${port}`);
    session.on("error", reject);
    const stream = session.request({ ":path": "/hello" });
    stream.on("response", (headers) => {
      resolve(Number(headers[":status"]));
      session.destroy();
    });
    stream.on("error", reject);
  });
}

test.each(["1", "2"])(
  "a PROXY header names the client of a connection, with %s worker(s)",
  async (workers) => {
    await using programs = new Programs();
    const server = await startDemoServer("a");
    try {
      const config = inFolder(`proxied-${workers}.yaml`);
      writeFileSync(
        config,
        `listen: { port: 0, host: 127.0.0.1, proxyProtocol: { from: [127.0.0.0/8], timeout: 1s } }
pools: { main: { upstreams: ["http://127.0.0.1:${server.port}"] } }
`,
      );
      const proxy = programs.evenkeel(
        ...["proxy", "--admin-port", "0", "--config", config, "--workers", workers],
      );
      const port = await proxy.port("balancer");
      const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
      const request = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
      const response = await sendRequest(port, `PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\n${request}`);
      expect(response.status).toBe(200);
      expect(sendRequest(port, request)).rejects.toThrow("closed");
      const stored = async () => {
        const { requests } = (await (await fetch(`${admin}/api/requests`)).json()) as {
          requests: readonly { clientAddress: string; peerAddress: string }[];
        };
        return requests.map(({ clientAddress, peerAddress }) => [clientAddress, peerAddress]);
      };
      await until(async () => Bun.deepEquals(await stored(), [["192.0.2.7", "127.0.0.1"]]), "the record");
      const metric = 'evenkeel_connections_refused_total{listener="main",reason="proxy_header"} 1\n';
      await until(async () => (await (await fetch(`${admin}/metrics`)).text()).includes(metric), "the count");
      expect(proxy.stderr).toContain("no valid PROXY header");
    } finally {
      server.close();
    }
  },
  30_000,
);

test.each(["1", "2"])(
  "HTTP/3 is served beside the wire engine, with %s worker(s)",
  async (workers) => {
    await using programs = new Programs();
    const server = await startDemoServer("a");
    try {
      const config = inFolder(`http3-${workers}.yaml`);
      const folder = join(import.meta.dirname, "../engine/wire/certificates");
      writeFileSync(
        config,
        `listen: { port: 0, host: 127.0.0.1, http3: true, tls: { cert: ${folder}/server.crt, key: ${folder}/server.key } }
pools: { main: { upstreams: ["http://127.0.0.1:${server.port}"] } }
`,
      );
      const proxy = programs.evenkeel(
        ...["proxy", "--admin-port", "0", "--config", config, "--workers", workers],
      );
      const port = await proxy.port("balancer");
      const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
      const ask = async () => {
        const init = { protocol: "h3", tls: { rejectUnauthorized: false } } as RequestInit;
        const response = await fetch(`https://127.0.0.1:${port}/hello`, init);
        await response.text();
        return response.status;
      };
      expect(await Promise.all(Array.from({ length: 20 }, ask))).toEqual(Array(20).fill(200));
      const metric = 'evenkeel_client_requests_total{listener="main",protocol="h3"} 20\n';
      await until(async () => (await (await fetch(`${admin}/metrics`)).text()).includes(metric), "the count");
      const { code } = await proxy.kill("SIGTERM");
      expect(code).toBe(0);
    } finally {
      server.close();
    }
  },
  30_000,
);

describe.each([
  ["wire", "1"],
  ["wire", "2"],
  ["fetch", "1"],
])("several listeners, on the %s engine with %s worker(s),", (engine, workers) => {
  test("serve the same pools, each with its own port and protocols", async () => {
    await using programs = new Programs();
    const server = await startDemoServer("a");
    try {
      const config = inFolder(`${engine}-${workers}.yaml`);
      const http2 = engine === "wire" ? ", protocols: [http1, http2]" : "";
      writeFileSync(
        config,
        `listen:
  - { port: 0, host: 127.0.0.1 }
  - { name: inner, port: 0, host: 127.0.0.1${http2} }
pools: { main: { upstreams: ["http://127.0.0.1:${server.port}"] } }
`,
      );
      const proxy = programs.evenkeel(
        ...["proxy", "--admin-port", "0", "--config", config, "--engine", engine, "--workers", workers],
      );
      const ports = [await proxy.port("balancer"), await proxy.port("listener")];
      expect(new Set(ports).size).toBe(2);
      for (const port of ports) {
        const response = await fetch(`http://127.0.0.1:${port}/hello`);
        expect(response.status).toBe(200);
        await response.body?.cancel();
      }
      if (http2) expect(await statusOverHttp2(ports[1] ?? 0)).toBe(200);
      const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
      const snapshot = (await (await fetch(`${admin}/api/snapshot`)).json()) as Snapshot;
      expect(snapshot.listeners.map(({ name, port }) => [name, port])).toEqual([
        ["main", ports[0] ?? 0],
        ["inner", ports[1] ?? 0],
      ]);
      const counted = async () => {
        const text = await (await fetch(`${admin}/metrics`)).text();
        return text.split("\n").filter((line) => line.startsWith("evenkeel_client_requests_total"));
      };
      const version = engine === "wire" ? "http/1.1" : "unknown";
      const expected = [
        `evenkeel_client_requests_total{listener="main",protocol="${version}"} 1`,
        `evenkeel_client_requests_total{listener="inner",protocol="${version}"} 1`,
        ...(http2 ? ['evenkeel_client_requests_total{listener="inner",protocol="h2"} 1'] : []),
      ];
      await until(
        async () => Bun.deepEquals((await counted()).toSorted(), expected.toSorted()),
        "the counts",
      );
      const { code } = await proxy.kill("SIGTERM");
      expect(code).toBe(0);
    } finally {
      server.close();
    }
  }, 30_000);

  test("redirect to the one with TLS, and serve routes without redirect", async () => {
    await using programs = new Programs();
    const server = await startDemoServer("a");
    try {
      const config = inFolder(`redirect-${engine}-${workers}.yaml`);
      const folder = join(import.meta.dirname, "../engine/wire/certificates");
      writeFileSync(
        config,
        `listen:
  - { port: 0, host: 127.0.0.1, redirect: https, unknownHosts: 421 }
  - { name: secure, port: 0, host: 127.0.0.1, tls: { cert: ${folder}/server.crt, key: ${folder}/server.key, hsts: { maxAge: 2d, subdomains: true } } }
pools: { main: { upstreams: ["http://127.0.0.1:${server.port}"] } }
routes:
  - { host: shop.example, path: /plain, redirect: none, pool: main }
  - { host: shop.example, pool: main }
`,
      );
      const proxy = programs.evenkeel(
        ...["proxy", "--admin-port", "0", "--config", config, "--engine", engine, "--workers", workers],
      );
      const [plain, secure] = [await proxy.port("balancer"), await proxy.port("listener")];
      const ask = (path: string, host = "shop.example") =>
        fetch(`http://127.0.0.1:${plain}${path}`, { redirect: "manual", headers: { host } });
      const redirected = await ask("/a?b=c");
      expect(redirected.status).toBe(301);
      expect(redirected.headers.get("location")).toBe(`https://shop.example:${secure}/a?b=c`);
      expect((await ask("/plain")).status).toBe(200);
      expect((await ask("/", "other.example")).status).toBe(421);
      const direct = await fetch(`https://127.0.0.1:${secure}/`, {
        tls: { rejectUnauthorized: false },
        headers: { host: "shop.example" },
      });
      expect(direct.status).toBe(200);
      expect(direct.headers.get("strict-transport-security")).toBe("max-age=172800; includeSubDomains");
      expect(redirected.headers.get("strict-transport-security")).toBeNull();
    } finally {
      server.close();
    }
  }, 30_000);

  test("name the one whose port is in use", async () => {
    await using programs = new Programs();
    const other = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("other") });
    try {
      const config = inFolder(`taken-${engine}-${workers}.yaml`);
      writeFileSync(
        config,
        `listen:\n  - { port: 0, host: 127.0.0.1 }\n  - { port: ${other.port}, host: 127.0.0.1 }\n`,
      );
      const proxy = programs.evenkeel(
        ...["proxy", "--admin-port", "0", "--config", config, "--engine", engine, "--workers", workers],
      );
      await until(() => proxy.child.exitCode !== null, "the program to exit", 15_000);
      expect(proxy.child.exitCode).toBe(2);
      expect(proxy.stderr).toContain(
        `Cannot listen on 127.0.0.1:${other.port}: the address is already in use; set listen[1].port.`,
      );
    } finally {
      await other.stop(true);
    }
  }, 30_000);
});
