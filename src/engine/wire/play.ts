/** Plays what a rehearsal has in store for an attempt, before or instead of sending it. */

import { type Cancel, systemSchedule } from "../../lib/clock.ts";
import type { Attempt } from "../../pool/attempt.ts";
import { completed } from "../../pool/outcome.ts";
import { faultDetail, type Interception, capDelay } from "../../fault/fault.ts";
import { refusal } from "../../proxy/refusal.ts";
import type { RequestForwarder } from "./request-forwarder.ts";

/** Meanwhile the attempt waits as if for a connection. @returns gives it up, for a request that is over */
export function holdAttempt(attempt: Attempt, staged: Interception, forwarder: RequestForwarder): Cancel {
  const { attempts: runner } = forwarder;
  const { delayMs, end } = capDelay(staged, runner.timeouts.headMs);
  const begin = () => {
    // Rescued, outrun or left meanwhile: no two attempts have the same thing in store.
    if (!attempt.isOpen || attempt.interception !== staged) return;
    runner.pair.switchTo(attempt);
    attempt.interception = undefined;
    attempt.heldMs = delayMs;
    if (!end) return runner.runStep(attempt);
    if (end.kind === "failure") return runner.failed(end);
    runner.responseHead(end.status);
    const next = runner.responseComplete(end.status, faultDetail);
    if (next !== "pass") return runner.runStep(next);
    runner.commit();
    runner.end(completed);
    forwarder.sendRefusal(refusal("rehearsal", end.status));
  };
  return systemSchedule(delayMs, () => runner.driver.run(begin));
}
