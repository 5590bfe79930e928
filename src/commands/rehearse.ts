/** `evenkeel rehearse`: plays a fault on an upstream of a running balancer, or ends one. */

import type { Verb } from "../cli/verbs.ts";
import { formatDuration } from "../lib/units.ts";
import { describeFault, defaultFaultMs } from "../fault/fault.ts";
import type { UpstreamSnapshot } from "../snapshot/snapshot.ts";
import { asRecord } from "../lib/json.ts";
import type { AdminCall, Failed } from "./admin-call.ts";

/** The sentence that says what became of it. */
export async function runFault(
  { upstream, method, body, reason }: Extract<Verb, { verb: "rehearse" }>,
  call: AdminCall,
): Promise<string | Failed> {
  const path = `/api/upstreams/${encodeURIComponent(upstream)}/rehearsal`;
  const response = await call({ method, path, body: reason === "" ? body : { ...body, reason } });
  if (response.kind === "failed") return response;
  if (method === "DELETE") return `The rehearsal on ${upstream} has ended.`;
  const { rehearsal: fault } = asRecord(response.value) as Partial<Pick<UpstreamSnapshot, "rehearsal">>;
  const plays = fault ? describeFault(fault) : "nothing any more";
  const { seconds = defaultFaultMs / 1_000 } = body;
  const left = formatDuration(Number(seconds) * 1_000);
  return `Rehearsal on ${upstream}: ${plays}, for ${left}. It ends by itself.`;
}
