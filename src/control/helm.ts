/** Where the balancer is steered: carries out the operator's orders one after the other, and writes each down first if it can. */

import { systemClock, systemSchedule } from "../lib/clock.ts";
import { systemRandom } from "../lib/random.ts";
import type { UpstreamFile } from "../config/schema.ts";
import type { Cancel } from "../lib/clock.ts";
import type { Mode } from "../pool/upstream.ts";
import type { BalancerEvent } from "../state/event.ts";
import type { IntentRemoval, Intent } from "../state/intent.ts";
import {
  type Control,
  type CommandError,
  commandError,
  type DrainOptions,
  type DrainReport,
  type ReloadOptions,
  type ReloadReport,
  type Actor,
} from "./control.ts";
import type { Reconciler } from "./course.ts";
import { drainAndRemove, waitUntilDrained } from "./emptying.ts";
import { exportYaml } from "./export.ts";
import type { UpstreamLocation } from "./fleet.ts";
import { removalsFor } from "./intents.ts";
import { alreadyDeparting, unknownUpstream } from "./helm-answers.ts";
import type { EventQuery } from "./journal.ts";
import { parseFaultRequest } from "./rehearsal-order.ts";
import { FaultInjections } from "./rehearsals.ts";
import { intentsForAddition, parseNewUpstream } from "./newcomer.ts";
import { reload } from "./reload.ts";
import { desiredConfig } from "./wanted.ts";

export class Controller implements Control {
  readonly #course: Reconciler;
  readonly #rehearsals: FaultInjections;

  constructor(course: Reconciler) {
    this.#course = course;
    const { clock = systemClock, schedule = systemSchedule, journal, log, onSteered } = course;
    const onChange = () => onSteered?.();
    this.#rehearsals = new FaultInjections({ clock, schedule, random: systemRandom, journal, log, onChange });
  }

