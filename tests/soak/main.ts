/**
 * `npm run soak`: minutes of steady load over HTTP/1.1, TLS and HTTP/2, with a sequence of faults on real processes, reloads,
 * certificate rotations and upgrades. Exits with 1 if memory grows, a GET fails, or descriptors stay open. By default both
 * engines run for two minutes. Half an hour with upgrades: `npm run soak -- --engine wire --seconds 1800 --upgrades 3`
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
    upgrades: { type: "string", default: "1" },
  },
});
const engines = options.engine
  .split(",")
  .filter((name): name is EngineName => engineNames.some((known) => known === name));
const [seconds, windowCount] = [Number(options.seconds), Number(options.windows)];
const upgrades = Number(options.upgrades);
if (engines.length === 0 || !(seconds >= 12) || !(windowCount >= 3) || process.platform !== "linux") {
  console.error(
    `Cannot run the soak test: it needs Linux, an engine (${engineNames.join(", ")}), at least 12 seconds and 3 windows (received ${JSON.stringify(options)}).`,
  );
  process.exit(2);
}

const MiB = 2 ** 20;

async function soak(engine: EngineName): Promise<boolean> {
  await using cluster = await new Cluster(engine).start();
  const filesBefore = sampleOf(cluster.pid, 0)?.files ?? 0;
  const traffic = new Traffic(cluster);
  const startedAt = performance.now();
  const elapsed = () => (performance.now() - startedAt) / 1_000;
  const samples: Sample[] = [];
  const sampler = setInterval(() => {
    const sample = sampleOf(cluster.pid, elapsed());
    if (sample) samples.push(sample);
  }, 250);
  let [faults, upgraded] = [0, 0];
  for await (const fault of cluster.faults()) {
    if (elapsed() >= seconds || cluster.exitReason !== undefined) break;
    faults += 1;
    const tell = (what: string) => process.stderr.write(`${elapsed().toFixed(0).padStart(5)} s  ${what}\n`);
    if (cluster.isWire && elapsed() >= ((upgraded + 1) * seconds) / (upgrades + 1) && upgraded < upgrades) {
      tell("upgrade");
      await cluster.upgrade();
      upgraded += 1;
    }
    tell(fault);
    await sleep(100);
  }
  clearInterval(sampler);
  const { exitReason } = cluster;
  await traffic.stop();
  const filesAfter = await filesOnceIdle(cluster, filesBefore);
  const windows = windowsOf(samples, windowCount);
  const verdict = verdictOn(windows);
  console.log(
    `\n${engine} engine, ${seconds} s, ${faults} faults, ${upgraded} upgrades\n\n|  seconds | resident, MiB | open files |\n| -------: | ------------: | ---------: |`,
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
  const problems = [
    ...(exitReason === undefined ? [] : [`EXITED, ${exitReason}`]),
    ...(verdict.isFlat ? [] : ["NOT FLAT"]),
    ...(traffic.failedGets === 0 ? [] : [`${traffic.failedGets} GETs FAILED`]),
    ...(traffic.cutGets <= faults ? [] : [`${traffic.cutGets} BODIES CUT by ${faults} faults`]),
    ...(filesAfter <= filesBefore + spareFiles ? [] : ["DESCRIPTORS STAY OPEN"]),
  ];
  console.log(`\n${engine}: ${problems.join(", ") || "flat, and no failed GET"}: ${growth}`);
  console.log(`${traffic.cutGets} GETs cut within the body`);
  console.log(`open files: ${filesBefore} before the load, ${filesAfter} after it`);
  return problems.length === 0;
}

/** Probes and calls of the admin API open connections also without load. */
const spareFiles = 10;

/** Open files once kept connections to upstreams have timed out, or after the limit. */
async function filesOnceIdle({ pid }: Cluster, before: number): Promise<number> {
  const until = performance.now() + 120_000;
  for (;;) {
    const files = sampleOf(pid, 0)?.files ?? 0;
    if (files <= before + spareFiles || performance.now() > until) return files;
    await sleep(500);
  }
}

let haveAllPassed = true;
for (const engine of engines) haveAllPassed = (await soak(engine)) && haveAllPassed;
process.exit(haveAllPassed ? 0 : 1);
