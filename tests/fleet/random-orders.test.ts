import { expect, test } from "bun:test";

import { TestFleet } from "../support/fleet.ts";
import { hasRedis } from "../support/redis-server.ts";
import { manyUpstreams, RandomOrders } from "./random-orders.ts";

test.if(hasRedis)(
  "200 random orders while balancers, links and the store fail: none vanishes, and none comes back",
  async () => {
    await using fleet = await TestFleet.start({
      configuration: manyUpstreams,
      redis: { appendOnly: "everysec" },
    });
    const result = await new RandomOrders(fleet, 7).run(200);
    expect(result.problems).toEqual([]);
    expect(result.done).toBeGreaterThan(150);
    expect(Object.keys(result.faults).length).toBeGreaterThan(4);
    expect(result.settledMs).toBeLessThan(5_000);
  },
  90_000,
);
