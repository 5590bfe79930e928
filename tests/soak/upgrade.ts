/**
 * Three upgrades under at least 50,000 new connections, with stalled event loops: `bun tests/soak/upgrade.ts [connections]`.
 * Exits with 1 if one connection was refused, reset, or closed without its response.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { startConnectionLoad } from "../support/connection-load.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { fromBuild, isGone, Programs } from "../support/program.ts";
import { UpgradedProgram } from "../support/upgraded-program.ts";
import { until } from "../support/wait.ts";

const connections = Number(process.argv[2] ?? 50_000);
const handovers = 3;
const stallMs = 50;
const limitMs = 600_000;

async function run(workers: number, folder: string): Promise<boolean> {
  await using programs = new Programs();
  const origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
  const program = programs.start([
    ...[...fromBuild, "proxy", "--host", "127.0.0.1", "--port", "0", "--admin-port", "0"],
    ...["--upstreams", origin.url, "--workers", `${workers}`],
    ...["--state", join(folder, `state-${workers}.db`)],
  ]);
  const port = await program.port("balancer");
  const admin = `http://127.0.0.1:${await program.port("admin")}`;
  await using upgraded = new UpgradedProgram(program);
  const startedAt = performance.now();
  const load = startConnectionLoad({ port, freshClients: 100, keptClients: 16, everyMs: 0 });
  for (let handover = 1; handover <= handovers; handover++) {
    await until(() => load.fresh >= (connections * handover) / (handovers + 1), "connections", limitMs);
    const old = upgraded.pid;
    const finished = upgraded.upgrade(admin);
    await until(
      () => program.stderr.split('"took over"').length === handover + 1,
      "the new process",
      limitMs,
    );
    await upgraded.stall(old, stallMs);
    const { upgraded: isDone, why } = await finished;
    if (!isDone) throw new Error(`Cannot upgrade: ${why}`);
    await until(() => isGone(old), "the old process to exit", limitMs);
  }
  await until(() => load.fresh >= connections, "connections", limitMs);
  await load.stop();
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
  const lost = [...load.lost].map(([what, count]) => `${count} × ${what}`);
  console.log(
    `${workers} worker${workers === 1 ? "" : "s"}, ${handovers} handovers with stalls of ${stallMs} ms, ${seconds} s: ` +
      `${load.fresh} new connections, ${load.kept} requests on kept ones, lost: ${lost.join(", ") || "0"}`,
  );
  await origin.close();
  return lost.length === 0;
}

const folder = mkdtempSync(join(tmpdir(), "evenkeel-upgrade-"));
let isLossless = true;
for (const workers of [1, 2]) isLossless = (await run(workers, folder)) && isLossless;
rmSync(folder, { recursive: true });
process.exit(isLossless ? 0 : 1);
