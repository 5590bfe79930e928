/** Starts and ends fault injections, and records them. A fault is no intent: it ends with a restart. */

import { problemSentence, quote } from "../config/problem.ts";
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
import type { FaultRegistry } from "../fault/fault-registry.ts";
import type { Cancel, Clock, Schedule } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Random } from "../lib/random.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { UpstreamLocation } from "../registry/pool-registry.ts";
import { type Actor, commandError, type CommandError } from "./control.ts";
import type { EventLog } from "./event-log.ts";

export interface FaultInjectionsOptions {
  readonly faults: FaultRegistry;
  readonly clock: Clock;
  readonly schedule: Schedule;
  readonly random: Random;
  readonly eventLog: Pick<EventLog, "add">;
  readonly log: Log;
  /** Called after a fault started or ended. */
  readonly onChange: () => void;
}

/** An active fault, and the timer that ends it. */
interface ActiveFault {
  readonly pool: string;
  readonly cancel: Cancel;
}

/**
 * At most one fault per upstream; a new one replaces it.
 * `begin ──(its time is over, a command, the balancer drains)──▶ over`
 */
export class FaultInjections {
  readonly #options: FaultInjectionsOptions;
  readonly #active = new Map<Upstream, ActiveFault>();

  constructor(options: FaultInjectionsOptions) {
    this.#options = options;
  }

  /** @returns undefined if the fault is active now */
  begin(
    { entry: { pool }, upstream }: UpstreamLocation,
    request: FaultRequest,
    actor: Actor,
  ): CommandError | undefined {
    const { clock, schedule, random, faults } = this.#options;
    const unsafe = request.force
      ? undefined
      : reasonNotToInject(pool, upstream, (other) => faults.has(other));
    if (unsafe !== undefined) {
      return commandError(409, "rehearsal_unsafe", `Cannot inject a fault on ${upstream.id}: ${unsafe}.`);
    }
    const { latencyMs, errorShare, error, probes, durationMs } = request;
    const { by, reason: why } = actor;
    const spec = { latencyMs, errorShare, error, probes, until: clock() + durationMs, by, why };
    this.#active.get(upstream)?.cancel();
    const before = faults.get(upstream);
    const from = before ? describeFault(before.spec) : "none";
    faults.set(upstream, new FaultInjection(spec, random));
    const cancel = schedule(durationMs, () => this.end(upstream, "time_over", balancer));
    this.#active.set(upstream, { pool: pool.name, cancel });
    const to = describeFault(spec);
    this.#report(pool.name, upstream, { from, to, trigger: "operator", actor });
    this.#options.log.warn("fault injection started", {
      pool: pool.name,
      upstream: upstream.id,
      plays: to,
      forMs: durationMs,
      by,
      why,
    });
    return undefined;
  }

  /**
   * @param trigger the reason word of the event: what ended the fault
   * @returns false if no fault is active on the upstream
   */
  end(upstream: Upstream, trigger: string, actor: Actor): boolean {
    const { faults, log } = this.#options;
    const [active, fault] = [this.#active.get(upstream), faults.get(upstream)];
    if (!active || !fault) return false;
    active.cancel();
    this.#active.delete(upstream);
    const from = describeFault(fault.spec);
    faults.set(upstream, undefined);
    this.#report(active.pool, upstream, { from, to: "none", trigger, actor });
    log.info("fault injection stopped", {
      pool: active.pool,
      upstream: upstream.id,
      reason: trigger,
      by: actor.by,
      why: actor.reason,
    });
    return true;
  }

  endAll(trigger: string): void {
    for (const upstream of [...this.#active.keys()]) this.end(upstream, trigger, balancer);
  }

  #report(
    pool: string,
    upstream: Upstream,
    { from, to, trigger, actor }: { from: string; to: string; trigger: string; actor: Actor },
  ): void {
    this.#options.eventLog.add({
      kind: "rehearsal",
      pool,
      upstream: upstream.id,
      from,
      to,
      reason: trigger,
      by: actor.by,
      detail: actor.reason,
    });
    this.#options.onChange();
  }
}

const balancer: Actor = { by: "balancer", reason: "" };

/** A fault as an operator requests it. */
export interface FaultRequest extends Pick<FaultSpec, "latencyMs" | "errorShare" | "error" | "probes"> {
  readonly durationMs: number;
  /** Even if too few upstreams of the pool would remain. */
  readonly force: boolean;
}

const keys = ["latencyMs", "errorShare", "error", "seconds", "probes", "force"] as const;

/**
 * Reads a request and reports every problem at once.
 * @param given `{latencyMs, errorShare, error, seconds, probes, force}`; defaults: 0, 0, `connect_refused`, 30, false, false
 */
export function parseFaultRequest(given: Readonly<Record<string, unknown>>): FaultRequest | CommandError {
  const problems: string[] = [];
  const reject = (key: string, why: string) => {
    problems.push(problemSentence({ action: `use ${key}`, why, received: quote(given[key]) }));
  };
  const number = (key: string, [min, max, fallback]: readonly [number, number, number]) => {
    const value = given[key] ?? fallback;
    if (typeof value === "number" && value >= min && value <= max) return value;
    reject(key, `expected a number from ${min} to ${max}`);
    return fallback;
  };
  const flag = (key: string) => {
    const value = given[key] ?? false;
    if (typeof value !== "boolean") reject(key, "expected true or false");
    return value === true;
  };
  for (const key of Object.keys(given)) {
    if (!keys.some((known) => known === key)) reject(key, `unknown key; expected one of ${keys.join(", ")}`);
  }
  const latencyMs = number("latencyMs", [0, maxFaultLatencyMs, 0]);
  const errorShare = number("errorShare", [0, 1, 0]);
  const seconds = number("seconds", [1, maxFaultMs / 1_000, defaultFaultMs / 1_000]);
  const error = errorIn(given["error"] ?? "connect_refused");
  if (!error) reject("error", `expected one of ${injectedErrors.join(", ")}`);
  const [probes, force] = [flag("probes"), flag("force")];
  if (problems.length === 0 && latencyMs === 0 && errorShare === 0 && !probes) {
    problems.push(
      "Cannot inject a fault: it would have no effect. Set latencyMs or errorShare above 0, or probes.",
    );
  }
  if (problems.length > 0 || !error) {
    return { ...commandError(422, "rehearsal_invalid", problems.join(" ")), problems };
  }
  return { latencyMs, errorShare, error, probes, force, durationMs: seconds * 1_000 };
}

function errorIn(value: unknown): InjectedError | undefined {
  return injectedErrors.find((known) => known === value);
}