  setMode(id: string, mode: Mode, who: Actor): CommandError | undefined {
    const { fleet, drains, intents } = this.#course;
    const found = fleet.find(id);
    if (!found) return unknownUpstream(id);
    if (drains.of(found.upstream)?.isLeaving) return alreadyDeparting(id);
    const refused = who.condition?.();
    if (refused) return refused;
    intents.write([{ kind: "mode", upstream: id, mode, ...this.#said(who) }]);
    if (mode !== "draining") drains.end(found.upstream);
    // Not where it only ends a drain: that is also how one is undone, and leaves everything as it was.
    if (mode === "ready" && found.upstream.mode === "ready") this.#readmit(found, who);
    this.#turnTo(found, mode, who);
    if (mode === "draining" && !drains.of(found.upstream)) {
      drains.begin(found.upstream, { waitMs: 0, isLeaving: false });
    }
    return undefined;
  }

  setWeight(id: string, weight: number | null, who: Actor): Promise<CommandError | undefined> {
    return this.#course.runExclusive(async () => {
      const found = this.#course.fleet.find(id);
      if (!found) return unknownUpstream(id);
      if (this.#course.drains.of(found.upstream)?.isLeaving) return alreadyDeparting(id);
      const wish: Intent | IntentRemoval =
        weight === null
          ? { kind: "forgotten", upstream: id, aspect: "weight" }
          : { kind: "weight", upstream: id, weight, ...this.#said(who) };
      const refused = who.condition?.();
      if (refused) return refused;
      this.#course.intents.write([wish]);
      await this.#course.reconcile(who, "operator");
      return undefined;
    });
  }

  async drain(
    id: string,
    { waitMs, force, deadlineMs = waitMs }: DrainOptions,
    who: Actor,
  ): Promise<CommandError | DrainReport> {
    const { fleet, drains, intents, cutter } = this.#course;
    const found = fleet.find(id);
    if (!found) return unknownUpstream(id);
    if (force && !cutter())
      return commandError(501, "force_unsupported", "Cannot cut what is left: this engine has no way to");
    if (drains.of(found.upstream)?.isLeaving) return alreadyDeparting(id);
    const refused = who.condition?.();
    if (refused) return refused;
    intents.write([{ kind: "mode", upstream: id, mode: "draining", ...this.#said(who) }]);
    // First the mode: one that is empty already would be told to be drained before it was told to drain.
    this.#turnTo(found, "draining", who);
    drains.begin(found.upstream, { waitMs: deadlineMs, isLeaving: false });
    return waitUntilDrained(this.#course, found, { waitMs, force });
  }

  add(pool: string, given: unknown, who: Actor): Promise<CommandError | string> {
    return this.#course.runExclusive(async () => {
      const { config, desired: wanted, intents } = this.#course;
      if (!wanted.pools.some(({ name }) => name === pool)) {
        return commandError(404, "pool_unknown", `Cannot add an upstream: no pool is called ${pool}`);
      }
      const spec = parseNewUpstream(given, wanted, pool);
      if ("kind" in spec) return spec;
      const isWeighed = (given as Partial<UpstreamFile>).weight !== undefined;
      const joining = { pool, spec, isWeighed, said: this.#said(who) };
      const changes = intentsForAddition(joining, config, intents);
      if ("kind" in changes) return changes;
      const refused = who.condition?.();
      if (refused) return refused;
      intents.write(changes);
      await this.#course.reconcile(who, "operator");
      return spec.id;
    });
  }

  async remove(id: string, waitMs: number, who: Actor): Promise<CommandError | DrainReport> {
    const { fleet, intents, drains } = this.#course;
    const found = fleet.find(id);
    if (!found) return unknownUpstream(id);
    const { upstream, member } = found;
    if (drains.of(upstream)?.isLeaving) return alreadyDeparting(id);
    const staying = member.pool.upstreams.filter((other) => !drains.of(other)?.isLeaving);
    if (staying.length < 2) {
      const message = `Cannot remove ${id}: it is the last one of pool ${member.pool.name}; maintenance takes it out`;
      return commandError(409, "upstream_last", message);
    }
    const changes: (Intent | IntentRemoval)[] = [...removalsFor(id)];
    if (!intents.of("added", id)) {
      const { protocol, hostname, port } = upstream.address;
      const address = { protocol, hostname, port };
      changes.push({ kind: "removed", upstream: id, pool: member.pool.name, address, ...this.#said(who) });
    }
    const refused = who.condition?.();
    if (refused) return refused;
    intents.write(changes);
    this.#turnTo(found, "draining", who);
    return drainAndRemove(this.#course, found, { waitMs, who });
  }

  rehearse(id: string, given: Readonly<Record<string, unknown>>, who: Actor): CommandError | undefined {
    const found = this.#course.fleet.find(id);
    if (!found) return unknownUpstream(id);
    const order = parseFaultRequest(given);
    if ("kind" in order) return order;
    return who.condition?.() ?? this.#rehearsals.begin(found, order, personIn(who));
  }

  endRehearsal(id: string, who: Actor): CommandError | undefined {
    const found = this.#course.fleet.find(id);
    if (!found) return unknownUpstream(id);
    const refused = who.condition?.();
    if (refused) return refused;
    if (this.#rehearsals.end(found.upstream, { reason: "operator", ...personIn(who) })) return undefined;
    return commandError(409, "rehearsal_none", `Cannot end a rehearsal on ${id}: there is none`);
  }

  endRehearsals(reason: string): void {
    this.#rehearsals.endAll(reason);
  }

  reload(order: ReloadOptions, by: string): Promise<CommandError | ReloadReport> {
    return this.#course.runExclusive(async () => order.condition?.() ?? reload(this.#course, order, by));
  }

  events(query: EventQuery): readonly BalancerEvent[] {
    return this.#course.journal.events(query);
  }

  watch(onEvent: () => void): Cancel {
    return this.#course.journal.watch(onEvent);
  }

  intents(): readonly Intent[] {
    return this.#course.intents.all;
  }

  exportYaml(): string {
    const { config, intents } = this.#course;
    return exportYaml(config, desiredConfig(config, intents.all), intents.all);
  }

  #turnTo(found: UpstreamLocation, mode: Mode, who: Actor): void {
    const { upstream, member } = found;
    const from = upstream.mode;
    if (!member.pool.setMode(upstream, mode)) return;
    this.#turned(found, { from, to: mode }, who);
    this.#course.log.info("mode set", { upstream: upstream.id, mode, ...personIn(who) });
  }

  /** Whoever says of one that is ready that it shall be means that it shall serve, whatever its last requests said. */
  #readmit(found: UpstreamLocation, who: Actor): void {
    const { upstream, member } = found;
    const from = upstream.outlier.state;
    if (member.pool.restore(upstream, "operator")) this.#turned(found, { from, to: "ready" }, who);
  }

  #turned(
    { upstream, member }: UpstreamLocation,
    turn: { readonly from: string; readonly to: Mode },
    who: Actor,
  ): void {
    this.#course.onSteered?.();
    const named = { pool: member.pool.name, upstream: upstream.id, by: who.by, detail: who.why };
    this.#course.journal.add({ kind: "mode", ...named, ...turn, reason: "operator" });
  }

  #said({ by, why }: Actor): { by: string; why: string; at: number } {
    return { by, why, at: this.#course.wallClock() };
  }
}

/** Without the condition, which is over once it was met. */
function personIn({ by, why }: Actor): Actor {
  return { by, why };
}
