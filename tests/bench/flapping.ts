/**
 * `bun tests/bench/flapping.ts`: what one upstream that comes and goes each second costs two workers with 10,000 routes and
 * 1,000 upstreams, under a light load. Prints the CPU time of the balancer's process and of its workers, beside the same
 * without changes, and the latencies of the requests: a worker that computes for long makes them wait.
 * Options: `--routes 10000 --upstreams 1000 --seconds 20 --per-second 400`
 */

import { createServer, type Server } from "node:http";
import { parseArgs } from "node:util";

import { conditions } from "./conditions.ts";
import { childrenOf, cpuMicrosOf } from "./measure.ts";
import { configuredPeer, originPorts } from "./peers.ts";
import { missingTools } from "./programs.ts";
import { type RunningProxy, Testbed } from "./testbed.ts";

const { values: options } = parseArgs({
  options: {
    routes: { type: "string", default: "10000" },
    upstreams: { type: "string", default: "1000" },
    seconds: { type: "string", default: "20" },
    "per-second": { type: "string", default: "400" },
  },
});
const seconds = Number(options.seconds);
const missing = missingTools();
if (missing !== undefined) {
  console.error(missing);
  process.exit(2);
}

/** An upstream that fails every other check. */
const flapping = { isOn: false, checks: 0 };

function startFlapping(): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer((_, response) => {
    flapping.checks += 1;
    response.statusCode = flapping.isOn && flapping.checks % 2 === 0 ? 503 : 200;
    response.end();
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve({ server, port: typeof address === "object" && address ? address.port : 0 });
    });
  });
}

function settingsOf(flappingPort: number) {
  const upstreams = Array.from({ length: Number(options.upstreams) - 1 }, (_, number) => ({
    name: `server-${number}`,
    url: `http://127.0.0.1:${originPorts[number % originPorts.length]}`,
  }));
  const probe = { path: "/health", interval: "1s", changingInterval: "1s", jitter: 0, rise: 1, fall: 1 };
  return {
    workers: 2,
    pools: {
      main: { upstreams, probe: { interval: "60s" } },
      flapping: { upstreams: [{ name: "flapping", url: `http://127.0.0.1:${flappingPort}` }], probe },
    },
    routes: [
      ...Array.from({ length: Number(options.routes) - 1 }, (_, i) => ({ host: `h${i}.test`, pool: "main" })),
      { host: "flapping.test", pool: "flapping" },
    ],
  };
}

/** Sends requests at a steady rate, each for the next host. @returns latencies in milliseconds, in ascending order */
async function lightLoad({ port }: RunningProxy): Promise<readonly number[]> {
  const latencies: number[] = [];
  const open: Promise<void>[] = [];
  const everyMs = 1_000 / Number(options["per-second"]);
  const startedAt = performance.now();
  for (let sent = 0; sent * everyMs < seconds * 1_000; sent++) {
    const dueAt = startedAt + sent * everyMs;
    if (dueAt > performance.now()) await Bun.sleep(dueAt - performance.now());
    const host = `h${sent % (Number(options.routes) - 1)}.test`;
    const sentAt = performance.now();
    const response = fetch(`http://127.0.0.1:${port}/120.bin`, { headers: { host } });
    open.push(
      response.then(async (received) => {
        await received.arrayBuffer();
        if (received.status !== 200) throw new Error(`Cannot measure: status ${received.status}`);
        latencies.push(performance.now() - sentAt);
      }),
    );
  }
  await Promise.all(open);
  return latencies.toSorted((left, right) => left - right);
}

async function row(name: string, proxy: RunningProxy): Promise<readonly string[]> {
  const workers = childrenOf(proxy.pid);
  const all = [proxy.pid, ...workers];
  const before = all.map((pid) => cpuMicrosOf([pid]));
  const latencies = await lightLoad(proxy);
  const used = all.map((pid, index) => (cpuMicrosOf([pid]) - (before[index] ?? 0)) / 1_000 / seconds);
  const at = (share: number) => (latencies[Math.ceil(latencies.length * share) - 1] ?? Number.NaN).toFixed(1);
  return [name, ...used.map((cpuMs) => cpuMs.toFixed(1)), at(0.5), at(0.99), at(1)];
}

{
  await using testbed = new Testbed([120]);
  const { server, port } = await startFlapping();
  const peer = configuredPeer({
    ...{ name: "two workers", engine: "wire", port: 29_390, folder: testbed.folder },
    settings: settingsOf(port),
  });
  const proxy = await testbed.startProxy(peer, { host: "h0.test" });
  await Bun.sleep(3_000);
  console.log(conditions().join("\n"));
  console.log(
    `\n${options.routes} routes, ${options.upstreams} upstreams, ${options["per-second"]} requests a second for ${seconds} s; CPU in ms/s, latencies in ms\n`,
  );
  const rows = [await row("steady", proxy)];
  flapping.isOn = true;
  rows.push(await row("one upstream flaps", proxy));
  const head = ["", "control plane", "worker 1", "worker 2", "p50", "p99", "longest"];
  for (const cells of [head, head.map(() => "---"), ...rows]) console.log(`| ${cells.join(" | ")} |`);
  console.log(`\n${flapping.checks} checks of the upstream that flaps`);
  server.close();
  await proxy.stop();
}
process.exit(0);
