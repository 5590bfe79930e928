/**
 * `npm run bench`: the cost of a proxied request, compared with HAProxy, NGINX and Caddy where they are installed. Every
 * proxy runs once in every round; the results are medians with quartiles, because machines are noisy and ratios are less so.
 * What each row measures and leaves out: README.md in this folder. Not part of the test suite.
 */

import { parseArgs } from "node:util";

import { defaults, engineNames } from "../../src/config/config.ts";
import { conditions, setups } from "./conditions.ts";
import { startAndMemory } from "./executable.ts";
import { filterCosts } from "./filters.ts";
import { maxConnections } from "./limits.ts";
import { caddyPeer, haproxyPeer, nginxPeer } from "./other-proxies.ts";
import { bareFetchPeer, evenkeelPeer } from "./peers.ts";
import { missingTools } from "./programs.ts";
import {
  halfLoad,
  idleConnections,
  manyUpstreams,
  type Scenario,
  type Table,
  throughput,
} from "./scenarios.ts";
import { secureRows } from "./secure.ts";
import { type RunningProxy, Testbed } from "./testbed.ts";
import { secondWorker } from "./workers.ts";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "9" },
    seconds: { type: "string", default: "4" },
    sizes: { type: "string", default: "120,16384,1048576" },
    only: { type: "string", default: "throughput,half,many,idle,workers,secure,filters,start" },
  },
});
const rounds = { rounds: Number(options.rounds), seconds: Number(options.seconds) };
const sizes = options.sizes.split(",").map(Number);
const selected = new Set(options.only.split(","));

const missing = missingTools();
if (missing !== undefined) {
  console.error(missing);
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
console.log(conditions().join("\n"));
console.log(`medians of ${options.rounds} rounds of ${options.seconds} s (quartiles in parentheses)`);
let all: readonly RunningProxy[] = [];
// The other rows start proxies of their own.
if (["throughput", "half", "idle"].some((rows) => selected.has(rows)))
  all = await testbed.startProxies([
    ...engineNames.map((engine, index) => evenkeelPeer(engine, 29160 + index)),
    bareFetchPeer(29170),
    haproxyPeer(testbed.folder, 29171),
    nginxPeer(testbed.folder, 29172),
    caddyPeer(testbed.folder, 29173),
  ]);
if (selected.has("throughput"))
  for (const scenario of scenarios) print(await throughput(all, scenario, rounds));
if (selected.has("half")) print(await halfLoad(all, rounds));
if (selected.has("idle")) print(await idleConnections(all, Math.min(10_000, maxConnections())));
if (selected.has("many")) print(await manyUpstreams(testbed, defaults.engine, rounds));
if (selected.has("secure")) print(await secureRows(testbed, rounds));
if (selected.has("workers")) print(await secondWorker(testbed, defaults.engine, rounds));
if (selected.has("filters")) print(await filterCosts(testbed, defaults.engine, rounds));
if (selected.has("start")) print(await startAndMemory(testbed, rounds));
console.log(`\nCommand lines and configurations\n\n${setups(testbed.peers, testbed.folder)}`);
