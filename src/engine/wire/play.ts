/** Plays what a rehearsal has in store for an attempt, before or instead of sending it. */

import { type Cancel, systemSchedule } from "../../lib/clock.ts";
import type { Attempt } from "../../pool/attempt.ts";
import { completed } from "../../pool/outcome.ts";
import { faultDetail, type Interception, capDelay } from "../../pool/rehearsal.ts";
import { refusal } from "../../proxy/refusal.ts";
import type { RequestForwarder } from "./relay.ts";

/** Meanwhile the attempt waits as if for a connection. @returns gives it up, for a request that is over */
export function holdAttempt(attempt: Attempt, staged: Interception, relay: RequestForwarder): Cancel {
  const { attempts: sending } = relay;
  const { delayMs, end } = capDelay(staged, sending.timeouts.headMs);
  const begin = () => {
    // Rescued, outrun or left meanwhile: no two attempts have the same thing in store.
    if (!attempt.isOpen || attempt.interception !== staged) return;
    sending.pair.switchTo(attempt);
    attempt.interception = undefined;
    attempt.heldMs = delayMs;
    if (!end) return sending.runStep(attempt);
    if (end.kind === "failure") return sending.failed(end);
    sending.head(end.status);
    const next = sending.answered(end.status, faultDetail);
    if (next !== "pass") return sending.runStep(next);
    sending.commit();
    sending.end(completed);
    relay.sendRefusal(refusal("rehearsal", end.status));
  };
  return systemSchedule(delayMs, () => sending.driver.run(begin));
}
