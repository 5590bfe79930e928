/** Metrics of a fleet, as one balancer sees it. */

import type { Family } from "./prometheus.ts";

export interface FleetMeasures {
  /** Whether the store is there, and orders are shared. */
  readonly isShared: boolean;
  /** Orders given here that are not shared yet. */
  readonly pending: number;
  /** Balancers, with this one. */
  readonly alive: number;
  readonly silent: number;
  /** Since the start. */
  readonly setAside: number;
  readonly restored: number;
  readonly lost: number;
}

export function fleetFamilies(fleet: FleetMeasures): readonly Family[] {
  const one = (value: number) => [{ labels: {}, value }];
  return [
    {
      name: "evenkeel_fleet_shared",
      help: "Whether the store of the fleet can be reached (1) or not (0).",
      type: "gauge",
      labels: [],
      samples: () => one(Number(fleet.isShared)),
    },
    {
      name: "evenkeel_fleet_balancers",
      help: "Balancers of the fleet by state, with this one: alive, or silent for more than three seconds.",
      type: "gauge",
      labels: ["state"],
      samples: () => [
        { labels: { state: "alive" }, value: fleet.alive },
        { labels: { state: "silent" }, value: fleet.silent },
      ],
    },
    {
      name: "evenkeel_fleet_pending_orders",
      help: "Orders given at this balancer that are not shared yet. They count here.",
      type: "gauge",
      labels: [],
      samples: () => one(fleet.pending),
    },
    {
      name: "evenkeel_fleet_store_losses_total",
      help: "Times that this balancer could not reach the store of the fleet for more than two seconds.",
      type: "counter",
      labels: [],
      samples: () => one(fleet.lost),
    },
    {
      name: "evenkeel_fleet_set_aside_total",
      help: "Orders that gave way to a more careful one that was given without knowing of them.",
      type: "counter",
      labels: [],
      samples: () => one(fleet.setAside),
    },
    {
      name: "evenkeel_fleet_restored_total",
      help: "Orders that this balancer put back into a store that had lost data.",
      type: "counter",
      labels: [],
      samples: () => one(fleet.restored),
    },
  ];
}
