/**
 * `bun tests/bench/growth.ts`: CPU time of a request against upstreams, routes, connections, size of the body and workers.
 * Prints a table and draws docs/growth.svg. Exits with 1, and names the point, where cost grows faster than work.
 * Options: `--only upstreams,routes,connections,bodies,workers --engine wire --rounds 9 --seconds 2 --out docs/growth.svg`
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { defaults } from "../../src/config/config.ts";
import { conditions } from "./conditions.ts";
import { median, withSpread } from "./figures.ts";
import { drawCurves } from "./growth-chart.ts";
import { bodySizes, measureCurve, variations } from "./growth-curves.ts";
import { allowedGrowth, type Curve, growthOf, tooSteep, unitCosts } from "./growth-verdict.ts";
import { missingTools } from "./programs.ts";
import { Testbed } from "./testbed.ts";

const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: Object.keys(variations).join(",") },
    engine: { type: "string", default: defaults.engine },
    rounds: { type: "string", default: "9" },
    seconds: { type: "string", default: "2" },
    out: { type: "string", default: join(import.meta.dirname, "../../docs/growth.svg") },
  },
});
const rounds = { rounds: Number(options.rounds), seconds: Number(options.seconds) };
const missing = missingTools();
if (missing !== undefined) {
  console.error(missing);
  process.exit(2);
}

function print(curve: Curve): void {
  const growth = growthOf(curve);
  console.log(`\n${curve.title}\n`);
  const head = [curve.axis, "CPU µs/request", "CPU ms/s idle", "µs for a unit of work", "× a decade before"];
  const rows = curve.points.map((point, index) => [
    String(point.x),
    withSpread(point.costs, 1),
    point.idleMs.toFixed(1),
    median(unitCosts(curve, point)).toFixed(1),
    (growth[index] ?? 0).toFixed(2),
  ]);
  for (const cells of [head, head.map(() => "---"), ...rows]) console.log(`| ${cells.join(" | ")} |`);
}

const curves: Curve[] = [];
{
  await using testbed = new Testbed([...new Set([120, ...bodySizes])]);
  console.log(conditions().join("\n"));
  console.log(
    `${options.engine} engine, medians of ${options.rounds} rounds of ${options.seconds} s; at most ${allowedGrowth} × in a decade`,
  );
  for (const name of options.only.split(",")) {
    const variation = variations[name];
    if (!variation)
      throw new Error(`Cannot measure ${name}: the curves are ${Object.keys(variations).join(", ")}`);
    const curve = await measureCurve(testbed, options.engine, variation, rounds);
    print(curve);
    curves.push(curve);
  }
}
const caption = `CPU µs of a request, ${options.engine} engine, medians of ${options.rounds} rounds; lines: smallest to largest`;
writeFileSync(options.out, drawCurves(curves, caption));
const steep = tooSteep(curves);
console.log(`\n${steep.join("\n") || "No point where cost grows faster than work."}`);
process.exit(steep.length > 0 ? 1 : 0);
