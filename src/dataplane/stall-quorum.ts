/** Combines the workers' stall evidence on an upstream: it is stalled only if no worker has had a response from it. */

import type { Clock } from "../lib/clock.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { StallSuspicion } from "../probe/stall-detector.ts";
import type { PoolRegistry, UpstreamLocation } from "../registry/pool-registry.ts";
import type { EvidenceRequest, UpstreamEvidence } from "./messages.ts";
import type { WorkerSupervisor } from "./worker-supervisor.ts";

export interface StallQuorumOptions {
  readonly registry: Pick<PoolRegistry, "find">;
  /** All workers that have to report before the evidence is complete. */
  readonly supervisors: () => readonly WorkerSupervisor[];
  readonly clock: Clock;
  /** Called with empty evidence for an immediate probe, and with the evidence of all workers once it is complete. */
  readonly onSuspicion: (suspicions: readonly StallSuspicion[]) => void;
}

/** Older evidence is stale. */
const maxEvidenceAgeMs = 500;

interface StallReport extends UpstreamEvidence {
  /** Clock time at which it arrived. */
  readonly at: number;
}

/**
 * ```
 *  one worker suspects ──▶ a probe, at once
 *       └──TCP probes only──▶ evidence of all workers ──complete──▶ unresponsive, or not
 * ```
 * Each query carries the time of the last response seen by any worker. Waits that began earlier are ignored.
 */
export class StallQuorum {
  readonly #options: StallQuorumOptions;
  readonly #reports = new WeakMap<Upstream, Map<WorkerSupervisor, StallReport>>();

  constructor(options: StallQuorumOptions) {
    this.#options = options;
  }

  receive(supervisor: WorkerSupervisor, evidence: readonly UpstreamEvidence[]): void {
    const { registry, supervisors, clock, onSuspicion } = this.#options;
    const at = clock();
    const suspicions: StallSuspicion[] = [];
    const requests: EvidenceRequest[] = [];
    for (const observation of evidence) {
      const found = registry.find(observation.id);
      if (!found || found.upstream.isDown) continue;
      const recent = this.#storeReport(found, supervisor, { ...observation, at });
      if (observation.isSuspected && found.entry.config.probe.kind === "tcp") {
        const since = Math.max(0, ...recent.map(({ lastResponseAt }) => lastResponseAt));
        requests.push({ id: observation.id, since });
      }
      const isComplete = recent.length === supervisors().length;
      if (observation.isSuspected || isComplete)
        suspicions.push({ upstream: found.upstream, evidence: isComplete ? recent : [] });
    }
    if (requests.length > 0)
      for (const one of supervisors()) one.send({ kind: "collect-evidence", upstreams: requests });
    if (suspicions.length > 0) onSuspicion(suspicions);
  }

  /** @returns the recent reports of all workers on this upstream, this one included */
  #storeReport(
    { upstream }: UpstreamLocation,
    supervisor: WorkerSupervisor,
    report: StallReport,
  ): readonly StallReport[] {
    const reports = this.#reports.get(upstream) ?? new Map<WorkerSupervisor, StallReport>();
    this.#reports.set(upstream, reports.set(supervisor, report));
    const supervisors = new Set(this.#options.supervisors());
    return [...reports].flatMap(([source, stored]) =>
      supervisors.has(source) && report.at - stored.at <= maxEvidenceAgeMs ? [stored] : [],
    );
  }
}
