/** Where the balancer is steered: carries out the operator's orders one after the other, and writes each down first if it can. */

import type { UpstreamFile } from "../config/schema.ts";
import {
  type Actor,
  commandError,
  type CommandError,
  type Control,
  type DrainOptions,
  type DrainReport,
  type ReloadOptions,
  type ReloadReport,
} from "./control.ts";
import { desiredConfig, removalsFor } from "./desired-state.ts";
import type { EventQuery } from "./event-log.ts";
import { exportYaml } from "./export.ts";
import { FaultInjections, parseFaultRequest } from "./fault-injections.ts";
import type { Reconciler } from "./reconciler.ts";
import { reload } from "./reload.ts";
import { intentsForAddition, parseNewUpstream } from "./upstream-addition.ts";
import type { FaultRegistry } from "../fault/fault-registry.ts";
import { type Cancel, systemClock, systemSchedule } from "../lib/clock.ts";
import { systemRandom } from "../lib/random.ts";
import type { Mode } from "../pool/upstream.ts";
import type { UpstreamLocation } from "../registry/pool-registry.ts";
import type { BalancerEvent } from "../state/event.ts";
import type { Intent, IntentMeta, IntentRemoval } from "../state/intent.ts";

export class Controller implements Control {
  readonly #reconciler: Reconciler;
  readonly #faults: FaultInjections;

