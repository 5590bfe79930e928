/** What the log hears of attempts that were lost: apart from the sending, which only knows where they went. */

import type { Attempt } from "../../pool/attempt.ts";
import type { Failure } from "../../pool/outcome.ts";
import type { EngineLog } from "../engine.ts";
import type { RelayedRequest } from "./relayed-request.ts";

/** @param followed what came next: `retriedOn`, or `notRetried` with the reason */
export function logFailed(
  log: EngineLog,
  { id: requestId, view }: RelayedRequest,
  lost: Failure & { readonly upstream: string; readonly followed: Readonly<Record<string, unknown>> },
): void {
  const { upstream, reason, phase, detail, followed } = lost;
  log.fault("attempt failed", {
    requestId,
    method: view.method,
    upstream,
    reason,
    phase,
    detail,
    ...followed,
  });
}

/** An answer that is tried elsewhere. @param detail why it came, if not from the upstream */
export function logAnswered(
  log: EngineLog,
  { id: requestId, view }: RelayedRequest,
  answered: {
    readonly upstream: string | undefined;
    readonly status: number;
    readonly next: Attempt;
    readonly detail?: string;
  },
): void {
  const { next, ...fields } = answered;
  const retriedOn = next.upstream.id;
  log.fault("attempt answered badly", { requestId, method: view.method, ...fields, retriedOn });
}
