/**
 * `bun tests/bench/onlookers.ts`: what it costs that somebody learns of requests, as a multiple of the same engine where
 * only the store of recent requests does. Needs wrk, taskset and NGINX; alternating rounds, medians of the ratios within a round.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { Testbed } from "./field.ts";
import { measure } from "./measure.ts";
import { evenkeelPeer, type Peer } from "./peers.ts";
import { alternate, median } from "./scenarios.ts";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "7" },
    seconds: { type: "string", default: "3" },
    engine: { type: "string", default: "wire" },
  },
});

await using testbed = new Testbed([120]);
const log = join(testbed.folder, "access.log");
// Nobody listens on port 9: every batch of spans is lost, as with a collector that is away.
const tracing = (share: number) => `tracing: { endpoint: "http://127.0.0.1:9", share: ${share} }`;
const telemetry = {
  "the store of requests alone": "{}",
  "and a taker that wants none": `accessLog: { to: ${log}, share: 0 }`,
  "access log of all, json": `accessLog: { to: ${log} }`,
  "access log of all, common": `accessLog: { to: ${log}, format: common }`,
  "access log of 1 %": `accessLog: { to: ${log}, share: 0.01 }`,
  "traces of 1 %": tracing(0.01),
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
