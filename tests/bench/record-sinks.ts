/**
 * `bun tests/bench/record-sinks.ts`: the cost of access logs and traces, as a multiple of the same engine with only the
 * store of recent requests. Needs wrk, taskset and NGINX. Rounds alternate; the results are medians of the ratios.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { Testbed } from "./testbed.ts";
import { measure } from "./measure.ts";
import { evenkeelPeer, type Peer } from "./peers.ts";
import { median } from "./figures.ts";
import { alternate } from "./scenarios.ts";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "7" },
    seconds: { type: "string", default: "3" },
    engine: { type: "string", default: "wire" },
  },
});

await using testbed = new Testbed([120]);
const log = join(testbed.folder, "access.log");
// Port 9 refuses connections: every batch of spans is dropped, as with a collector that is down.
const tracing = (share: number) => `tracing: { endpoint: "http://127.0.0.1:9", share: ${share} }`;
const telemetry = {
  "recent requests only": "{}",
  "plus a sink with share 0": `accessLog: { to: ${log}, share: 0 }`,
  "access log, all, json": `accessLog: { to: ${log} }`,
  "access log, all, common": `accessLog: { to: ${log}, format: common }`,
  "access log, 1 %": `accessLog: { to: ${log}, share: 0.01 }`,
  "traces, 1 %": tracing(0.01),
};
const peers = Object.entries(telemetry).map(([name, text], index): Peer => {
  const file = join(testbed.folder, `${index}.yaml`);
  writeFileSync(file, `${text}\n`);
  const peer = evenkeelPeer(options.engine, 29_150 + index);
  return { ...peer, name, command: [...peer.command, "--config", file] };
});
const all = await Promise.all(peers.map((peer) => testbed.startProxy(peer)));
const shape = { path: "/120.bin", connections: 64, isFresh: false };
const rounds = { rounds: Number(options.rounds), seconds: Number(options.seconds) };
const runs = await alternate(all, rounds, (proxy, seconds) => measure(proxy, { ...shape, seconds }));
const [reference] = [...runs.values()];
for (const [name, results] of runs) {
  const micros = median(results.map(({ cpuMicros }) => cpuMicros));
  const ratios = results.map(({ cpuMicros }, i) => cpuMicros / (reference?.[i]?.cpuMicros ?? Number.NaN));
  const spread = ratios.toSorted((left, right) => left - right).map((ratio) => ratio.toFixed(2));
  console.log(
    `${name.padEnd(28)} ${micros.toFixed(1)} µs  ${median(ratios).toFixed(3)} ×  (${spread.join(" ")})`,
  );
}
