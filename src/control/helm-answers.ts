/** What the helm answers: reports of orders that were carried out, and the usual refusals. */

import { type CommandError, commandError, type DrainReport } from "./control.ts";
import type { UpstreamLocation } from "../registry/pool-registry.ts";

/** @param cut how many were cut by force */
export function drainReport(
  end: "drained" | "late" | "undone",
  { upstream: { inFlight } }: UpstreamLocation,
  cut = 0,
): DrainReport {
  return { drained: end === "drained", inFlight, undone: end === "undone", cut };
}

export function unknownUpstream(id: string): CommandError {
  return commandError(404, "upstream_unknown", `Cannot do that: no upstream is called ${id}`);
}

export function alreadyDeparting(id: string): CommandError {
  return commandError(409, "upstream_leaving", `Cannot do that: ${id} is being removed`);
}
