/** One thing that changed, as the record keeps it: what anybody needs who asks later why it happened. */

/**
 * What kind of thing it is. `probe` and `outlier` are verdicts, `panic` is a pool's fail-open; the rest is intent:
 * an upstream's `mode`, `weight`, `backup` place, its `member`ship, its `drain` and its `rehearsal`; the balancer's
 * `reload`, `phase` and `worker`s; `load` is what it refuses for want of memory; `certificate` is how near the end of its
 * own one is; `login` is who came to the admin side, was refused there, or left.
 */
export type EventKind =
  | "probe"
  | "outlier"
  | "panic"
  | "mode"
  | "weight"
  | "backup"
  | "member"
  | "drain"
  | "rehearsal"
  | "reload"
  | "phase"
  | "worker"
  | "load"
  | "certificate"
  | "login";

export interface BalancerEvent {
  /** Grows from event to event and over restarts, with gaps. */
  readonly seq: number;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly kind: EventKind;
  /** Null where the whole balancer is meant. */
  readonly pool: string | null;
  /** Null where a whole pool is meant. */
  readonly upstream: string | null;
  readonly from: string;
  readonly to: string;
  /** One word: "probe_failed", "operator", "configuration" … */
  readonly reason: string;
  /** Who did it: an operator's name, or "prober", "watch", "SIGHUP", "balancer". */
  readonly by: string;
  /** What a probe saw, why an operator says that it was done; may be empty. */
  readonly detail: string;
}
