import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { engineNames } from "../../src/config/config.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";

/** The sum of a counter over the label sets that contain these labels. */
function counted(metrics: string, name: string, labels: string): number {
  const lines = metrics.split("\n").filter((line) => line.startsWith(`${name}{`) && line.includes(labels));
  return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

test.each([
  ...engineNames.map((engine) => [engine, 1] as const),
  ...(process.platform === "linux" ? [["wire", 2] as const] : []),
])(
  "a request without a response from one upstream gets one from another, on the %s engine with %i workers",
  async (engine, workers) => {
    const folder = mkdtempSync(join(tmpdir(), "evenkeel-hedging-"));
    await using programs = new Programs();
    const silent = await startOrigin(() => {});
    const quick = await startOrigin((_, socket) => void socket.write(respondWith("quick")));
    try {
      const file = join(folder, "evenkeel.json");
      const write = (hedge: string | number) => {
        const main = { policy: "first", hedge, upstreams: [silent.url, quick.url] };
        writeFileSync(file, JSON.stringify({ pools: { main } }));
      };
      // Workers apply a reload shortly after it is counted, so theirs is set from the start.
      const isReloaded = workers === 1;
      write(isReloaded ? 0 : "50ms");
      const proxy = programs.evenkeel(
        ...["proxy", "--port", "0", "--admin-port", "0", "--host", "127.0.0.1", "--config", file],
        ...["--engine", engine, "--workers", String(workers)],
      );
      const url = `http://127.0.0.1:${await proxy.port("balancer")}`;
      const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
      const metrics = async () => (await fetch(`${admin}/metrics`)).text();
      if (isReloaded) {
        write("50ms");
        proxy.child.kill("SIGHUP");
        await until(async () => (await metrics()).includes('reload_total{result="applied"} 1'), "the reload");
      }
      // Five are too few for the first upstream to be found unresponsive before they complete.
      for (let i = 0; i < 5; i++) {
        const since = performance.now();
        expect(await (await fetch(`${url}/${i}`)).text()).toBe("quick");
        expect(performance.now() - since).toBeLessThan(1_000);
      }
      expect(silent.requests).toHaveLength(5);
      await until(
        async () => counted(await metrics(), "evenkeel_hedges_total", 'result="won"') === 5,
        "the hedges to be counted",
      );
      expect(counted(await metrics(), "evenkeel_retries_total", 'reason="hedged"')).toBe(5);
      await until(() => silent.open() === 0, "the connections to the silent upstream to close");
    } finally {
      await silent.close();
      await quick.close();
      rmSync(folder, { recursive: true });
    }
  },
  30_000,
);
