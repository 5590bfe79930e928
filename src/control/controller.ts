/** Runs the operator's commands: checks them, stores their intents, then changes pools and drains. */

import type { UpstreamFile } from "../config/upstream-schema.ts";
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
import type { CertificateRotation, RotationReport } from "./certificate-rotation.ts";
import { desiredConfig, removalsFor } from "./desired-state.ts";
import type { EventQuery } from "./event-log.ts";
import { exportYaml } from "./export.ts";
import type { FleetControl } from "./fleet-control.ts";
import { FaultInjections, parseFaultRequest } from "./fault-injections.ts";
import { applyMode, changeMode } from "./mode-change.ts";
import { OwnListeners } from "./own-listeners.ts";
import { drainAndRemove, drainReport } from "./removal.ts";
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

export interface ControllerParts {
  /** The listeners of this process. */
  readonly listeners?: OwnListeners;
  readonly certificates?: Pick<CertificateRotation, "refresh"> | undefined;
  /** Present in a fleet. */
  readonly fleet?: Pick<FleetControl, "shared" | "sharedNote" | "drainsElsewhere"> | undefined;
}

export class Controller implements Control {
  readonly #reconciler: Reconciler;
  readonly #faults: FaultInjections;
  readonly #listeners: OwnListeners;

  readonly #certificates: Pick<CertificateRotation, "refresh"> | undefined;

  readonly #fleet: Pick<FleetControl, "shared" | "sharedNote" | "drainsElsewhere"> | undefined;

