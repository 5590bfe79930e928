/** Schema of the list of routes: traffic of the last minute and since the start, and where each leads. */

import { Type } from "@sinclair/typebox";
import type { RouteTarget } from "../../snapshot/route-report.ts";
import { count, list, nullable, numberSchema, oneOf, textSchema } from "./parts.ts";

const numbers = {
  requests: count("Requests that ended."),
  errors: count("Of these, the ones that ended with a 5xx status at the client."),
  retries: count("Further attempts after a failed one."),
  refusals: count("Requests that the balancer refused itself."),
};

const duration = (share: string) =>
  nullable(
    Type.Number({ minimum: 0 }),
    `${share} of the time from a request's head to the end of its response, milliseconds; null without any.`,
  );

const countsKeys = {
  recent: Type.Object(
    {
      seconds: numberSchema("Length of the window: about a minute, less after a start."),
      ...numbers,
      requestsPerSecond: numberSchema("Requests each second."),
      errorShare: Type.Number({ minimum: 0, maximum: 1, description: "Errors ÷ requests." }),
      p50Ms: duration("Median"),
      p95Ms: duration("95th percentile"),
      p99Ms: duration("99th percentile"),
    },
    { title: "RecentRouteTraffic" },
  ),
  total: Type.Object(numbers, {
    title: "RouteTotals",
    description: "Since the process started, or since the route was added.",
  }),
};

const targetSchema = Type.Object(
  {
    kind: oneOf<RouteTarget["kind"]>(
      ["pool", "split", "redirect", "respond"],
      "What it does with a request.",
    ),
    words: textSchema(
      "Pools, with weights where a split has them; a redirect's address; a response's status.",
    ),
    pools: list(Type.String(), "Pools that its requests go to."),
  },
  { title: "RouteTarget" },
);

const routeReportSchema = Type.Object(
  {
    route: textSchema("Name, or host and path; as in `hits.routes` of a problem."),
    name: nullable(Type.String(), "Name; null without one."),
    place: textSchema("Where it stands in the configuration: `routes[3]`."),
    hosts: list(Type.String(), "Hosts of its condition; empty for all."),
    path: nullable(Type.String(), "Path of its condition; null for all."),
    leadsTo: targetSchema,
    ...countsKeys,
  },
  { title: "RouteReport" },
);

export const routesSchema = Type.Object(
  {
    routes: list(routeReportSchema, "At most 1,000; the most failing requests of the last minute first."),
    others: nullable(
      Type.Object(
        { routes: count("How many routes are counted together."), ...countsKeys },
        { title: "OtherRoutesReport" },
      ),
      "Routes beyond the limit; null where every route has counters of its own.",
    ),
  },
  { title: "RoutesReport" },
);
