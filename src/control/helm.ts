/** Where the balancer is steered: carries out the operator's orders one after the other, and writes each down first if it can. */

import { systemClock, systemSchedule } from "../lib/clock.ts";
import { systemRandom } from "../lib/random.ts";
import type { UpstreamFile } from "../config/schema.ts";
import type { Cancel } from "../lib/clock.ts";
import type { Mode } from "../pool/upstream.ts";
import type { Event } from "../state/event.ts";
import type { Forgotten, Intent } from "../state/intent.ts";
import {
  type Control,
  type Denied,
  denied,
  type DrainOrder,
  type DrainReport,
  type ReloadOrder,
  type ReloadReport,
  type Who,
} from "./control.ts";
import type { Course } from "./course.ts";
import { departed, emptied } from "./emptying.ts";
import { exportYaml } from "./export.ts";
import type { Found } from "./fleet.ts";
import { forgetting } from "./intents.ts";
import { leaving, unknown } from "./helm-answers.ts";
import type { EventQuery } from "./journal.ts";
import { readRehearsal } from "./rehearsal-order.ts";
import { Rehearsals } from "./rehearsals.ts";
import { changesFor, readNewcomer } from "./newcomer.ts";
import { reload } from "./reload.ts";
import { wantedOf } from "./wanted.ts";

export class Helm implements Control {
  readonly #course: Course;
  readonly #rehearsals: Rehearsals;

  constructor(course: Course) {
    this.#course = course;
    const { clock = systemClock, schedule = systemSchedule, journal, log, onSteered } = course;
    const onChange = () => onSteered?.();
    this.#rehearsals = new Rehearsals({ clock, schedule, random: systemRandom, journal, log, onChange });
  }

