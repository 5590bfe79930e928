/** What the balancer has seen of each upstream besides its traffic: the last probes, and since when its status holds. */

import type { WallClock } from "../lib/clock.ts";
import type { Status, Upstream } from "../pool/upstream.ts";
import type { ProbeSnapshot } from "../snapshot/snapshot.ts";

/** Five minutes at the usual interval. */
const probesKept = 60;

interface ObservedUpstream {
  status: Status;
  /** Epoch milliseconds. */
  since: number;
  readonly probes: ProbeSnapshot[];
  /** A sign for each of them. */
  history: string;
}

/** Upstreams that nobody holds any more are forgotten with everything seen of them. */
export class UpstreamObservations {
  readonly #wallClock: WallClock;
  readonly #seen = new WeakMap<Upstream, ObservedUpstream>();

  constructor(wallClock: WallClock) {
    this.#wallClock = wallClock;
  }

  probed(upstream: Upstream, probe: ProbeSnapshot): void {
    const seen = this.sample(upstream);
    seen.probes.push(probe);
    if (seen.probes.length > probesKept) seen.probes.shift();
    seen.history = (seen.history + (probe.success ? "+" : "-")).slice(-probesKept);
  }

  /** Oldest first. */
  probesOf(upstream: Upstream): readonly ProbeSnapshot[] {
    return this.sample(upstream).probes;
  }

  /** The same, oldest first: `+` passed, `-` failed. */
  probeHistoryOf(upstream: Upstream): string {
    return this.sample(upstream).history;
  }

  /** Epoch milliseconds; as exact as the looks are frequent. */
  statusSince(upstream: Upstream): number {
    return this.sample(upstream).since;
  }

  /**
   * Compares its status with the last one. A status is derived from several verdicts, some of which change by mere
   * time: it is looked at again and again instead of being announced by each of them.
   */
  sample(upstream: Upstream): ObservedUpstream {
    const { status } = upstream;
    const known = this.#seen.get(upstream);
    if (known?.status === status) return known;
    const since = this.#wallClock();
    const seen = known ? Object.assign(known, { status, since }) : { status, since, probes: [], history: "" };
    this.#seen.set(upstream, seen);
    return seen;
  }
}
