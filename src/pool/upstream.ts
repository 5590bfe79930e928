/** One address in a pool: what the operator wants of it, what is known of it, and how much it carries now. */

import { PeakEwma } from "../lib/ewma.ts";
import { hashString } from "../lib/hash.ts";
import { AttemptList } from "./attempt.ts";
import {
  ejectionDisabled,
  OutlierDetector,
  type OutlierLimits,
  type OutlierVerdict,
} from "./outlier-detector.ts";
import type { FaultInjection } from "../fault/fault.ts";
import { SlowStart } from "./slow-start.ts";
import { ActiveHealth, type RiseFall, type ActiveHealthState } from "./active-health.ts";
import type { Address } from "../net/address.ts";

/** The operator's intent. `draining`: no new requests, those in flight finish. `maintenance`: out until said otherwise. */
export type Mode = "ready" | "draining" | "maintenance";

export const modes: readonly Mode[] = ["ready", "draining", "maintenance"];

/** What is shown: derived from mode and verdicts each time it is asked for, never stored. */
export type Status =
  "passing" | "checking" | "failing" | "ejected" | "probation" | "draining" | "maintenance";

export interface UpstreamSpec {
  /** Names it everywhere: API, metrics, log, dashboard. Unique in the whole configuration. */
  readonly id: string;
  readonly address: Address;
  /** Share of traffic relative to its siblings, 0–256; 0 gets no new traffic. */
  readonly weight: number;
  /** Serves only when no primary is fit. */
  readonly backup: boolean;
}

/** What probes and attempts say of an upstream, as one process tells another. */
export interface UpstreamHealth {
  readonly streak: ActiveHealthState;
  readonly verdict: OutlierVerdict;
}

/** What an upstream has to keep to, and what its verdicts go by. What is left out does not limit. */
export interface UpstreamLimits extends RiseFall {
  /** Without it no attempt speaks against it. */
  readonly outlier?: OutlierLimits;
  /** How long it takes from a recovery to its whole share, milliseconds. */
  readonly slowStartMs?: number;
  /** Attempts at the same time, tunnels not counted. */
  readonly maxInFlight?: number;
}

export class Upstream {
  readonly id: string;
  /** Its `tls` may change; the rest is what makes it this upstream. Connections that are open keep what they began with. */
  address: Address;
  /** Fixed hash of the id, so that rendezvous hashing does not hash it anew for every request. */
  readonly seed: number;
  readonly activeHealth: ActiveHealth;
  readonly outlier: OutlierDetector;
  readonly slowStart: SlowStart;
  maxInFlight: number;
  /** Milliseconds until an answer's head arrives. */
  readonly latency = new PeakEwma(latencyTauMs);
  weight: number;
  backup: boolean;
  mode: Mode = "ready";
  /** The fault that is played here; undefined, nearly always, while there is none. */
  fault: FaultInjection | undefined;
  /** Attempts under way, tunnels among them. */
  inFlight = 0;
  /** Those whose protocol was switched: open for days perhaps, mostly idle, and so no reason to refuse requests. */
  tunnels = 0;
  /** Attempts of which it is this upstream's turn to answer, longest first. */
  readonly waiting = new AttemptList();
  /** The other open ones: they are being answered, or their clients still send. */
  readonly responding = new AttemptList();
  /** Clock time of the last head; -Infinity before the first. */
  lastResponseAt = -Infinity;
  /** What the engine that serves it keeps for it, and nobody else looks at: here, so that finding it costs nothing. */
  connectionPool: unknown;

  constructor(spec: UpstreamSpec, limits: UpstreamLimits) {
    this.id = spec.id;
    this.address = spec.address;
    this.weight = spec.weight;
    this.backup = spec.backup;
    this.seed = hashString(spec.id);
    this.activeHealth = new ActiveHealth(limits);
    this.outlier = new OutlierDetector(limits.outlier ?? ejectionDisabled);
    this.slowStart = new SlowStart(limits.slowStartMs ?? 0);
    this.maxInFlight = limits.maxInFlight ?? Infinity;
  }

  /** Whether its limit lets one more request in. */
  get hasCapacity(): boolean {
    return this.inFlight - this.tunnels < this.maxInFlight;
  }

  /** Whether probes or attempts have found it down. */
  get isDown(): boolean {
    return this.activeHealth.state === "failing" || this.outlier.state === "ejected";
  }

  /**
   * Whether attempts took it out because they got no connection: a check that has one since knows better. Not where TLS is
   * part of it, which a check may leave out, nor for what a rehearsal refuses.
   * Source: Envoy's `successful_active_health_check_uneject_host`, which believes checks in every case.
   */
  get isEjectedForRefusedConnect(): boolean {
    const { address, outlier, fault } = this;
    if (address.protocol !== "http" || fault) return false;
    return outlier.state !== "up" && outlier.cause === "connect_refused";
  }

  /** The weight that policies go by: less than the operator's during a slow start. Changes only with the fit list. */
  get effectiveWeight(): number {
    return this.weight * this.slowStart.share;
  }

  get status(): Status {
    if (this.mode !== "ready") return this.mode;
    const { state } = this.outlier;
    return state === "up" || this.activeHealth.state === "failing" ? this.activeHealth.state : state;
  }
}

/** A score is two thirds forgotten after this long; Finagle's default. */
const latencyTauMs = 10_000;
