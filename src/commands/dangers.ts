/** What an order would do to clients, told before it is given: the dashboard asks for a confirmation, scripts cannot. */

import { effectOf } from "../wording/effect.ts";
import { isSnapshot } from "../client/decoders.ts";
import type { AdminCall } from "./admin-call.ts";
import type { CliCommand } from "./orders.ts";

/** A sentence for each pool that the order would leave with nobody that is known to be well. */
export async function warningsBefore(order: CliCommand, call: AdminCall): Promise<readonly string[]> {
  switch (order.verb) {
    case "drain":
    case "maintenance":
    case "remove":
    case "weight": {
      const response = await call({ path: "/api/snapshot" });
      // Then the order itself fails, and says why.
      if (response.kind === "failed" || !isSnapshot(response.value)) return [];
      const weight = order.verb === "weight" ? order.weight : undefined;
      const wish = { action: order.verb, ids: [order.upstream], weight, deadlineMs: 0 };
      const { pools } = response.value;
      const isAlone = pools.some(({ upstreams: [one, other] }) => one?.id === order.upstream && !other);
      // Which the balancer refuses.
      if (order.verb === "remove" && isAlone) return [];
      return effectOf(response.value, wish).dangers;
    }
    default:
      return [];
  }
}
