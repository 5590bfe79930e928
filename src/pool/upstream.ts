/** One address in a pool: the operator's intent, the verdicts about it, and its load. */

import { PeakEwma } from "../lib/ewma.ts";
import { hashString } from "../lib/hash.ts";
import type { Address } from "../net/address.ts";
import { Endpoints } from "../net/endpoints.ts";
import { ActiveHealth, type ActiveHealthState, type RiseFall } from "./active-health.ts";
import { AttemptList } from "./attempt.ts";
import {
  ejectionDisabled,
  OutlierDetector,
  type OutlierLimits,
  type OutlierVerdict,
} from "./outlier-detector.ts";
import { SlowStart } from "./slow-start.ts";

/**
 * The operator's intent. `draining`: no new requests, those in flight finish. `maintenance`: no new requests until the
 * operator changes the mode.
 */
export type Mode = "ready" | "draining" | "maintenance";

export const modes: readonly Mode[] = ["ready", "draining", "maintenance"];

/** What is shown. Derived from mode and verdicts at each read, never stored. */
export type Status =
  "passing" | "checking" | "failing" | "ejected" | "probation" | "draining" | "maintenance";

export interface UpstreamSpec {
  /** Its name in API, metrics, log and dashboard. Unique in the whole configuration. */
  readonly id: string;
  readonly address: Address;
  /** Share of the pool's traffic relative to the other upstreams. Range 0–256; 0 takes no traffic. */
  readonly weight: number;
  /** Serves only when no primary upstream is available. */
  readonly backup: boolean;
}

/** Both verdicts about an upstream, as one process sends them to another. */
export interface UpstreamHealth {
  readonly activeHealth: ActiveHealthState;
  readonly verdict: OutlierVerdict;
}

/** Limits and thresholds of one upstream. A missing limit does not limit. */
export interface UpstreamLimits extends RiseFall {
  /** Without it no attempt ejects the upstream. */
  readonly outlier?: OutlierLimits;
  /** From a recovery to the full weight, milliseconds. */
  readonly slowStartMs?: number;
  /** Attempts at the same time, tunnels and streams not counted. */
  readonly maxInFlight?: number;
}

/** A score is two thirds forgotten after this long; Finagle's default. */
const latencyTauMs = 10_000;

export class Upstream {
  readonly id: string;
  /** Only its `tls` may change: open connections keep the parameters that they were opened with. */
  address: Address;
  /** Where connects go: the addresses that its host name has now. */
  readonly endpoints: Endpoints;
  /** Hash of the id, computed once: rendezvous hashing needs it for every request. */
  readonly seed: number;
  readonly activeHealth: ActiveHealth;
  readonly outlier: OutlierDetector;
  readonly slowStart: SlowStart;
  maxInFlight: number;
  /** Time to a response's head, milliseconds. */
  readonly latency = new PeakEwma(latencyTauMs);
  weight: number;
  backup: boolean;
  mode: Mode = "ready";
  /** Whether its drain has no time left: clients that stay with it move elsewhere. */
  isDrainLate = false;
  /** Open attempts, tunnels and streams included. */
  inFlight = 0;
  /** Open attempts whose connection became a tunnel: mostly idle and open for days perhaps, so they take no slot. */
  tunnels = 0;
  /** Open attempts whose response takes no slot: streams of events, and responses that their clients read too slowly. */
  streams = 0;
  /** Attempts that the upstream is due to respond to, the longest wait first. */
  readonly waiting = new AttemptList();
  /** The other open attempts: a response has begun, or the client still uploads. */
  readonly responding = new AttemptList();
  /** Clock time of the last response head; -Infinity before the first. */
  lastResponseAt = -Infinity;
  /** The engine's connection pool for this upstream: kept here, so that finding it costs nothing. Only the engine reads it. */
  connectionPool: unknown;

  constructor(spec: UpstreamSpec, limits: UpstreamLimits) {
    this.id = spec.id;
    this.address = spec.address;
    this.endpoints = new Endpoints(spec.address.hostname);
    this.weight = spec.weight;
    this.backup = spec.backup;
    this.seed = hashString(spec.id);
    this.activeHealth = new ActiveHealth(limits);
    this.outlier = new OutlierDetector(limits.outlier ?? ejectionDisabled);
    this.slowStart = new SlowStart(limits.slowStartMs ?? 0);
    this.maxInFlight = limits.maxInFlight ?? Infinity;
  }

  /** Whether a slot is free. */
  get hasCapacity(): boolean {
    return this.inFlight - this.tunnels - this.streams < this.maxInFlight;
  }

  /** Whether probes or attempts found it down. */
  get isDown(): boolean {
    return this.activeHealth.state === "failing" || this.outlier.state === "ejected";
  }

  /**
   * Whether it was ejected for refused connections: a later probe that connects disproves that. False for https, where the
   * probe may leave the handshake out.
   * Source: Envoy's `successful_active_health_check_uneject_host`, which trusts the probe in every case.
   */
  get isEjectedForRefusedConnect(): boolean {
    const { address, outlier } = this;
    return address.protocol === "http" && outlier.state !== "up" && outlier.cause === "connect_refused";
  }

  /** The weight that policies use: below the operator's during a slow start. Changes only with the list of available upstreams. */
  get effectiveWeight(): number {
    return this.weight * this.slowStart.share;
  }

  get status(): Status {
    if (this.mode !== "ready") return this.mode;
    const { state } = this.outlier;
    return state === "up" || this.activeHealth.state === "failing" ? this.activeHealth.state : state;
  }
}
