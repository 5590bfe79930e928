/** A long run of random orders and faults: `bun tests/soak/fleet.ts [orders] [seed] [none]`; `none` is a run without faults. */

import { TestFleet } from "../support/fleet.ts";
import { manyUpstreams, RandomOrders } from "../fleet/random-orders.ts";

const [orders = "1000", seed = "7", faults = ""] = process.argv.slice(2);
await using fleet = await TestFleet.start({
  configuration: manyUpstreams,
  redis: { appendOnly: "everysec" },
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
