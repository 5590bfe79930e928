import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";

import { type EngineName, engineNames } from "../../src/config/config.ts";
import type { Snapshot } from "../../src/snapshot/snapshot.ts";
import { temporaryFolder } from "../support/folder.ts";
import { startLoad } from "../support/load.ts";
import { type Program, Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("failover");

/** The defaults with frequent probes: otherwise the test mostly waits for the next one. */
function quickProbes(): string {
  const file = inFolder("quick.yaml");
  writeFileSync(
    file,
    `pools: { main: {
    probe: { path: /readyz, interval: 1s, changingInterval: 300ms },
    upstreams: [http://127.0.0.1:1] } }\n`,
  );
  return file;
}

function serve(programs: Programs, name: string, port = 0): Program {
  const flags = ["--port", String(port), "--host", "127.0.0.1", "--name", name, "--latency", "15-25ms"];
  return programs.evenkeel("backend", ...flags);
}

async function cluster(programs: Programs, engine: EngineName) {
  const backends = ["a", "b", "c"].map((name) => serve(programs, name));
  const ports = await Promise.all(backends.map((backend) => backend.port("backend")));
  const upstreams = ports.map((port, i) => `http://127.0.0.1:${port};name=${"abc"[i]}`).join(",");
  const proxy = programs.evenkeel(
    ...["proxy", "--port", "0", "--admin-port", "0", "--host", "127.0.0.1", "--upstreams", upstreams],
    ...["--config", quickProbes(), "--engine", engine],
  );
  const url = `http://127.0.0.1:${await proxy.port("balancer")}`;
  const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
  const snapshot = async () => (await (await fetch(`${admin}/api/snapshot`)).json()) as Snapshot;
  const statusOf = async (id: string) =>
    (await snapshot()).pools[0]?.upstreams.find((upstream) => upstream.id === id)?.status;
  return { backends, ports, proxy, url, admin, snapshot, statusOf };
}

describe.each([...engineNames])("three upstreams under load on the %s engine", (engine) => {
  test("one killed with SIGKILL causes no client error, and gets its share again when it is restarted", async () => {
    await using programs = new Programs();
    const { backends, ports, url, snapshot, statusOf } = await cluster(programs, engine);
    const load = startLoad(`${url}/work`, 24);
    await until(() => load.count > 200, "a warm load");
    await backends[1]?.kill("SIGKILL");
    await until(async () => (await statusOf("b")) !== "passing", "its failed requests to eject it", 2_000);
    await until(() => load.count > 900, "load without it");
    // Requests in flight and five failures until the ejection: not a third of all requests until a probe fails.
    expect((await snapshot()).pools[0]?.retries).toBeLessThan(60);
    await until(async () => (await statusOf("b")) === "failing", "its probe to fail", 10_000);
    const { count } = load;
    await until(() => load.count > count + 200, "more load");
    expect(load.failures).toEqual([]);

    const before = load.servers.get("b") ?? 0;
    serve(programs, "b", ports[1]);
    await until(async () => (await statusOf("b")) === "passing", "its probe to pass", 15_000);
    await until(() => (load.servers.get("b") ?? 0) > before + 100, "it to serve again");
    await load.stop();
    expect(load.failures).toEqual([]);
  }, 40_000);

  test("one that reports not ready gets no more traffic within seconds, and no request fails", async () => {
    await using programs = new Programs();
    const { ports, url, statusOf } = await cluster(programs, engine);
    const load = startLoad(`${url}/work`, 8);
    await until(() => load.count > 100, "a warm load");
    const setReady = (ready: boolean) =>
      fetch(`http://127.0.0.1:${ports[2]}/admin/ready/`, { method: "POST", body: JSON.stringify({ ready }) });
    await setReady(false);
    await until(async () => (await statusOf("c")) === "failing", "the verdict", 15_000);
    const served = load.servers.get("c") ?? 0;
    const { count } = load;
    await until(() => load.count > count + 200, "more load");
    expect((load.servers.get("c") ?? 0) - served).toBeLessThanOrEqual(8);
    await load.stop();
    expect(load.failures).toEqual([]);
  }, 40_000);

  test("one that is drained gets no new requests, and the others keep equal shares", async () => {
    await using programs = new Programs();
    const { url, admin, statusOf } = await cluster(programs, engine);
    const setMode = (id: string, mode: string) =>
      fetch(`${admin}/api/upstreams/${id}/mode`, { method: "POST", body: JSON.stringify({ mode }) });
    expect((await setMode("a", "draining")).status).toBe(200);
    expect(await statusOf("a")).toBe("draining");
    const load = startLoad(`${url}/work`, 8);
    await until(() => load.count > 300, "load");
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(load.servers.has("a")).toBe(false);
    expect(Math.abs((load.servers.get("b") ?? 0) - (load.servers.get("c") ?? 0))).toBeLessThanOrEqual(8);
    expect((await setMode("unknown", "ready")).status).toBe(404);
    expect((await setMode("a", "sleeping")).status).toBe(400);
  }, 30_000);

  test("POSTs with a body survive a kill too, unless the upstream had received them", async () => {
    await using programs = new Programs();
    const { backends, url, snapshot } = await cluster(programs, engine);
    const load = startLoad(`${url}/work`, 12, () => ({ method: "POST", body: "x".repeat(2_000) }));
    await until(() => load.count > 200, "a warm load");
    await backends[0]?.kill("SIGKILL");
    const { count } = load;
    await until(() => load.count > count + 400, "more load");
    await load.stop();
    const [pool] = (await snapshot()).pools;
    const { upstream_reset: resets = 0, ...others } = pool?.refusals ?? {};
    expect(others).toEqual({});
    expect(load.failures.length > 0).toBe(resets > 0);
    expect(resets).toBeLessThanOrEqual(12);
    // The kill was felt: requests were lost, or retried.
    expect((pool?.retries ?? 0) + resets).toBeGreaterThan(0);
  }, 30_000);
});
