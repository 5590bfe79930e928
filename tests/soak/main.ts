/**
 * `npm run soak`: minutes of steady load with a sequence of faults on real processes; checks that the balancer's
 * memory stays flat. Exits with 1 if it grows. Options: `-- --engine wire --seconds 120`; by default both engines run.
 */

import { parseArgs } from "node:util";

import { type EngineName, engineNames } from "../../src/config/config.ts";
import { sleep } from "../../src/lib/clock.ts";
import { Cluster } from "./cluster.ts";
import { type Sample, sampleOf, verdictOn, warmUpShare, windowsOf } from "./memory.ts";
import { Traffic } from "./traffic.ts";

const { values: options } = parseArgs({
  options: {
    engine: { type: "string", default: engineNames.join(",") },
    seconds: { type: "string", default: "120" },
    windows: { type: "string", default: "12" },
  },
});
const engines = options.engine
  .split(",")
  .filter((name): name is EngineName => engineNames.some((known) => known === name));
const [seconds, windowCount] = [Number(options.seconds), Number(options.windows)];
if (engines.length === 0 || !(seconds >= 12) || !(windowCount >= 3) || process.platform !== "linux") {
  console.error(
    `Cannot run the soak test: it needs Linux, an engine (${engineNames.join(", ")}), at least 12 seconds and 3 windows (received ${JSON.stringify(options)}).`,
  );
  process.exit(2);
}

const MiB = 2 ** 20;

async function soak(engine: EngineName): Promise<boolean> {
  await using cluster = await new Cluster(engine).start();
  const traffic = new Traffic(cluster.port);
  const startedAt = performance.now();
  const elapsed = () => (performance.now() - startedAt) / 1_000;
  const samples: Sample[] = [];
  const sampler = setInterval(() => {
    const sample = sampleOf(cluster.pid, elapsed());
    if (sample) samples.push(sample);
  }, 250);
  let faults = 0;
  for await (const fault of cluster.faults()) {
    if (elapsed() >= seconds || cluster.exitReason !== undefined) break;
    faults += 1;
    process.stderr.write(`${elapsed().toFixed(0).padStart(5)} s  ${fault}\n`);
    await sleep(100);
  }
  clearInterval(sampler);
  const { exitReason } = cluster;
  await traffic.stop();
  const windows = windowsOf(samples, windowCount);
  const verdict = verdictOn(windows);
  console.log(
    `\n${engine} engine, ${seconds} s, ${faults} faults\n\n|  seconds | resident, MiB | open files |\n| -------: | ------------: | ---------: |`,
  );
  for (const { fromSeconds, toSeconds, rssBytes, files } of windows) {
    const span = `${fromSeconds.toFixed(0)}–${toSeconds.toFixed(0)}`;
    console.log(
      `| ${span.padStart(8)} | ${(rssBytes / MiB).toFixed(1).padStart(13)} | ${String(files).padStart(10)} |`,
    );
  }
  console.log("");
  for (const [kind, { done, failures }] of traffic.stats) {
    const failed = [...failures].map(([what, count]) => `${count} × ${what}`).join(", ");
    console.log(`${kind.padEnd(12)} ${String(done).padStart(7)} successful${failed && `; ${failed}`}`);
  }
  const growth = `${(verdict.grownBytes / MiB).toFixed(1)} MiB growth after the warm-up (the first ${(warmUpShare * 100).toFixed(0)} %), ${(verdict.allowedBytes / MiB).toFixed(1)} MiB allowed`;
  const hasPassed = verdict.isFlat && exitReason === undefined;
  console.log(
    `\n${engine}: ${exitReason === undefined ? (verdict.isFlat ? "flat" : "NOT FLAT") : `EXITED, ${exitReason}`}: ${growth}`,
  );
  return hasPassed;
}

let areAllFlat = true;
for (const engine of engines) areAllFlat = (await soak(engine)) && areAllFlat;
process.exit(areAllFlat ? 0 : 1);
