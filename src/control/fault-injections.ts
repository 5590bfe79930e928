/** The rehearsals that run: begins them, ends them in time, and tells the record. They are no intent: no restart brings one back. */

import { problemSentence, quote } from "../config/problem.ts";
import { type Actor, commandError, type CommandError } from "./control.ts";
import type { EventLog } from "./event-log.ts";
import {
  defaultFaultMs,
  describeFault,
  FaultInjection,
  type FaultSpec,
  type InjectedError,
  injectedErrors,
  maxFaultLatencyMs,
  maxFaultMs,
  reasonNotToInject,
} from "../fault/fault.ts";
import type { Cancel, Clock, Schedule } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Random } from "../lib/random.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { UpstreamLocation } from "../registry/pool-registry.ts";

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

// Reads what somebody wants to rehearse: every problem at once, each with its path.

export interface FaultRequest extends Pick<FaultSpec, "latencyMs" | "errorShare" | "error" | "probes"> {
  readonly durationMs: number;
  /** Also where the pool would have to do without too many. */
  readonly force: boolean;
}

const keys = ["latencyMs", "errorShare", "error", "seconds", "probes", "force"] as const;

/** @param given `{latencyMs, errorShare, error, seconds, probes, force}`; what is left out is 0, `connect_refused`, 30, false */
export function parseFaultRequest(given: Readonly<Record<string, unknown>>): FaultRequest | CommandError {
  const problems: string[] = [];
  const refuse = (key: string, why: string) => {
    problems.push(problemSentence({ action: `use ${key}`, why, received: quote(given[key]) }));
  };
  const number = (key: string, [least, most, fallback]: readonly [number, number, number]) => {
    const value = given[key] ?? fallback;
    if (typeof value === "number" && value >= least && value <= most) return value;
    refuse(key, `it must be a number from ${least} to ${most}`);
    return fallback;
  };
  const choice = (key: string) => {
    const value = given[key] ?? false;
    if (typeof value !== "boolean") refuse(key, "it must be true or false");
    return value === true;
  };
  for (const key of Object.keys(given)) {
    if (!keys.some((known) => known === key)) refuse(key, `it must be one of ${keys.join(", ")}`);
  }
  const latencyMs = number("latencyMs", [0, maxFaultLatencyMs, 0]);
  const errorShare = number("errorShare", [0, 1, 0]);
  const seconds = number("seconds", [1, maxFaultMs / 1_000, defaultFaultMs / 1_000]);
  const error = errorIn(given["error"] ?? "connect_refused");
  if (!error) refuse("error", `it must be one of ${injectedErrors.join(", ")}`);
  const [probes, force] = [choice("probes"), choice("force")];
  if (problems.length === 0 && latencyMs === 0 && errorShare === 0 && !probes) {
    problems.push("Cannot rehearse nothing: name a latencyMs or an errorShare above 0, or probes");
  }
  if (problems.length > 0 || !error) {
    return { ...commandError(422, "rehearsal_invalid", problems.join("; ")), problems };
  }
  return { latencyMs, errorShare, error, probes, force, durationMs: seconds * 1_000 };
}

function errorIn(value: unknown): InjectedError | undefined {
  return injectedErrors.find((known) => known === value);
}
