/** The schemas of a fleet: its balancers, and what is not shared yet. */

import { Type } from "@sinclair/typebox";

import {
  boolean,
  count,
  enumOf,
  list,
  nullable,
  numberSchema,
  oneOf,
  textSchema,
  timestamp,
} from "./parts.ts";

const aloneSchema = Type.Object(
  { since: timestamp("Time of the first failure."), why: textSchema("Why, in a few words.") },
  { title: "Alone" },
);

const fleetOrderSchema = Type.Object(
  {
    upstream: textSchema("Id of the upstream."),
    order: textSchema("What was ordered: `draining`, `weight 5`, `added`."),
    by: textSchema("Who ordered it."),
    peer: textSchema("The balancer where it was ordered."),
    at: timestamp("Time by the clock of that balancer."),
  },
  { title: "FleetOrder" },
);

const seenUpstreamSchema = Type.Object(
  {
    id: textSchema("Id of the upstream."),
    status: textSchema("Its status there."),
    inFlight: count("Requests in flight on it from there."),
  },
  { title: "SeenUpstream" },
);

const peerSchema = Type.Object(
  {
    name: textSchema("Name of the balancer."),
    isSelf: boolean("Whether it is this one."),
    state: oneOf(
      enumOf({ alive: true, silent: true }),
      "`silent` after three seconds without a report; after a minute of silence it is gone.",
    ),
    ageMs: count("Milliseconds since its last report."),
    version: textSchema("Version of Evenkeel."),
    configuration: textSchema("Digest of its pools and routes, as configured."),
    isSameConfiguration: boolean("Whether they are the same here."),
    isCurrent: boolean("Whether it follows the same commit as this balancer."),
    startedAt: timestamp("Its start, by its own clock."),
    url: nullable(Type.String(), "Address of its dashboard; null if it has not said."),
    inFlight: count("Client requests in flight."),
    requestsPerSecond: numberSchema("Of the last 10 s."),
    errorShare: numberSchema("Errors ÷ requests of the last 10 s, 0–1."),
    upstreams: list(
      seenUpstreamSchema,
      "As it sees them: the ones that are not passing, or have requests in flight. At most 500.",
    ),
  },
  { title: "Peer" },
);

export const fleetSnapshotSchema = Type.Object(
  {
    name: textSchema("Name of this balancer."),
    group: textSchema("Name of the fleet."),
    alone: nullable(aloneSchema, "Since when, and why, the store cannot be reached; null while it can."),
    revision: textSchema("Random name of the commit that this balancer follows; empty before the first."),
    namesake: boolean("Whether another process uses the name of this balancer."),
    pending: list(fleetOrderSchema, "Orders given here that are not shared yet. They count here."),
    waiting: list(fleetOrderSchema, "Orders about upstreams that do not run here, kept for when they do."),
    differing: list(
      Type.String(),
      "Balancers whose pools or routes are configured in another way than here.",
    ),
    peers: list(peerSchema, "All that are not gone, this one first."),
  },
  { title: "Fleet", description: "Several balancers that share what operators set." },
);

/** Of an upstream. */
export const sharedSchema = Type.Unsafe<true | string>(
  Type.Union([Type.Literal(true), Type.String()], {
    description: 'In a fleet: whether all orders about it are shared; else "not yet: " and the reason.',
  }),
);

/** Of a drain. */
export const elsewhereSchema = list(
  Type.String(),
  "In a fleet: other balancers that still use the upstream, or may do so, with the reason.",
);
