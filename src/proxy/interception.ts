/** What follows from an answer that a rehearsal plays: the same as from a real one, though there is none to pass on. */

import type { Attempt } from "../pool/attempt.ts";
import { completed } from "../pool/outcome.ts";
import type { Exchange } from "./exchange.ts";
import { type Refusal, refusal } from "./refusal.ts";

/** Ends the attempt as one that was answered with the status: another one if that is tried elsewhere, or what to answer. */
export function applySyntheticResponse(
  exchange: Exchange,
  attempt: Attempt,
  status: number,
): Attempt | Refusal {
  attempt.responseStarted(status);
  const step = exchange.responseReceived(status);
  if (step !== "pass") return step;
  exchange.commit(attempt);
  attempt.end(completed);
  return refusal("rehearsal", status);
}
