/** What counts as a problem, in words: each kind with its threshold, as the page of alerts and docs/problems.md say it. */

import { timings } from "../problems/finding.ts";
import { ownProblemKinds, type ProblemKind } from "../problems/problem.ts";
import { formatSpan } from "./format.ts";

export interface KindText {
  readonly kind: ProblemKind;
  /** "An upstream fails more than its peers" */
  readonly name: string;
  /** From when on: "5 % and 5 times their median, over 20 requests" */
  readonly from: string;
  /** "30 s", "at once" */
  readonly opensAfter: string;
  readonly closesAfter: string;
}

const texts: Readonly<Record<ProblemKind, readonly [name: string, from: string]>> = {
  balancer_gone: ["The balancer does not answer", "its admin API cannot be read"],
  front_door: ["The public address fails", "it cannot be reached, or answers 5xx"],
  peer_gone: ["A balancer of the fleet is not heard", "no heartbeat, and it has not said that it leaves"],
  fleet_alone: ["The store of the fleet is away", "it cannot be reached"],
  fleet_differs: ["Balancers of the fleet differ", "configuration, modes or weights"],
  pool_empty: ["No upstream of a pool serves", "backups included"],
  panic: ["A pool serves with ejected upstreams only", "panic mode"],
  queue: ["A queue fills", "half of its places, or any request turned away"],
  pool_errors: ["A pool fails", "5 % of its requests, and no upstream stands out"],
  pool_slow: ["A pool is slower than usual", "p95 3 times the usual of this hour, and 200 ms more"],
  retries_spent: ["Retries are used up", "the budget refuses one a second"],
  upstream_down: ["An upstream is down", "it fails its check, or is ejected"],
  upstream_errors: [
    "An upstream fails more than its peers",
    "5 % and 5 times their median, over 20 requests",
  ],
  upstream_slow: ["An upstream is slower than its peers", "p95 3 times their median, and 200 ms more"],
  probe_flaps: ["A check flaps", "6 changes in 10 min"],
  start_stalled: ["A start does not end", "3 times its time, or ejected again twice"],
  shedding: ["Memory is short", "new requests are refused"],
  exhaustion: ["Descriptors or ports are used up", "the system gives no more"],
  state_not_kept: ["Changes are not saved", "the state file cannot be written"],
  reload_refused: ["A configuration was refused", "the last one that was asked for"],
  upgrade_failed: ["An upgrade failed", "a new process could not take over"],
  log_lost: ["Log lines or spans are lost", "any in a minute"],
  alert_lost: ["Alerts do not arrive", "a receiver has taken none for 10 min"],
  certificate: ["A certificate ends", "30, 7 and 1 days before; two renewals failed"],
};

/** Every kind that this balancer finds, in the order of the list. */
export const kindTexts: readonly KindText[] = ownProblemKinds.map((kind) => {
  const [name, from] = texts[kind];
  const { openAfterMs, closesAfterMs } = timings[kind];
  return { kind, name, from, opensAfter: timeText(openAfterMs), closesAfter: timeText(closesAfterMs) };
});

function timeText(ms: number): string {
  return ms === 0 ? "at once" : formatSpan(ms);
}
