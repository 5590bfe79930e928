import { describe, expect, test } from "bun:test";

import { engineNames } from "../../src/config/config.ts";
import type { Snapshot } from "../../src/snapshot/snapshot.ts";
import { startLoad } from "../support/load.ts";
import { Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";

async function cluster(programs: Programs, flags: readonly string[]) {
  const backends = ["a", "b", "c"].map((name) =>
    programs.evenkeel(
      "backend",
      "--port",
      "0",
      "--host",
      "127.0.0.1",
      "--name",
      name,
      "--latency",
      "20-30ms",
    ),
  );
  const ports = await Promise.all(backends.map((backend) => backend.port("backend")));
  const upstreams = ports.map((port, i) => `http://127.0.0.1:${port};name=${"abc"[i]}`).join(",");
  const proxy = programs.evenkeel(
    ...["proxy", "--port", "0", "--admin-port", "0", "--host", "127.0.0.1", "--workers", "2"],
    ...["--upstreams", upstreams, ...flags],
  );
  const url = `http://127.0.0.1:${await proxy.port("balancer")}/work`;
  const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
  const snapshot = async () => (await (await fetch(`${admin}/api/snapshot`)).json()) as Snapshot;
  const upstream = async (id: string) =>
    (await snapshot()).pools[0]?.upstreams.find((candidate) => candidate.id === id);
  return { backends, url, snapshot, upstream };
}

describe.each([...engineNames])("a frozen upstream behind two workers with the %s engine", (engine) => {
  test.each([
    ["probes request its readiness", ["--probe-path", "/readyz"], "failing"],
    ["probes only connect", [], "ejected"],
  ] as const)(
    "fails no GET if %s",
    async (_, probe, verdict) => {
      await using programs = new Programs();
      const { backends, url, snapshot, upstream } = await cluster(programs, ["--engine", engine, ...probe]);
      const gets = startLoad(url, 16);
      // The stall threshold depends on the p99 latency: slow first responses of new processes must be few.
      const isWarm = async () =>
        (await snapshot()).pools[0]?.upstreams.every(({ traffic }) => (traffic.p99Ms ?? Infinity) < 330);
      await until(isWarm, "a warm load", 15_000);
      const bothServe = async () => (await snapshot()).workers?.every(({ requests }) => requests > 0);
      await until(bothServe, "requests of both workers");
      gets.worstMs();
      const frozenAt = performance.now();
      backends[1]?.child.kill("SIGSTOP");
      await until(async () => (await upstream("b"))?.status === verdict, `it to be ${verdict}`, 4_000);
      // Well before the next scheduled probe, which is due after five seconds.
      expect(performance.now() - frozenAt).toBeLessThan(4_000);
      const { count } = gets;
      await until(() => gets.count > count + 500, "more load", 10_000);
      const worst = gets.worstMs();
      expect(worst).toBeLessThan(4_000);
      expect(gets.failures).toEqual([]);
      expect((await upstream("b"))?.rescues).toBeGreaterThan(0);
      backends[1]?.child.kill("SIGCONT");
      await gets.stop();
      expect(gets.failures).toEqual([]);
      if (process.env["CHAOS_FIGURES"])
        console.log(`${engine}, ${verdict}: ${Math.round(worst)} ms under SIGSTOP`);
    },
    30_000,
  );
});
