/**
 * The CPU time of open dashboards: a real balancer and dashboard with a hundred upstreams that all change every second.
 * bun tests/bench/dashboard.ts [--viewers 10] [--upstreams 100] [--seconds 20]
 */

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

import { respondWith, startOrigin } from "../support/origin.ts";
import { type Program, Programs } from "../support/program.ts";

const { values } = parseArgs({
  options: {
    viewers: { type: "string", default: "10" },
    upstreams: { type: "string", default: "100" },
    seconds: { type: "string", default: "20" },
  },
});
const [viewers, count, seconds] = [values.viewers, values.upstreams, values.seconds].map(Number) as [
  number,
  number,
  number,
];

/** User and system time of a process so far, milliseconds. Linux counts in hundredths of a second. */
function cpuMs({ pid }: Program): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function coreShare(program: Program): Promise<string> {
  const [before, startedAt] = [cpuMs(program), performance.now()];
  await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
  return `${(((cpuMs(program) - before) / (performance.now() - startedAt)) * 100).toFixed(1)} %`;
}

/** Reads the live stream as a page does; every page opens its own. */
async function openStream(url: string): Promise<{ bytes(): number; leave(): Promise<void> }> {
  const reader = (await fetch(url)).body?.getReader();
  let bytes = 0;
  const reading = (async () => {
    for (;;) {
      const { done, value } = (await reader?.read()) ?? { done: true };
      if (done) return;
      bytes += value?.length ?? 0;
    }
  })().catch(() => {});
  return {
    bytes: () => bytes,
    async leave() {
      await reader?.cancel();
      await reading;
    },
  };
}

await using programs = new Programs();
const origins = await Promise.all(
  Array.from({ length: count }, () => startOrigin((_, socket) => void socket.write(respondWith("ok")))),
);
const upstreams = origins.map(({ url }) => url).join(",");
const proxy = programs.evenkeel(
  ...["proxy", "--host", "127.0.0.1", "--port", "0", "--admin-port", "0", "--upstreams", upstreams],
);
const dashboard = programs.evenkeel(
  ...["dashboard", "--port", "0"],
  ...["--balancer-url", `http://127.0.0.1:${await proxy.port("balancer")}`],
  ...["--admin-url", `http://127.0.0.1:${await proxy.port("admin")}`],
);
const url = `http://127.0.0.1:${await proxy.port("balancer")}/`;
const live = `http://127.0.0.1:${await dashboard.port("dashboard")}/live`;
let isLoadRunning = true;
// About two requests a second for each upstream, so that every row changes.
const load = (async () => {
  while (isLoadRunning) {
    await (await fetch(url)).text();
    await new Promise((resolve) => setTimeout(resolve, 500 / count));
  }
})();

const print = (line: string) => process.stdout.write(`${line}\n`);
print(`${count} upstreams, ${viewers} viewers, ${seconds} s each; shares of one core`);
print(`no viewers:     dashboard ${await coreShare(dashboard)}`);
print(`                balancer  ${await coreShare(proxy)} (with the load)`);
const streams = await Promise.all(Array.from({ length: viewers }, () => openStream(live)));
const [dashboardShare, proxyShare] = await Promise.all([coreShare(dashboard), coreShare(proxy)]);
const bytes = streams.reduce((sum, viewer) => sum + viewer.bytes(), 0);
print(`${viewers} viewers:     dashboard ${dashboardShare}`);
print(`                balancer  ${proxyShare} (with the load)`);
print(`                ${(bytes / viewers / seconds / 1_000).toFixed(0)} kB/s for each viewer`);
for (const viewer of streams) await viewer.leave();
isLoadRunning = false;
await load;
for (const origin of origins) await origin.close();
