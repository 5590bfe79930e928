/** The schemas of a fleet: its balancers, and what is not shared yet. */

import { Type } from "@sinclair/typebox";

import type { SeenSnapshot } from "../../snapshot/fleet-snapshot.ts";

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
import { eventSchema } from "./record.ts";

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

const seenKeys = {
  status: textSchema("Its status there."),
  inFlight: count("Requests in flight on it from there."),
  problem: Type.Optional(textSchema("Kind of an open problem of this upstream there.")),
};

const seenUpstreamSchema = Type.Object(
  { id: textSchema("Id of the upstream."), ...seenKeys },
  { title: "SeenUpstream" },
);

const seenFromSchema = Type.Object(
  {
    balancer: textSchema("Name of the balancer."),
    isAlive: boolean("False for the last words of a silent one."),
    ...seenKeys,
    status: textSchema(
      "Its status there; `absent`: it has no such upstream; `unknown`: the balancer does not tell.",
    ),
  },
  { title: "SeenFrom" },
);

const places = enumOf<SeenSnapshot["where"]>({
  upstream: true,
  path: true,
  operator: true,
  operator_in_part: true,
  unclear: true,
  none: true,
});

export const seenSchema = Type.Object(
  {
    id: textSchema("Id of the upstream."),
    pool: nullable(Type.String(), "Its pool; null if it does not run here."),
    by: list(seenFromSchema, "What each balancer says of it, in the order of the balancers."),
    where: oneOf(
      places,
      "`upstream`: no balancer that uses it finds it well. `path`: some do, so that it may be the way to it from the others. " +
        "`operator`: it drains or is in maintenance, everywhere or `_in_part`. `unclear`: one balancer alone tells. `none`: it is well.",
    ),
    from: list(Type.String(), "The balancers that do not find it well, or do not use it."),
  },
  { description: "An upstream as each balancer of the fleet sees it." },
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
    differs: list(
      Type.String(),
      "In what it differs from this one: parts of the configuration such as `pools` and `routes`; `members` for discovered " +
        "upstreams; `orders` when it has not taken over orders for three seconds; `settings` for modes and weights.",
    ),
    isCurrent: boolean("Whether it follows the same commit as this balancer."),
    startedAt: timestamp("Its start, by its own clock."),
    url: nullable(Type.String(), "Address of its dashboard; null if it has not said."),
    inFlight: count("Client requests in flight."),
    requestsPerSecond: numberSchema("Of the last 10 s."),
    errorShare: numberSchema("Errors ÷ requests of the last 10 s, 0–1."),
    problems: Type.Object(
      { critical: count("Critical ones."), warning: count("Warnings.") },
      { description: "Its open problems." },
    ),
    upstreams: list(
      seenUpstreamSchema,
      "As it sees them: the ones that are not passing or have an open problem, worst first. At most 500.",
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
    seen: list(seenSchema, "Upstreams that one of them does not find well, worst first. At most 200."),
    seenOmitted: count("More upstreams like these."),
    events: list(eventSchema, "The last twenty events of the fleet, oldest first."),
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

/** Of an upstream. */
export const ordersElsewhereSchema = list(
  Type.String(),
  "In a fleet: other balancers that do not follow the orders about it yet, still use it though it is out, or may do so, with " +
    "the reason. Empty once the orders count everywhere. In lists only for upstreams that drain or are in maintenance.",
);
