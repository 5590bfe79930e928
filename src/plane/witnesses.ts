/** What workers see of an upstream that one of them suspects, put together: any of them may have had an answer from it. */

import type { PoolRegistry, UpstreamLocation } from "../control/fleet.ts";
import type { Clock } from "../lib/clock.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { StallSuspicion } from "../probe/lookout.ts";
import type { UpstreamEvidence } from "./messages.ts";
import type { WorkerSupervisor } from "./seat.ts";

/** What somebody saw longer ago says nothing about now. */
const freshMs = 500;

export interface StallQuorumOptions {
  readonly fleet: Pick<PoolRegistry, "find">;
  /** All that have to be heard. */
  readonly seats: () => readonly WorkerSupervisor[];
  readonly clock: Clock;
  readonly onSuspicion: (suspicions: readonly StallSuspicion[]) => void;
}

interface Testimony extends UpstreamEvidence {
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
  readonly #heard = new WeakMap<Upstream, Map<WorkerSupervisor, Testimony>>();

  constructor(options: StallQuorumOptions) {
    this.#options = options;
  }

  hear(seat: WorkerSupervisor, sights: readonly UpstreamEvidence[]): void {
    const { fleet, seats, clock, onSuspicion } = this.#options;
    const at = clock();
    const suspicions: StallSuspicion[] = [];
    const asked: { id: string; since: number }[] = [];
    for (const seen of sights) {
      const found = fleet.find(seen.id);
      if (!found || found.upstream.isDown) continue;
      const fresh = this.#note(found, seat, { ...seen, at });
      if (seen.isSuspected && found.member.config.probe.kind === "tcp") {
        asked.push({ id: seen.id, since: Math.max(0, ...fresh.map(({ answeredAt }) => answeredAt)) });
      }
      const isWhole = fresh.length === seats().length;
      if (seen.isSuspected || isWhole)
        suspicions.push({ upstream: found.upstream, sights: isWhole ? fresh : [] });
    }
    if (asked.length > 0) for (const one of seats()) one.send({ kind: "look", upstreams: asked });
    if (suspicions.length > 0) onSuspicion(suspicions);
  }

  /** @returns what all have told of it just now */
  #note({ upstream }: UpstreamLocation, seat: WorkerSupervisor, testimony: Testimony): readonly Testimony[] {
    const heard = this.#heard.get(upstream) ?? new Map<WorkerSupervisor, Testimony>();
    this.#heard.set(upstream, heard.set(seat, testimony));
    const seats = new Set(this.#options.seats());
    return [...heard].flatMap(([who, told]) =>
      seats.has(who) && testimony.at - told.at <= freshMs ? [told] : [],
    );
  }
}