  constructor(reconciler: Reconciler, faults: FaultRegistry) {
    this.#reconciler = reconciler;
    const { clock = systemClock, schedule = systemSchedule, eventLog, log, onReconciled } = reconciler;
    const onChange = () => onReconciled?.();
    this.#faults = new FaultInjections({
      ...{ faults, clock, schedule, random: systemRandom, eventLog, log, onChange },
    });
  }

  setMode(id: string, mode: Mode, actor: Actor): CommandError | undefined {
    const { registry, drains, intents } = this.#reconciler;
    const found = registry.find(id);
    if (!found) return unknownUpstream(id);
    if (drains.of(found.upstream)?.isRemoval) return alreadyDeparting(id);
    const refused = actor.condition?.();
    if (refused) return refused;
    intents.write([{ kind: "mode", upstream: id, mode, ...this.#intentMeta(actor) }]);
    if (mode !== "draining") drains.end(found.upstream);
    // Not where it only ends a drain: that is also how one is undone, and leaves everything as it was.
    if (mode === "ready" && found.upstream.mode === "ready") this.#restore(found, actor);
    this.#changeMode(found, mode, actor);
    if (mode === "draining" && !drains.of(found.upstream)) {
      drains.begin(found.upstream, { waitMs: 0, isRemoval: false });
    }
    return undefined;
  }

  setWeight(id: string, weight: number | null, actor: Actor): Promise<CommandError | undefined> {
    return this.#reconciler.runExclusive(async () => {
      const found = this.#reconciler.registry.find(id);
      if (!found) return unknownUpstream(id);
      if (this.#reconciler.drains.of(found.upstream)?.isRemoval) return alreadyDeparting(id);
      const intent: Intent | IntentRemoval =
        weight === null
          ? { kind: "forgotten", upstream: id, aspect: "weight" }
          : { kind: "weight", upstream: id, weight, ...this.#intentMeta(actor) };
      const refused = actor.condition?.();
      if (refused) return refused;
      this.#reconciler.intents.write([intent]);
      await this.#reconciler.reconcile(actor, "operator");
      return undefined;
    });
  }

  async drain(
    id: string,
    { waitMs, force, deadlineMs = waitMs }: DrainOptions,
    actor: Actor,
  ): Promise<CommandError | DrainReport> {
    const { registry, drains, intents, abortAttempts } = this.#reconciler;
    const found = registry.find(id);
    if (!found) return unknownUpstream(id);
    if (force && !abortAttempts())
      return commandError(501, "force_unsupported", "Cannot cut what is left: this engine has no way to");
    if (drains.of(found.upstream)?.isRemoval) return alreadyDeparting(id);
    const refused = actor.condition?.();
    if (refused) return refused;
    intents.write([{ kind: "mode", upstream: id, mode: "draining", ...this.#intentMeta(actor) }]);
    // First the mode: one that is empty already would be told to be drained before it was told to drain.
    this.#changeMode(found, "draining", actor);
    drains.begin(found.upstream, { waitMs: deadlineMs, isRemoval: false });
    return waitUntilDrained(this.#reconciler, found, { waitMs, force });
  }

  add(pool: string, given: unknown, actor: Actor): Promise<CommandError | string> {
    return this.#reconciler.runExclusive(async () => {
      const { config, desired, intents } = this.#reconciler;
      if (!desired.pools.some(({ name }) => name === pool)) {
        return commandError(404, "pool_unknown", `Cannot add an upstream: no pool is called ${pool}`);
      }
      const spec = parseNewUpstream(given, desired, pool);
      if ("kind" in spec) return spec;
      const isWeighed = (given as Partial<UpstreamFile>).weight !== undefined;
      const addition = { pool, spec, isWeighed, meta: this.#intentMeta(actor) };
      const changes = intentsForAddition(addition, config, intents);
      if ("kind" in changes) return changes;
      const refused = actor.condition?.();
      if (refused) return refused;
      intents.write(changes);
      await this.#reconciler.reconcile(actor, "operator");
      return spec.id;
    });
  }

  async remove(id: string, waitMs: number, actor: Actor): Promise<CommandError | DrainReport> {
    const { registry, intents, drains } = this.#reconciler;
    const found = registry.find(id);
    if (!found) return unknownUpstream(id);
    const { upstream, member } = found;
    if (drains.of(upstream)?.isRemoval) return alreadyDeparting(id);
    const staying = member.pool.upstreams.filter((other) => !drains.of(other)?.isRemoval);
    if (staying.length < 2) {
      const message = `Cannot remove ${id}: it is the last one of pool ${member.pool.name}; maintenance takes it out`;
      return commandError(409, "upstream_last", message);
    }
    const changes: (Intent | IntentRemoval)[] = [...removalsFor(id)];
    if (!intents.of("added", id)) {
      const { protocol, hostname, port } = upstream.address;
      const address = { protocol, hostname, port };
      changes.push({
        kind: "removed",
        upstream: id,
        pool: member.pool.name,
        address,
        ...this.#intentMeta(actor),
      });
    }
    const refused = actor.condition?.();
    if (refused) return refused;
    intents.write(changes);
    this.#changeMode(found, "draining", actor);
    return drainAndRemove(this.#reconciler, found, { waitMs, who: actor });
  }

  injectFault(id: string, given: Readonly<Record<string, unknown>>, actor: Actor): CommandError | undefined {
    const found = this.#reconciler.registry.find(id);
    if (!found) return unknownUpstream(id);
    const order = parseFaultRequest(given);
    if ("kind" in order) return order;
    return actor.condition?.() ?? this.#faults.begin(found, order, personIn(actor));
  }

  endFault(id: string, actor: Actor): CommandError | undefined {
    const found = this.#reconciler.registry.find(id);
    if (!found) return unknownUpstream(id);
    const refused = actor.condition?.();
    if (refused) return refused;
    if (this.#faults.end(found.upstream, "operator", personIn(actor))) return undefined;
    return commandError(409, "rehearsal_none", `Cannot end a rehearsal on ${id}: there is none`);
  }

  endFaults(reason: string): void {
    this.#faults.endAll(reason);
  }

  reload(order: ReloadOptions, by: string): Promise<CommandError | ReloadReport> {
    return this.#reconciler.runExclusive(
      async () => order.condition?.() ?? reload(this.#reconciler, order, by),
    );
  }

  events(query: EventQuery): readonly BalancerEvent[] {
    return this.#reconciler.eventLog.events(query);
  }

  watch(onEvent: () => void): Cancel {
    return this.#reconciler.eventLog.watch(onEvent);
  }

  intents(): readonly Intent[] {
    return this.#reconciler.intents.all;
  }

  exportYaml(): string {
    const { config, intents } = this.#reconciler;
    return exportYaml(config, desiredConfig(config, intents.all), intents.all);
  }

  #changeMode(found: UpstreamLocation, mode: Mode, actor: Actor): void {
    const { upstream, member } = found;
    const from = upstream.mode;
    if (!member.pool.setMode(upstream, mode)) return;
    this.#recordMode(found, { from, to: mode }, actor);
    this.#reconciler.log.info("mode set", { upstream: upstream.id, mode, by: actor.by, why: actor.reason });
  }

  /** Whoever says of one that is ready that it shall be means that it shall serve, whatever its last requests said. */
  #restore(found: UpstreamLocation, actor: Actor): void {
    const { upstream, member } = found;
    const from = upstream.outlier.state;
    if (member.pool.restore(upstream, "operator")) this.#recordMode(found, { from, to: "ready" }, actor);
  }

  #recordMode(
    { upstream, member }: UpstreamLocation,
    turn: { readonly from: string; readonly to: Mode },
    actor: Actor,
  ): void {
    this.#reconciler.onReconciled?.();
    const named = { pool: member.pool.name, upstream: upstream.id, by: actor.by, detail: actor.reason };
    this.#reconciler.eventLog.add({ kind: "mode", ...named, ...turn, reason: "operator" });
  }

  #intentMeta({ by, reason }: Actor): Omit<IntentMeta, "upstream"> {
    return { by, why: reason, at: this.#reconciler.wallClock() };
  }
}

/** Without the condition, which is over once it was met. */
function personIn({ by, reason }: Actor): Actor {
  return { by, reason };
}

// What the helm answers: reports of orders that were carried out, and the usual refusals.

/** @param cut how many were cut by force */
export function drainReport(
  end: "drained" | "late" | "undone",
  { upstream: { inFlight } }: UpstreamLocation,
  cut = 0,
): DrainReport {
  return { drained: end === "drained", inFlight, undone: end === "undone", cut };
}

export function unknownUpstream(id: string): CommandError {
  return commandError(404, "upstream_unknown", `Cannot do that: no upstream is called ${id}`);
}

export function alreadyDeparting(id: string): CommandError {
  return commandError(409, "upstream_leaving", `Cannot do that: ${id} is being removed`);
}

// What follows once an upstream gets nothing new: somebody waits until it is empty, what is left is cut, or it goes.

/** How long what was cut may take to be gone. */
const cutWithinMs = 1_000;

/** How long one that is removed may take to become empty if nobody says: then it goes, and what is left finishes. */
const leaveWithinMs = 30_000;

/** Resolves when it is empty, when the time is up, or when it is undone by another mode. */
export async function waitUntilDrained(
  { drains, abortAttempts }: Reconciler,
  found: UpstreamLocation,
  { waitMs, force }: Pick<DrainOptions, "waitMs" | "force">,
): Promise<DrainReport> {
  const end = await drains.wait(found.upstream, waitMs);
  if (end !== "late" || !force) return drainReport(end, found);
  const cut = (await abortAttempts()?.(found.upstream)) ?? 0;
  // An engine tells the ends of what it cut a little later, and workers that there was nothing to cut.
  return drainReport(await drains.wait(found.upstream, cutWithinMs), found, cut);
}

/** Lets it go when it is empty: resolves when it is gone. @param waitMs 0 waits for nothing, and reports how it is now */
export function drainAndRemove(
  { drains, runExclusive: inTurn, reconcile: steer }: Reconciler,
  found: UpstreamLocation,
  { waitMs, who: actor }: { readonly waitMs: number; readonly who: Actor },
): Promise<DrainReport> | DrainReport {
  const { upstream } = found;
  const limitMs = waitMs || leaveWithinMs;
  drains.begin(upstream, { waitMs: limitMs, isRemoval: true });
  const leave = async (): Promise<DrainReport> => {
    await drains.wait(upstream, limitMs);
    drains.finish(upstream);
    await inTurn(() => steer(actor, "operator"));
    const { inFlight } = upstream;
    return { drained: inFlight === 0, inFlight, undone: false, cut: 0 };
  };
  const gone = leave();
  return waitMs > 0 ? gone : drainReport("late", found);
}
