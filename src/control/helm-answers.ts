/** What the helm answers: reports of orders that were carried out, and the usual refusals. */

import { originOf, type UpstreamSpec } from "../pool/upstream.ts";
import type { Intent } from "../state/intent.ts";
import { type Denied, denied, type DrainReport } from "./control.ts";
import type { Found } from "./fleet.ts";

/** Whether an upstream comes back as it was configured. */
export function isRemovalUndone(
  removed: Extract<Intent, { kind: "removed" }> | undefined,
  spec: UpstreamSpec,
  pool: string,
): boolean {
  return removed?.pool === pool && originOf(removed.address) === originOf(spec.address);
}

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
