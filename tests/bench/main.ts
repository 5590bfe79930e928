/**
 * `bun run bench`: what a proxied request costs here, beside NGINX, HAProxy and Caddy. Proxies on one core, load and
 * servers on the other, every proxy once in every round, medians at the end. Never part of the test suite.
 */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { type LoadShape, measure, type Measured } from "./measure.ts";
import { originCommand, type Peer, peers } from "./peers.ts";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "4" },
    sizes: { type: "string", default: "120,16384,1048576" },
    connections: { type: "string", default: "1,64,256" },
  },
});
const [proxyCore, loadCore] = [0, 1];
const sizes = options.sizes.split(",").map(Number);

for (const tool of ["wrk", "taskset", "nginx", "haproxy"]) {
  if (Bun.which(tool)) continue;
  console.error(
    `Cannot run the benchmark: ${tool} is missing. On Debian: apt-get install wrk util-linux nginx haproxy`,
  );
  process.exit(2);
}

interface Scenario extends Omit<LoadShape, "url" | "seconds"> {
  readonly size: number;
}

const scenarios: readonly Scenario[] = [
  ...sizes.map((size) => ({ size, connections: 64, isFresh: false })),
  ...options.connections
    .split(",")
    .map(Number)
    .filter((connections) => connections !== 64)
    .map((connections) => ({ size: sizes[0] ?? 120, connections, isFresh: false })),
  { size: sizes[0] ?? 120, connections: 64, isFresh: true },
];

const folder = mkdtempSync(join(tmpdir(), "evenkeel-bench-"));
const started: Bun.Subprocess[] = [];

function start(core: number, command: readonly string[]): Bun.Subprocess {
  const child = Bun.spawn(["taskset", "-c", String(core), ...command], {
    stdout: "ignore",
    stderr: "ignore",
  });
  started.push(child);
  return child;
}

async function answers(url: string): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const status = await fetch(url).then(
      ({ status }) => status,
      () => 0,
    );
    if (status === 200) return;
    await Bun.sleep(50);
  }
  throw new Error(`Cannot measure ${url}: it does not answer`);
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function row(name: string, runs: readonly Measured[], reference: number): string {
  const of = (key: keyof Measured) => median(runs.map((run) => run[key]));
  const ratio = of("cpuMicros") / reference;
  const cells = [
    of("cpuMicros").toFixed(1),
    ratio.toFixed(2),
    of("perSecond").toFixed(0),
    of("p50Ms").toFixed(2),
  ];
  return `| ${[name, ...cells, of("p99Ms").toFixed(2), of("memoryMiB").toFixed(0)].join(" | ")} |`;
}

async function compare(
  all: readonly (Peer & { pid: number })[],
  { size, ...shape }: Scenario,
): Promise<void> {
  const runs = new Map<string, Measured[]>(all.map(({ name }) => [name, []]));
  // The first round warms up and is not counted.
  for (let round = 0; round <= Number(options.rounds); round++) {
    for (const { name, port, pid } of all) {
      const url = `http://127.0.0.1:${port}/${size}.bin`;
      const seconds = round === 0 ? 1 : Number(options.seconds);
      const measured = await measure(pid, { ...shape, url, seconds }, loadCore);
      if (round > 0) runs.get(name)?.push(measured);
    }
  }
  const reference = median((runs.get("haproxy") ?? []).map(({ cpuMicros }) => cpuMicros));
  const kept = shape.isFresh ? "a new connection for each request" : "kept connections";
  console.log(`\n${size} bytes, ${shape.connections} clients, ${kept}\n`);
  console.log("| | CPU µs/request | × HAProxy | requests/s | p50 ms | p99 ms | memory MiB |");
  console.log("| --- | --- | --- | --- | --- | --- | --- |");
  for (const { name } of all) console.log(row(name, runs.get(name) ?? [], reference));
}

try {
  const model = /model name\s+: (.*)/.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? "unknown";
  console.log(
    `${cpus().length} × ${model}, Bun ${Bun.version}, ${options.rounds} rounds of ${options.seconds} s`,
  );
  start(loadCore, originCommand(folder, sizes));
  const all = peers(folder).map((peer) => ({ ...peer, pid: start(proxyCore, peer.command).pid }));
  await Promise.all(all.map(({ port }) => answers(`http://127.0.0.1:${port}/${sizes[0]}.bin`)));
  for (const scenario of scenarios) await compare(all, scenario);
} finally {
  for (const child of started) child.kill();
  await Promise.all(started.map(({ exited }) => exited));
  rmSync(folder, { recursive: true });
}
