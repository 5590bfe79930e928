/** The recorded event: one change of the balancer, a pool or an upstream, with actor and reason. */

/**
 * What changed.
 * - Verdicts: `probe`, `outlier`; `panic` is panic mode of a pool.
 * - Intents for an upstream: `mode`, `weight`, `backup` role, `member`ship, `drain`, `rehearsal` (fault injection).
 * - The balancer: `reload`, `phase`, `worker`, `load` (load shedding at the memory limit), `certificate` (expiry of its own
 *   certificate), `exhaustion` (no descriptor, port or socket memory left), `extension` (a filter or policy of an extension fails),
 *   `problem` (one of the list opened, got worse or closed), `alert` (a receiver of alerts begins or ends to fail, or an alert is
 *   lost), `silence` (an operator silences problems, or a silence ends), `rate_limit` (a limit of a route begins or stops to refuse requests), `discovery` (a source of members begins or ends to
 *   fail, or to have none), `upgrade` (a new process took over, or could not), `fleet` (the store of the fleet is lost or
 *   back, or an order was set aside), `login` (login, rejected login or logout at the admin
 *   API).
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
  | "exhaustion"
  | "extension"
  | "rate_limit"
  | "discovery"
  | "upgrade"
  | "fleet"
  | "login"
  | "problem"
  | "alert"
  | "silence";

export interface BalancerEvent {
  /** Increases with each event and across restarts, with gaps. */
  readonly seq: number;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly kind: EventKind;
  /** Null for an event of the whole balancer. */
  readonly pool: string | null;
  /** Null for an event of a whole pool. */
  readonly upstream: string | null;
  readonly from: string;
  readonly to: string;
  /** Reason word: "probe_failed", "operator", "configuration" … */
  readonly reason: string;
  /** Actor: the name of an operator, or "prober", "watch", "SIGHUP", "balancer". */
  readonly by: string;
  /** The result of a probe or the reason given by an operator; may be empty. */
  readonly detail: string;
}
