/** What workers see of an upstream that one of them suspects, put together: any of them may have had an answer from it. */

import type { PoolRegistry, UpstreamLocation } from "../registry/pool-registry.ts";
import type { Clock } from "../lib/clock.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { StallSuspicion } from "../probe/stall-detector.ts";
import type { UpstreamEvidence } from "./messages.ts";
import type { WorkerSupervisor } from "./worker-supervisor.ts";

/** What somebody saw longer ago says nothing about now. */
const maxEvidenceAgeMs = 500;

export interface StallQuorumOptions {
  readonly registry: Pick<PoolRegistry, "find">;
  /** All that have to be heard. */
  readonly supervisors: () => readonly WorkerSupervisor[];
  readonly clock: Clock;
  readonly onSuspicion: (suspicions: readonly StallSuspicion[]) => void;
}

interface StallReport extends UpstreamEvidence {
  /** Clock time at which it came. */
  readonly at: number;
}

/**
 * ```
 *  one suspects ──▶ a check, at once
 *       └──TCP only──▶ all are asked ──all have told──▶ silent, or not
 * ```
 * They are asked with the last answer that any of them had: waits from before it say nothing, whoever waits.
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
    const requests: { id: string; since: number }[] = [];
    for (const seen of evidence) {
      const found = registry.find(seen.id);
      if (!found || found.upstream.isDown) continue;
      const fresh = this.#storeReport(found, supervisor, { ...seen, at });
      if (seen.isSuspected && found.entry.config.probe.kind === "tcp") {
        requests.push({
          id: seen.id,
          since: Math.max(0, ...fresh.map(({ lastResponseAt: respondedAt }) => respondedAt)),
        });
      }
      const isComplete = fresh.length === supervisors().length;
      if (seen.isSuspected || isComplete)
        suspicions.push({ upstream: found.upstream, evidence: isComplete ? fresh : [] });
    }
    if (requests.length > 0) for (const one of supervisors()) one.send({ kind: "look", upstreams: requests });
    if (suspicions.length > 0) onSuspicion(suspicions);
  }

  /** @returns what all have told of it just now */
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
