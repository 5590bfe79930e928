/**
 * `bun run bench`: the cost of a proxied request, compared with HAProxy, NGINX and Caddy. Every proxy runs once in every
 * round; the results are medians, because machines are noisy and ratios are not. Not part of the test suite.
 */

import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";

import { defaults } from "../../src/config/config.ts";
import { type RunningProxy, Testbed } from "./testbed.ts";
import { peers } from "./peers.ts";
import {
  halfLoad,
  idleConnections,
  manyUpstreams,
  type Scenario,
  type Table,
  throughput,
} from "./scenarios.ts";
import { secureRows } from "./secure.ts";
import { secondWorker } from "./workers.ts";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "4" },
    sizes: { type: "string", default: "120,16384,1048576" },
    only: { type: "string", default: "throughput,half,many,idle,workers,secure" },
  },
});
const rounds = { rounds: Number(options.rounds), seconds: Number(options.seconds) };
const sizes = options.sizes.split(",").map(Number);
const selected = new Set(options.only.split(","));

for (const tool of ["wrk", "taskset", "nginx", "haproxy", "h2load", "openssl"]) {
  if (Bun.which(tool)) continue;
  const packages = "wrk util-linux nginx haproxy nghttp2-client openssl";
  console.error(`Cannot run the benchmark: ${tool} is missing. On Debian: apt-get install ${packages}`);
  process.exit(2);
}

const keepAlive = { connections: 64, isFresh: false };
const scenarios: readonly Scenario[] = [
  ...sizes.map((size) => ({ ...keepAlive, size })),
  { ...keepAlive, size: 120, connections: 1 },
  { ...keepAlive, size: 120, connections: 256 },
  { ...keepAlive, size: 120, isFresh: true },
];

function print({ title, head, rows }: Table): void {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  console.log(`\n${title}\n\n${[head, head.map(() => "---"), ...rows].map(line).join("\n")}`);
}

await using testbed = new Testbed([...new Set([120, ...sizes])]);
const model = /model name\s+: (.*)/.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? "unknown processor";
console.log(
  `${cpus().length} × ${model}, Bun ${Bun.version}, medians of ${options.rounds} rounds of ${options.seconds} s`,
);
const all: RunningProxy[] = [];
// The other rows start proxies of their own.
if (["throughput", "half", "idle"].some((rows) => selected.has(rows)))
  for (const peer of peers(testbed.folder)) all.push(await testbed.startProxy(peer));
if (selected.has("throughput"))
  for (const scenario of scenarios) print(await throughput(all, scenario, rounds));
if (selected.has("half")) print(await halfLoad(all, rounds));
if (selected.has("idle")) print(await idleConnections(all, 10_000));
if (selected.has("many")) print(await manyUpstreams(testbed, defaults.engine, rounds));
if (selected.has("secure")) print(await secureRows(testbed, rounds));
if (selected.has("workers")) print(await secondWorker(testbed, defaults.engine, rounds));
