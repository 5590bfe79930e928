/** What became of requests, in words: of one, and of a group that ended alike. */

import type { RequestGroup } from "../requests/request-store.ts";
import type { Tone } from "./verdict.ts";
import { formatMs } from "./format.ts";

const reasonTexts: Readonly<Record<string, string>> = {
  connect_refused: "Connection refused",
  connect_timeout: "No connection in time",
  connect_reset: "Connection cut while connecting",
  stream_refused: "Stream refused",
  head_timeout: "No response in time",
  head_invalid: "Invalid response",
  answer_refused: "Response refused",
  upstream_reset: "Connection cut",
  body_timeout: "The response stopped",
  body_truncated: "The response ended early",
  total_timeout: "Not done within its time",
  rehearsal: "Fault injection",
  no_route: "No route",
  no_upstream: "No upstream available",
  queue_full: "Turned away: the queue is full",
  queue_timeout: "Waited, and no place came free",
  request_invalid: "Invalid request",
  request_too_large: "Request too large",
  too_many_clients: "Too many connections",
  overloaded: "Refused: memory is short",
  balancer_exhausted: "Refused: out of descriptors or ports",
  path_ambiguous: "Ambiguous path",
  unknown_host: "Unknown host",
  denied: "Denied by address",
  rate_limited: "Over the rate limit",
  auth_required: "Not logged in",
  auth_refused: "Refused by the authorization server",
  auth_unavailable: "Authorization server unavailable",
};

/** "Connection refused" for `connect_refused`; the reason itself for one of a later version. */
export function reasonText(reason: string): string {
  return Object.hasOwn(reasonTexts, reason) ? (reasonTexts[reason] ?? reason) : reason.replaceAll("_", " ");
}

type Ending = Pick<RequestGroup, "outcome" | "status" | "reason">;

/** "500 from the server", "Connection refused", "Took over 1.0 s" @param slowMs from when on a request is slow */
export function endingText({ outcome, status, reason }: Ending, slowMs: number): string {
  if (outcome === "sampled") return "Ended as usual";
  if (outcome === "slow") return `Took over ${formatMs(slowMs)}`;
  if (outcome === "retried") return "Response of a second attempt";
  if (reason !== null) return reasonText(reason);
  return status === 0 ? "No response" : `${status} from the server`;
}

/** Red is what clients notice, amber what they may. */
export function endingTone({ outcome }: Pick<RequestGroup, "outcome">): Tone | "calm" {
  if (outcome === "failed") return "bad";
  return outcome === "slow" || outcome === "retried" ? "warn" : "calm";
}

/** "by client, at 0.0312 of 1", "at random". @param point hash of the client's key, 0–1 */
export function splitCause(by: string, point: number): string {
  return by === "none" ? "at random" : `by ${by}, at ${point} of 1`;
}
