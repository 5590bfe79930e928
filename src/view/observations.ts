/** The last probes of each upstream, and since when it has its present status. */

import type { WallClock } from "../lib/clock.ts";
import type { Status, Upstream } from "../pool/upstream.ts";
import type { ProbeSnapshot } from "../snapshot/snapshot.ts";

/** Five minutes at the default interval. */
const maxProbes = 60;

interface ObservedUpstream {
  status: Status;
  /** Epoch milliseconds. */
  since: number;
  readonly probes: ProbeSnapshot[];
  /** One character for each probe, see `probeHistoryOf`. */
  history: string;
}

/** Holds upstreams weakly: the observations of a removed upstream are garbage collected with it. */
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

  /** One character per probe, oldest first: `+` passed, `-` failed. */
  probeHistoryOf(upstream: Upstream): string {
    return this.sample(upstream).history;
  }

  /** Epoch milliseconds; as exact as the interval between calls of `sample`. */
  statusSince(upstream: Upstream): number {
    return this.sample(upstream).since;
  }

  /**
   * Compares the status with the last one. It is derived from several verdicts, some of which change by time alone, so
   * it is sampled instead of being announced by each of them.
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
