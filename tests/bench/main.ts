/**
 * `bun run bench`: what a proxied request costs here, beside HAProxy, NGINX and Caddy. Every proxy once in every round,
 * medians at the end, because machines are noisy and ratios are not. Never part of the test suite.
 */

import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";

import { defaults } from "../../src/config/config.ts";
import { type Contender, Field } from "./field.ts";
import { peers } from "./peers.ts";
import {
  halfLoad,
  idleConnections,
  manyUpstreams,
  type Scenario,
  type Table,
  throughput,
} from "./scenarios.ts";
import { secondWorker } from "./workers.ts";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "4" },
    sizes: { type: "string", default: "120,16384,1048576" },
    only: { type: "string", default: "throughput,half,many,idle,workers" },
  },
});
const rounds = { rounds: Number(options.rounds), seconds: Number(options.seconds) };
const sizes = options.sizes.split(",").map(Number);
const wanted = new Set(options.only.split(","));

for (const tool of ["wrk", "taskset", "nginx", "haproxy", "h2load"]) {
  if (Bun.which(tool)) continue;
  const packages = "wrk util-linux nginx haproxy nghttp2-client";
  console.error(`Cannot run the benchmark: ${tool} is missing. On Debian: apt-get install ${packages}`);
  process.exit(2);
}

const kept = { connections: 64, isFresh: false };
const scenarios: readonly Scenario[] = [
  ...sizes.map((size) => ({ ...kept, size })),
  { ...kept, size: 120, connections: 1 },
  { ...kept, size: 120, connections: 256 },
  { ...kept, size: 120, isFresh: true },
];

function print({ title, head, rows }: Table): void {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  console.log(`\n${title}\n\n${[head, head.map(() => "---"), ...rows].map(line).join("\n")}`);
}

await using field = new Field([...new Set([120, ...sizes])]);
const model = /model name\s+: (.*)/.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? "unknown processor";
console.log(
  `${cpus().length} × ${model}, Bun ${Bun.version}, medians of ${options.rounds} rounds of ${options.seconds} s`,
);
const all: Contender[] = [];
for (const peer of peers(field.folder)) all.push(await field.enter(peer));
if (wanted.has("throughput"))
  for (const scenario of scenarios) print(await throughput(all, scenario, rounds));
if (wanted.has("half")) print(await halfLoad(all, rounds));
if (wanted.has("idle")) print(await idleConnections(all, 10_000));
if (wanted.has("many")) print(await manyUpstreams(field, defaults.engine, rounds));
if (wanted.has("workers")) print(await secondWorker(field, defaults.engine, rounds));
