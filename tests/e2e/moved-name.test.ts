import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";

import { engineNames } from "../../src/config/config.ts";
import { startDnsServer } from "../support/dns-server.ts";
import { temporaryFolder } from "../support/folder.ts";
import { startLoad } from "../support/load.ts";
import { Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("moved-name");

/** Starts a demo server that has the same port as the others, on its own address. */
async function startServer(programs: Programs, host: string, port = 0) {
  const server = programs.evenkeel(
    ...["backend", "--port", String(port), "--host", host, "--name", host, "--latency", "1-3ms"],
  );
  return { server, port: await server.port("backend") };
}

interface ProxyOptions {
  readonly dns: string;
  readonly port: number;
  readonly flags: readonly string[];
}

async function startProxy(programs: Programs, name: string, options: ProxyOptions): Promise<string> {
  return (await startProxyProcess(programs, name, options)).url;
}

async function startProxyProcess(programs: Programs, name: string, options: ProxyOptions) {
  const file = inFolder(`${name}.yaml`);
  writeFileSync(
    file,
    `resolvers: ["${options.dns}"]\npools: { main: { upstreams: ["http://api.internal:${options.port}"] } }\n`,
  );
  const proxy = programs.evenkeel(
    ...["proxy", "--port", "0", "--admin-port", "0", "--host", "127.0.0.1", "--config", file],
    ...options.flags,
  );
  return { url: `http://127.0.0.1:${await proxy.port("balancer")}/work`, proxy, file };
}

/** The name of the server that responds; undefined for a response of the balancer. */
async function servedBy(url: string): Promise<string | undefined> {
  // A connection each, so that all workers serve.
  const response = await fetch(url, { headers: { connection: "close" } });
  if (response.status !== 200) return void (await response.body?.cancel());
  return ((await response.json()) as { server: { name: string } }).server.name;
}

async function isServedOnlyBy(url: string, server: string): Promise<boolean> {
  const load = startLoad(url, 4);
  await until(() => load.count > 20, "some load");
  await load.stop();
  return load.failures.length === 0 && [...load.servers.keys()].join() === server;
}

describe.each([
  ["wire", "1"],
  ["wire", "2"],
  ["fetch", "1"],
])("a name of upstreams, on the %s engine with %s worker(s),", (engine, workers) => {
  const flags = ["--engine", engine, "--workers", workers];

  test("that moves to another server is followed as soon as the old one refuses connections", async () => {
    await using programs = new Programs();
    const dns = await startDnsServer({ "api.internal": ["127.0.0.2"] });
    try {
      const { server, port } = await startServer(programs, "127.0.0.2");
      const url = await startProxy(programs, `moved-${engine}-${workers}`, { dns: dns.address, port, flags });
      const before = startLoad(url, 2);
      await until(() => (before.servers.get("127.0.0.2") ?? 0) > 20, "load on the first server");
      await before.stop();
      expect(before.failures).toEqual([]);

      await startServer(programs, "127.0.0.3", port);
      dns.records.set("api.internal", ["127.0.0.3"]);
      await server.kill("SIGKILL");
      // Its time to live is a minute: only the refused connects tell that the name has moved.
      const killedAt = performance.now();
      await until(async () => (await servedBy(url)) === "127.0.0.3", "the second server to serve");
      expect(performance.now() - killedAt).toBeLessThan(4_000);
      // Each worker learns it from a refused connect of its own.
      await until(() => isServedOnlyBy(url, "127.0.0.3"), "all workers to know the second server");
    } finally {
      dns.close();
    }
  }, 30_000);

  test("with two addresses is served by both servers, and by one of them while the other is down", async () => {
    await using programs = new Programs();
    const dns = await startDnsServer({ "api.internal": ["127.0.0.4", "127.0.0.5"] });
    try {
      const { server, port } = await startServer(programs, "127.0.0.4");
      await startServer(programs, "127.0.0.5", port);
      const url = await startProxy(programs, `both-${engine}-${workers}`, { dns: dns.address, port, flags });
      const both = startLoad(url, 2);
      const served = (host: string) => both.servers.get(host) ?? 0;
      await until(() => served("127.0.0.4") > 10 && served("127.0.0.5") > 10, "load on both servers");
      await both.stop();
      await server.kill("SIGKILL");
      const one = startLoad(url, 2);
      await until(() => (one.servers.get("127.0.0.5") ?? 0) > 30, "load on the server that is left");
      await one.stop();
      expect([...both.failures, ...one.failures]).toEqual([]);
    } finally {
      dns.close();
    }
  }, 30_000);
});

test.each(engineNames)(
  "workers of the %s engine use the addresses that the control plane found, before they have answers of their own",
  async (engine) => {
    await using programs = new Programs();
    const dns = await startDnsServer({ "api.internal": ["127.0.0.6"], "new.internal": ["127.0.0.7"] });
    // Questions of the control plane, for both families; the workers ask later.
    dns.promptQuestions = 2;
    dns.lateMs = 20_000;
    try {
      const { port } = await startServer(programs, "127.0.0.6");
      await startServer(programs, "127.0.0.7", port);
      const options = { dns: dns.address, port, flags: ["--workers", "2", "--engine", engine] };
      const { url, proxy, file } = await startProxyProcess(programs, `late-${engine}`, options);
      const served = await Promise.all([1, 2, 3, 4, 5, 6].map(() => servedBy(url)));
      expect(new Set(served)).toEqual(new Set(["127.0.0.6"]));
      await until(() => dns.questions.length >= 6, "the workers' own questions");
      dns.promptQuestions = dns.questions.length + 2;
      writeFileSync(file, readFileSync(file, "utf8").replace("api.internal", "new.internal"));
      proxy.child.kill("SIGHUP");
      const after: (string | undefined)[] = [];
      while (after.slice(-12).filter((server) => server === "127.0.0.7").length < 12)
        after.push(await servedBy(url));
      expect(new Set(after)).toEqual(new Set(["127.0.0.6", "127.0.0.7"]));
    } finally {
      dns.close();
    }
  },
  30_000,
);
