/** Takes the pictures that readers see: pools and upstreams with what is known of each from every side. */

import type { Clock, WallClock } from "../lib/clock.ts";
import { formatDuration } from "../lib/duration.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { ProbePlan } from "../probe/probe.ts";
import {
  type DrainSnapshot,
  type Mark,
  poolSnapshot,
  type PoolSnapshot,
  type PoolView,
  type ProbeSnapshot,
  upstreamSnapshot,
  type UpstreamSnapshot,
} from "../snapshot.ts";
import type { Said } from "../state/intent.ts";
import type { Drains } from "./drains.ts";
import type { Fleet, Member } from "./fleet.ts";
import type { Intents } from "./intents.ts";
import type { Journal } from "./journal.ts";

export interface PicturesSetting {
  readonly fleet: Fleet;
  readonly intents: Intents;
  readonly drains: Drains;
  readonly journal: Journal;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly wallClock: WallClock;
}

/** As many events as a page shows at once. */
export const eventsShown = 20;

export class Pictures {
  readonly #setting: PicturesSetting;
  readonly #lastProbes = new WeakMap<Upstream, ProbeSnapshot>();

  constructor(setting: PicturesSetting) {
    this.#setting = setting;
  }

  probed(upstream: Upstream, probe: ProbeSnapshot): void {
    this.#lastProbes.set(upstream, probe);
  }

  pools(): readonly PoolSnapshot[] {
    return this.#setting.fleet.members.map((member) => poolSnapshot(this.#viewOf(member)));
  }

  /** Undefined if there is no such upstream. */
  upstream(id: string): UpstreamSnapshot | undefined {
    const found = this.#setting.fleet.find(id);
    return found && upstreamSnapshot(this.#viewOf(found.member), found.upstream);
  }

  #viewOf({ config, pool, retryBudget, queue }: Member): PoolView {
    const { metrics, clock, wallClock, intents, journal } = this.#setting;
    return {
      pool,
      retryBudget,
      queue,
      policy: config.policy,
      probe: describePlan(config.probe),
      metrics,
      now: clock(),
      at: wallClock(),
      events: journal.events({ pool: pool.name, limit: eventsShown }),
      notesOf: (upstream) => ({
        lastProbe: this.#lastProbes.get(upstream) ?? null,
        modeSet: markOf(intents.of("mode", upstream.id)),
        weightSet: markOf(intents.of("weight", upstream.id)),
        added: markOf(intents.of("added", upstream.id)),
        drain: this.#drainOf(upstream),
      }),
    };
  }

  #drainOf(upstream: Upstream): DrainSnapshot | null {
    const drain = this.#setting.drains.of(upstream);
    if (!drain) return null;
    const { since, deadline, isLeaving } = drain;
    const { inFlight } = upstream;
    return { since, deadline, inFlight, drained: inFlight === 0, leaving: isLeaving };
  }
}

function markOf(said: Said | undefined): Mark | null {
  return said ? { by: said.by, at: said.at, why: said.why } : null;
}

function describePlan({ kind, path, intervalMs }: ProbePlan): string {
  return `${kind === "tcp" ? "TCP connect" : `GET ${path}`} every ${formatDuration(intervalMs)}`;
}
