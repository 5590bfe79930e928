/** The rehearsals that run: begins them, ends them in time, and tells the record. They are no intent: no restart brings one back. */

import type { Cancel, Clock, Schedule } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Random } from "../lib/random.ts";
import { describeFault, FaultInjection } from "../fault/fault.ts";
import { reasonNotToInject } from "../pool/rehearsal-guard.ts";
import type { Upstream } from "../pool/upstream.ts";
import { type CommandError, commandError, type Actor } from "./control.ts";
import type { UpstreamLocation } from "../registry/pool-registry.ts";
import type { EventLog } from "./event-log.ts";
import type { FaultRequest } from "./rehearsal-order.ts";

export interface FaultInjectionsOptions {
  readonly clock: Clock;
  readonly schedule: Schedule;
  readonly random: Random;
  readonly eventLog: Pick<EventLog, "add">;
  readonly log: Log;
  /** Hears that one has begun or ended. */
  readonly onChange: () => void;
}

interface Running {
  readonly pool: string;
  readonly cancel: Cancel;
}

/** `begin ──(time, an order, the balancer drains)──▶ over`: at most one for each upstream, a new one replaces it. */
export class FaultInjections {
  readonly #options: FaultInjectionsOptions;
  readonly #running = new Map<Upstream, Running>();

  constructor(options: FaultInjectionsOptions) {
    this.#options = options;
  }

  /** Undefined if it plays now, else why it does not. */
  begin(
    { member: { pool }, upstream }: UpstreamLocation,
    order: FaultRequest,
    actor: Actor,
  ): CommandError | undefined {
    const { clock, schedule, random } = this.#options;
    const why = order.force ? undefined : reasonNotToInject(pool, upstream);
    if (why !== undefined) {
      return commandError(409, "rehearsal_unsafe", `Cannot rehearse on ${upstream.id}: ${why}`);
    }
    const { latencyMs, errorShare, error, probes, durationMs } = order;
    const plan = {
      latencyMs,
      errorShare,
      error,
      probes,
      until: clock() + durationMs,
      by: actor.by,
      why: actor.reason,
    };
    this.#running.get(upstream)?.cancel();
    const from = upstream.fault ? describeFault(upstream.fault.plan) : "none";
    upstream.fault = new FaultInjection(plan, random);
    const cancel = schedule(durationMs, () => this.end(upstream, "time_over", balancer));
    this.#running.set(upstream, { pool: pool.name, cancel });
    const to = describeFault(plan);
    this.#report(pool.name, upstream, { from, to, trigger: "operator", actor });
    this.#options.log.warn("rehearsal begins", {
      ...{
        pool: pool.name,
        upstream: upstream.id,
        plays: to,
        forMs: durationMs,
        by: actor.by,
        why: actor.reason,
      },
    });
    return undefined;
  }

  /** @param trigger the reason word of the event: what ended it
   * @returns false if no fault is active on the upstream */
  end(upstream: Upstream, trigger: string, actor: Actor): boolean {
    const running = this.#running.get(upstream);
    if (!running || !upstream.fault) return false;
    running.cancel();
    this.#running.delete(upstream);
    const from = describeFault(upstream.fault.plan);
    upstream.fault = undefined;
    this.#report(running.pool, upstream, { from, to: "none", trigger, actor });
    this.#options.log.info("rehearsal ends", {
      ...{ pool: running.pool, upstream: upstream.id, reason: trigger, by: actor.by, why: actor.reason },
    });
    return true;
  }

  endAll(trigger: string): void {
    for (const upstream of [...this.#running.keys()]) this.end(upstream, trigger, balancer);
  }

  #report(
    pool: string,
    upstream: Upstream,
    { from, to, trigger, actor }: { from: string; to: string; trigger: string; actor: Actor },
  ): void {
    this.#options.eventLog.add({
      ...{ kind: "rehearsal", pool, upstream: upstream.id, from, to },
      ...{ reason: trigger, by: actor.by, detail: actor.reason },
    });
    this.#options.onChange();
  }
}

const balancer: Actor = { by: "balancer", reason: "" };
