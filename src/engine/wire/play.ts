/** Plays what a rehearsal has in store for an attempt, before or instead of sending it. */

import { type Cancel, systemSchedule } from "../../lib/clock.ts";
import type { Attempt } from "../../pool/attempt.ts";
import { completed } from "../../pool/outcome.ts";
import { faultDetail, type Interception, capDelay } from "../../pool/rehearsal.ts";
import { refusal } from "../../proxy/refusal.ts";
import type { RequestForwarder } from "./relay.ts";

/** Meanwhile the attempt waits as if for a connection. @returns gives it up, for a request that is over */
export function holdAttempt(attempt: Attempt, staged: Interception, relay: RequestForwarder): Cancel {
  const { sending } = relay;
  const { delayMs, end } = capDelay(staged, sending.timeouts.headMs);
  const begin = () => {
    // Rescued, outrun or left meanwhile: no two attempts have the same thing in store.
    if (!attempt.isOpen || attempt.staged !== staged) return;
    sending.legs.turnTo(attempt);
    attempt.staged = undefined;
    attempt.delayedMs = delayMs;
    if (!end) return sending.follow(attempt);
    if (end.kind === "failure") return sending.failed(end);
    sending.head(end.status);
    const next = sending.answered(end.status, faultDetail);
    if (next !== "pass") return sending.follow(next);
    sending.win();
    sending.end(completed);
    relay.refused(refusal("rehearsal", end.status));
  };
  return systemSchedule(delayMs, () => sending.carrier.run(begin));
}
