/** What the helm answers: reports of orders that were carried out, and the usual refusals. */

import { type Denied, denied, type DrainReport } from "./control.ts";
import type { Found } from "./fleet.ts";

/** @param cut how many were cut by force */
export function reportOf(
  end: "drained" | "late" | "undone",
  { upstream: { inFlight } }: Found,
  cut = 0,
): DrainReport {
  return { drained: end === "drained", inFlight, undone: end === "undone", cut };
}

export function unknown(id: string): Denied {
  return denied(404, "upstream_unknown", `Cannot do that: no upstream is called ${id}`);
}

export function leaving(id: string): Denied {
  return denied(409, "upstream_leaving", `Cannot do that: ${id} is being removed`);
}
