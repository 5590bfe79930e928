/** What workers see of an upstream that one of them suspects, put together: any of them may have had an answer from it. */

import type { Fleet, Found } from "../control/fleet.ts";
import type { Clock } from "../lib/clock.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { Suspicion } from "../probe/lookout.ts";
import type { Seen } from "./messages.ts";
import type { Seat } from "./seat.ts";

/** What somebody saw longer ago says nothing about now. */
const freshMs = 500;

export interface WitnessesSetting {
  readonly fleet: Pick<Fleet, "find">;
  /** All that have to be heard. */
  readonly seats: () => readonly Seat[];
  readonly clock: Clock;
  readonly onSuspicion: (suspicions: readonly Suspicion[]) => void;
}

interface Testimony extends Seen {
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
export class Witnesses {
  readonly #setting: WitnessesSetting;
  readonly #heard = new WeakMap<Upstream, Map<Seat, Testimony>>();

  constructor(setting: WitnessesSetting) {
    this.#setting = setting;
  }

  hear(seat: Seat, sights: readonly Seen[]): void {
    const { fleet, seats, clock, onSuspicion } = this.#setting;
    const at = clock();
    const suspicions: Suspicion[] = [];
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
  #note({ upstream }: Found, seat: Seat, testimony: Testimony): readonly Testimony[] {
    const heard = this.#heard.get(upstream) ?? new Map<Seat, Testimony>();
    this.#heard.set(upstream, heard.set(seat, testimony));
    const seats = new Set(this.#setting.seats());
    return [...heard].flatMap(([who, told]) =>
      seats.has(who) && testimony.at - told.at <= freshMs ? [told] : [],
    );
  }
}
