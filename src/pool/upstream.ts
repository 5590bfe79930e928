/** One address in a pool: what the operator wants of it, what is known of it, and how much it carries now. */

import { PeakEwma } from "../lib/ewma.ts";
import { hashString } from "../lib/hash.ts";
import { Streak, type StreakLimits } from "./streak.ts";

/** The operator's intent. `draining`: no new requests, those in flight finish. `maintenance`: out until said otherwise. */
export type Mode = "ready" | "draining" | "maintenance";

export const modes: readonly Mode[] = ["ready", "draining", "maintenance"];

/** What is shown: derived from mode and verdicts each time it is asked for, never stored. */
export type Status = "passing" | "checking" | "failing" | "draining" | "maintenance";

/** Where an upstream listens. */
export interface Address {
  readonly protocol: "http" | "https";
  readonly hostname: string;
  readonly port: number;
}

export interface UpstreamSpec {
  /** Names it everywhere: API, metrics, log, dashboard. Unique in the whole configuration. */
  readonly id: string;
  readonly address: Address;
  /** Share of traffic relative to its siblings, 0–256; 0 gets no new traffic. */
  readonly weight: number;
  /** Serves only when no primary is fit. */
  readonly backup: boolean;
}

export class Upstream {
  readonly id: string;
  readonly address: Address;
  /** Fixed hash of the id, so that rendezvous hashing does not hash it anew for every request. */
  readonly seed: number;
  readonly streak: Streak;
  /** Milliseconds until an answer's head arrives. */
  readonly latency = new PeakEwma(latencyTauMs);
  weight: number;
  backup: boolean;
  mode: Mode = "ready";
  inFlight = 0;

  constructor(spec: UpstreamSpec, limits: StreakLimits) {
    this.id = spec.id;
    this.address = spec.address;
    this.weight = spec.weight;
    this.backup = spec.backup;
    this.seed = hashString(spec.id);
    this.streak = new Streak(limits);
  }

  get status(): Status {
    return this.mode === "ready" ? this.streak.state : this.mode;
  }
}

/** A score is two thirds forgotten after this long; Finagle's default. */
const latencyTauMs = 10_000;

/** The address as a URL's origin, without a path. */
export function originOf(address: Address): string {
  return `${address.protocol}://${authorityOf(address)}`;
}

/** The address as host:port. */
export function authorityOf(address: Address): string {
  return `${address.hostname}:${address.port}`;
}