  constructor(
    reconciler: Reconciler,
    faults: FaultRegistry,
    { listeners = new OwnListeners(), certificates, fleet }: ControllerParts = {},
  ) {
    this.#reconciler = reconciler;
    this.#certificates = certificates;
    this.#fleet = fleet;
    this.#listeners = listeners;
    const { clock = systemClock, schedule = systemSchedule, eventLog, log, onReconciled } = reconciler;
    const onChange = () => onReconciled?.();
    this.#faults = new FaultInjections({
      faults,
      clock,
      schedule,
      random: systemRandom,
      eventLog,
      log,
      onChange,
    });
  }

  setMode(id: string, mode: Mode, actor: Actor): CommandError | undefined {
    const { registry, drains, intents } = this.#reconciler;
    const found = registry.find(id);
    if (!found) return unknownUpstream(id);
    if (drains.get(found.upstream)?.isRemoval) return alreadyDeparting(id);
    const rejected = actor.condition?.();
    if (rejected) return rejected;
    intents.write([{ kind: "mode", upstream: id, mode, ...this.#intentMeta(actor) }]);
    applyMode(this.#reconciler, found, { mode }, actor);
    return undefined;
  }

  setWeight(id: string, weight: number | null, actor: Actor): Promise<CommandError | undefined> {
    return this.#reconciler.runExclusive(async () => {
      const found = this.#reconciler.registry.find(id);
      if (!found) return unknownUpstream(id);
      if (this.#reconciler.drains.get(found.upstream)?.isRemoval) return alreadyDeparting(id);
      const intent: Intent | IntentRemoval =
        weight === null
          ? { kind: "forgotten", upstream: id, aspect: "weight", ...this.#intentMeta(actor) }
          : { kind: "weight", upstream: id, weight, ...this.#intentMeta(actor) };
      const rejected = actor.condition?.();
      if (rejected) return rejected;
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
      return commandError(
        501,
        "force_unsupported",
        "Cannot abort requests: this engine does not support it.",
      );
    if (drains.get(found.upstream)?.isRemoval) return alreadyDeparting(id);
    const rejected = actor.condition?.();
    if (rejected) return rejected;
    const timed = deadlineMs > 0 && { deadlineMs };
    intents.write([{ kind: "mode", upstream: id, mode: "draining", ...timed, ...this.#intentMeta(actor) }]);
    // The mode first: otherwise the events of an idle upstream would say "drained" before "draining".
    changeMode(this.#reconciler, found, "draining", actor);
    drains.begin(found.upstream, { waitMs: deadlineMs, isRemoval: false });
    const report = await waitUntilDrained(this.#reconciler, found, { waitMs, force });
    const elsewhere = this.#fleet?.drainsElsewhere(found.upstream);
    return elsewhere ? { ...report, elsewhere } : report;
  }

  add(pool: string, given: unknown, actor: Actor): Promise<CommandError | string> {
    return this.#reconciler.runExclusive(async () => {
      const { config, desired, intents } = this.#reconciler;
      if (!desired.pools.some(({ name }) => name === pool)) {
        return commandError(404, "pool_unknown", `No pool named "${pool}".`);
      }
      const spec = parseNewUpstream(given, desired, pool, { config, listeners: this.#listeners });
      if ("kind" in spec) return spec;
      const hasWeight = (given as Partial<UpstreamFile>).weight !== undefined;
      const addition = { pool, spec, hasWeight, meta: this.#intentMeta(actor) };
      const changes = intentsForAddition(addition, config, intents);
      if ("kind" in changes) return changes;
      const rejected = actor.condition?.();
      if (rejected) return rejected;
      intents.write(changes);
      await this.#reconciler.reconcile(actor, "operator");
      return spec.id;
    });
  }

  async remove(id: string, waitMs: number, actor: Actor): Promise<CommandError | DrainReport> {
    const { registry, intents, drains } = this.#reconciler;
    const found = registry.find(id);
    if (!found) return unknownUpstream(id);
    const { upstream, entry } = found;
    if (drains.get(upstream)?.isRemoval) return alreadyDeparting(id);
    const source = this.#reconciler.discovered?.sourceOf(id)?.[1];
    if (source !== undefined) return discoveredUpstream(id, source);
    const remaining = entry.pool.upstreams.filter((other) => !drains.get(other)?.isRemoval);
    if (remaining.length < 2) {
      const cause = `it is the last upstream of pool ${entry.pool.name}`;
      return commandError(409, "upstream_last", `Cannot remove ${id}: ${cause}. Use maintenance instead.`);
    }
    const changes: (Intent | IntentRemoval)[] = [...removalsFor(id, this.#intentMeta(actor))];
    if (!intents.get("added", id)) {
      const { protocol, hostname, port } = upstream.address;
      const address = { protocol, hostname, port };
      changes.push({
        kind: "removed",
        upstream: id,
        pool: entry.pool.name,
        address,
        ...this.#intentMeta(actor),
      });
    }
    const rejected = actor.condition?.();
    if (rejected) return rejected;
    intents.write(changes);
    changeMode(this.#reconciler, found, "draining", actor);
    return drainAndRemove(this.#reconciler, found, { waitMs, actor });
  }

  injectFault(id: string, given: Readonly<Record<string, unknown>>, actor: Actor): CommandError | undefined {
    const found = this.#reconciler.registry.find(id);
    if (!found) return unknownUpstream(id);
    const options = parseFaultRequest(given);
    if ("kind" in options) return options;
    return actor.condition?.() ?? this.#faults.begin(found, options, withoutCondition(actor));
  }

  endFault(id: string, actor: Actor): CommandError | undefined {
    const found = this.#reconciler.registry.find(id);
    if (!found) return unknownUpstream(id);
    const rejected = actor.condition?.();
    if (rejected) return rejected;
    if (this.#faults.end(found.upstream, "operator", withoutCondition(actor))) return undefined;
    return commandError(409, "rehearsal_none", `Cannot stop the fault on ${id}: no fault is active.`);
  }

  endFaults(reason: string): void {
    this.#faults.endAll(reason);
  }

  reload(options: ReloadOptions, by: string): Promise<CommandError | ReloadReport> {
    return this.#reconciler.runExclusive(
      async () => options.condition?.() ?? reload(this.#reconciler, options, by),
    );
  }

  reloadCertificates(by: string): RotationReport {
    return this.#certificates?.refresh(by) ?? { changed: [], removed: [], refused: [] };
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

  async shared(): Promise<void> {
    await this.#fleet?.shared();
  }

  sharedNote(upstream: string): true | string | undefined {
    return this.#fleet?.sharedNote(upstream);
  }

  exportYaml(): string {
    const { config, intents } = this.#reconciler;
    return exportYaml(config, desiredConfig(config, intents.all), intents.all);
  }

  #intentMeta({ by, reason }: Actor): Omit<IntentMeta, "upstream"> {
    return { by, why: reason, at: this.#reconciler.wallClock() };
  }
}

/** The condition was met and is not needed any more. */
function withoutCondition({ by, reason }: Actor): Actor {
  return { by, reason };
}

function unknownUpstream(id: string): CommandError {
  return commandError(404, "upstream_unknown", `No upstream named "${id}".`);
}

function alreadyDeparting(id: string): CommandError {
  return commandError(409, "upstream_leaving", `Cannot change ${id}: it is being removed.`);
}

function discoveredUpstream(id: string, source: string): CommandError {
  const cause = `${source} reports it and would add it again`;
  return commandError(409, "upstream_discovered", `Cannot remove ${id}: ${cause}. Use maintenance instead.`);
}

/** How long aborted attempts may take to end. */
const abortTimeoutMs = 1_000;

/** Resolves when the upstream is drained, when `waitMs` expires, or when another mode undoes the drain. */
async function waitUntilDrained(
  { drains, abortAttempts }: Reconciler,
  found: UpstreamLocation,
  { waitMs, force }: Pick<DrainOptions, "waitMs" | "force">,
): Promise<DrainReport> {
  const end = await drains.wait(found.upstream, waitMs);
  if (end !== "late" || !force) return drainReport(end, found);
  const aborted = (await abortAttempts()?.(found.upstream)) ?? 0;
  // Engines report the ends of aborted attempts with a delay, and workers in their next report.
  return drainReport(await drains.wait(found.upstream, abortTimeoutMs), found, aborted);
}
