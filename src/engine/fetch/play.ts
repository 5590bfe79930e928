/** Plays what a rehearsal has in store for an attempt, before or instead of sending it. */

import { systemSchedule } from "../../lib/clock.ts";
import type { Attempt } from "../../pool/attempt.ts";
import type { Failure } from "../../pool/outcome.ts";
import { faultDetail, type Interception, capDelay } from "../../fault/fault.ts";
import { applySyntheticResponse } from "../../proxy/interception.ts";
import type { Redirected } from "./attempt-monitor.ts";
import type { FetchEngineContext, RequestContext } from "./handler.ts";
import { refusalResponse } from "./local-replies.ts";

/** An attempt that something is in store for. */
export interface InterceptionInput {
  readonly attempt: Attempt;
  readonly staged: Interception;
  /** Aborted when the client is gone, or the request goes elsewhere. */
  readonly signal: AbortSignal;
  /** Whether the request's body can be sent again from its first byte. */
  readonly isReplayable: boolean;
}

/** What became of the attempt, which has ended; undefined if it is to be sent now. "aborted": the signal was, and the attempt is as it was. */
export async function applyInterception(
  options: FetchEngineContext,
  context: RequestContext,
  { attempt, staged, signal, isReplayable }: InterceptionInput,
): Promise<Response | Failure | Redirected | "aborted" | undefined> {
  const { exchange, head, requestId } = context;
  const { delayMs, end } = capDelay(staged, exchange.destination?.timeouts.headMs ?? 0);
  if (delayMs > 0 && !(await waitFor(delayMs, signal))) return "aborted";
  attempt.heldMs = delayMs;
  if (!end) return undefined;
  if (end.kind === "failure") {
    attempt.end(end);
    return end;
  }
  exchange.isReplayable = isReplayable;
  const { id: upstream } = attempt.upstream;
  const step = applySyntheticResponse(exchange, attempt, end.status);
  if (step.kind === "refusal") return refusalResponse(options, context, step);
  const retriedOn = step.upstream.id;
  const headers = { requestId, method: head.method, upstream, status: end.status, detail: faultDetail };
  options.log.warn("attempt answered badly", { ...headers, retriedOn });
  return { kind: "moved", isTold: true, next: step };
}

/** Whether the time went by without an end of the signal. */
function waitFor(delayMs: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const onAbort = () => {
      cancel();
      resolve(false);
    };
    const cancel = systemSchedule(delayMs, () => {
      signal.removeEventListener("abort", onAbort);
      resolve(true);
    });
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
