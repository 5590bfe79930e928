/** A long run of random orders and faults: `bun tests/soak/fleet.ts [orders] [seed] [faults|none] [deno]`. */

import { findDeno } from "../support/deno.ts";
import { TestFleet } from "../support/fleet.ts";
import { fromSource } from "../support/program.ts";
import { manyUpstreams, RandomOrders } from "../fleet/random-orders.ts";

const [orders = "1000", seed = "7", faults = "faults", runtime = "bun"] = process.argv.slice(2);
const deno = runtime === "deno" ? await findDeno() : "";
const command = [deno, "run", "-A", "--unstable-net", fromSource[1] ?? ""];
const commands = deno ? { a: command, b: command, c: command } : {};
await using fleet = await TestFleet.start({
  configuration: manyUpstreams,
  redis: { appendOnly: "everysec" },
  commands,
});
const startedAt = performance.now();
const result = await new RandomOrders(fleet, Number(seed)).run(Number(orders), {
  hasFaults: faults !== "none",
  log: console.log,
});
console.log(
  JSON.stringify({ seed, seconds: Math.round((performance.now() - startedAt) / 1_000), ...result }, null, 2),
);
process.exitCode = result.problems.length > 0 ? 1 : 0;
