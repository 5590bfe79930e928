import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";

import type { Snapshot } from "../../src/snapshot/snapshot.ts";
import type { BalancerEvent } from "../../src/state/event.ts";
import { temporaryFolder } from "../support/folder.ts";
import { startLoad } from "../support/load.ts";
import { Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("restarted");

function serve(programs: Programs, name: string, port = 0) {
  return programs.evenkeel(
    "backend",
    "--port",
    String(port),
    "--host",
    "127.0.0.1",
    "--name",
    name,
    "--latency",
    "1-3ms",
  );
}

describe.each([1, 2])("an upstream that is restarted between two probes, behind %i worker(s)", (workers) => {
  test("serves again after the next probe, before its ejection would end", async () => {
    await using programs = new Programs();
    const backends = ["a", "b", "c"].map((name) => serve(programs, name));
    const ports = await Promise.all(backends.map((backend) => backend.port("backend")));
    const upstreams = ports.map((port, i) => `http://127.0.0.1:${port};name=${"abc"[i]}`).join(",");
    const config = inFolder(`${workers}.yaml`);
    writeFileSync(config, "pools: { main: { probe: { interval: 2s }, upstreams: [http://127.0.0.1:1] } }\n");
    const proxy = programs.evenkeel(
      ...["proxy", "--port", "0", "--admin-port", "0", "--host", "127.0.0.1", "--upstreams", upstreams],
      ...["--config", config, "--engine", "wire", "--workers", String(workers)],
    );
    const url = `http://127.0.0.1:${await proxy.port("balancer")}`;
    const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
    const read = async (path: string): Promise<unknown> => (await fetch(`${admin}${path}`)).json();
    const statusOfB = async () =>
      ((await read("/api/snapshot")) as Snapshot).pools[0]?.upstreams.find(({ id }) => id === "b")?.status;

    const load = startLoad(`${url}/work`, 4);
    await until(() => (load.servers.get("b") ?? 0) > 20, "a warm load");
    await load.stop();
    // Between requests, so that none is truncated: the ejection is caused by refused connects.
    await backends[1]?.kill("SIGKILL");
    const without = startLoad(`${url}/work`, 4);
    await until(async () => (await statusOfB()) === "ejected", "the ejection", 2_000);
    serve(programs, "b", ports[1]);
    await until(async () => (await statusOfB()) === "passing", "the probe that connects", 10_000);
    await until(() => (without.servers.get("b") ?? 0) > 5, "it to serve again");
    await without.stop();
    expect([...load.failures, ...without.failures]).toEqual([]);
    const { events } = (await read("/api/events")) as { readonly events: readonly BalancerEvent[] };
    expect(events.map(({ upstream, to, reason }) => `${upstream} ${to} ${reason}`)).toContain(
      "b up probe_passed",
    );
  }, 30_000);
});
