/** What the balancer has seen of each upstream besides its traffic: the last probes, and since when its status holds. */

import type { WallClock } from "../lib/clock.ts";
import type { Status, Upstream } from "../pool/upstream.ts";
import type { ProbeSnapshot } from "../snapshot/snapshot.ts";

/** Five minutes at the usual interval. */
const maxProbes = 60;

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
  readonly #observed = new WeakMap<Upstream, ObservedUpstream>();

  constructor(wallClock: WallClock) {
    this.#wallClock = wallClock;
  }

  probed(upstream: Upstream, probe: ProbeSnapshot): void {
    const observed = this.sample(upstream);
    observed.probes.push(probe);
    if (observed.probes.length > maxProbes) observed.probes.shift();
    observed.history = (observed.history + (probe.success ? "+" : "-")).slice(-maxProbes);
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
    const previous = this.#observed.get(upstream);
    if (previous?.status === status) return previous;
    const since = this.#wallClock();
    const observed = previous
      ? Object.assign(previous, { status, since })
      : { status, since, probes: [], history: "" };
    this.#observed.set(upstream, observed);
    return observed;
  }
}