  setMode(id: string, mode: Mode, who: Who): Denied | undefined {
    const { fleet, drains, intents } = this.#course;
    const found = fleet.find(id);
    if (!found) return unknown(id);
    if (drains.of(found.upstream)?.isLeaving) return leaving(id);
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

  setWeight(id: string, weight: number | null, who: Who): Promise<Denied | undefined> {
    return this.#course.inTurn(async () => {
      const found = this.#course.fleet.find(id);
      if (!found) return unknown(id);
      if (this.#course.drains.of(found.upstream)?.isLeaving) return leaving(id);
      const wish: Intent | Forgotten =
        weight === null
          ? { kind: "forgotten", upstream: id, aspect: "weight" }
          : { kind: "weight", upstream: id, weight, ...this.#said(who) };
      const refused = who.condition?.();
      if (refused) return refused;
      this.#course.intents.write([wish]);
      await this.#course.steer(who, "operator");
      return undefined;
    });
  }

  async drain(
    id: string,
    { waitMs, force, deadlineMs = waitMs }: DrainOrder,
    who: Who,
  ): Promise<Denied | DrainReport> {
    const { fleet, drains, intents, cutter } = this.#course;
    const found = fleet.find(id);
    if (!found) return unknown(id);
    if (force && !cutter())
      return denied(501, "force_unsupported", "Cannot cut what is left: this engine has no way to");
    if (drains.of(found.upstream)?.isLeaving) return leaving(id);
    const refused = who.condition?.();
    if (refused) return refused;
    intents.write([{ kind: "mode", upstream: id, mode: "draining", ...this.#said(who) }]);
    // First the mode: one that is empty already would be told to be drained before it was told to drain.
    this.#turnTo(found, "draining", who);
    drains.begin(found.upstream, { waitMs: deadlineMs, isLeaving: false });
    return emptied(this.#course, found, { waitMs, force });
  }

  add(pool: string, given: unknown, who: Who): Promise<Denied | string> {
    return this.#course.inTurn(async () => {
      const { config, wanted, intents } = this.#course;
      if (!wanted.pools.some(({ name }) => name === pool)) {
        return denied(404, "pool_unknown", `Cannot add an upstream: no pool is called ${pool}`);
      }
      const spec = readNewcomer(given, wanted, pool);
      if ("kind" in spec) return spec;
      const isWeighed = (given as Partial<UpstreamFile>).weight !== undefined;
      const joining = { pool, spec, isWeighed, said: this.#said(who) };
      const changes = changesFor(joining, config, intents);
      if ("kind" in changes) return changes;
      const refused = who.condition?.();
      if (refused) return refused;
      intents.write(changes);
      await this.#course.steer(who, "operator");
      return spec.id;
    });
  }

  async remove(id: string, waitMs: number, who: Who): Promise<Denied | DrainReport> {
    const { fleet, intents, drains } = this.#course;
    const found = fleet.find(id);
    if (!found) return unknown(id);
    const { upstream, member } = found;
    if (drains.of(upstream)?.isLeaving) return leaving(id);
    const staying = member.pool.upstreams.filter((other) => !drains.of(other)?.isLeaving);
    if (staying.length < 2) {
      const message = `Cannot remove ${id}: it is the last one of pool ${member.pool.name}; maintenance takes it out`;
      return denied(409, "upstream_last", message);
    }
    const changes: (Intent | Forgotten)[] = [...forgetting(id)];
    if (!intents.of("added", id)) {
      const { protocol, hostname, port } = upstream.address;
      const address = { protocol, hostname, port };
      changes.push({ kind: "removed", upstream: id, pool: member.pool.name, address, ...this.#said(who) });
    }
    const refused = who.condition?.();
    if (refused) return refused;
    intents.write(changes);
    this.#turnTo(found, "draining", who);
    return departed(this.#course, found, { waitMs, who });
  }

  rehearse(id: string, given: Readonly<Record<string, unknown>>, who: Who): Denied | undefined {
    const found = this.#course.fleet.find(id);
    if (!found) return unknown(id);
    const order = readRehearsal(given);
    if ("kind" in order) return order;
    return who.condition?.() ?? this.#rehearsals.begin(found, order, personIn(who));
  }

  endRehearsal(id: string, who: Who): Denied | undefined {
    const found = this.#course.fleet.find(id);
    if (!found) return unknown(id);
    const refused = who.condition?.();
    if (refused) return refused;
    if (this.#rehearsals.end(found.upstream, { reason: "operator", ...personIn(who) })) return undefined;
    return denied(409, "rehearsal_none", `Cannot end a rehearsal on ${id}: there is none`);
  }

  endRehearsals(reason: string): void {
    this.#rehearsals.endAll(reason);
  }

  reload(order: ReloadOrder, by: string): Promise<Denied | ReloadReport> {
    return this.#course.inTurn(async () => order.condition?.() ?? reload(this.#course, order, by));
  }

  events(query: EventQuery): readonly Event[] {
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
    return exportYaml(config, wantedOf(config, intents.all), intents.all);
  }

  #turnTo(found: Found, mode: Mode, who: Who): void {
    const { upstream, member } = found;
    const from = upstream.mode;
    if (!member.pool.setMode(upstream, mode)) return;
    this.#turned(found, { from, to: mode }, who);
    this.#course.log.info("mode set", { upstream: upstream.id, mode, ...personIn(who) });
  }

  /** Whoever says of one that is ready that it shall be means that it shall serve, whatever its last requests said. */
  #readmit(found: Found, who: Who): void {
    const { upstream, member } = found;
    const from = upstream.outlier.state;
    if (member.pool.restore(upstream, "operator")) this.#turned(found, { from, to: "ready" }, who);
  }

  #turned({ upstream, member }: Found, turn: { readonly from: string; readonly to: Mode }, who: Who): void {
    this.#course.onSteered?.();
    const named = { pool: member.pool.name, upstream: upstream.id, by: who.by, detail: who.why };
    this.#course.journal.add({ kind: "mode", ...named, ...turn, reason: "operator" });
  }

  #said({ by, why }: Who): { by: string; why: string; at: number } {
    return { by, why, at: this.#course.wallClock() };
  }
}

/** Without the condition, which is over once it was met. */
function personIn({ by, why }: Who): Who {
  return { by, why };
}
