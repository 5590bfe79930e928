/** What a balancer is made of, and what each piece is given of the others. Nothing of it runs yet. */

import type { Config } from "./config/config.ts";
import { certificatesOf } from "./config/expiry.ts";
import { CertificateWatch } from "./control/certificate-watch.ts";
import { type Course, courseOf, type ReloadEnd, type Reread } from "./control/course.ts";
import { Drains } from "./control/drains.ts";
import { Fleet } from "./control/fleet.ts";
import { Intents } from "./control/intents.ts";
import { Journal } from "./control/journal.ts";
import type { MemoryWatch } from "./control/memory-watch.ts";
import { sheddingWatch } from "./control/shedding.ts";
import { recordDrain, recordProbed, verdictObserver } from "./control/verdicts.ts";
import type { Engine } from "./engine/engine.ts";
import { History } from "./history/history.ts";
import { historyReports } from "./history/reports.ts";
import type { HistoryStore } from "./history/store.ts";
import { systemClock, systemSchedule, systemWallClock } from "./lib/clock.ts";
import type { Log } from "./lib/log.ts";
import { systemRandom } from "./lib/random.ts";
import { Metrics } from "./metrics/metrics.ts";
import { Pictures } from "./picture/pictures.ts";
import { DataPlane, type DataPlaneSetting, type Plane } from "./plane/data-plane.ts";
import { type WorkerHost, Workers } from "./plane/workers.ts";
import { probeWith } from "./probe/probe.ts";
import { Prober, type ProberSetting } from "./probe/prober.ts";
import { Requests } from "./requests/requests.ts";
import type { Runtime } from "./runtime/runtime.ts";
import type { WatchedStore } from "./state/watched-store.ts";
import { type Onlookers, withTaker } from "./telemetry/telemetry.ts";

export interface BalancerSetting {
  readonly config: Config;
  readonly reread: Reread;
  readonly runtime: Runtime;
  readonly engine: Engine;
  readonly store: WatchedStore;
  readonly historyStore: HistoryStore;
  readonly log: Log;
  readonly version: string;
  /** Present where other processes serve the clients. */
  readonly workers?: WorkerHost;
  readonly onlookers?: Onlookers;
}

export interface Pieces {
  readonly metrics: Metrics;
  readonly journal: Journal;
  readonly fleet: Fleet;
  readonly prober: Prober;
  readonly pictures: Pictures;
  readonly course: Course;
  readonly plane: Plane;
  readonly memory: MemoryWatch;
  readonly certificates: CertificateWatch;
  readonly history: History;
  readonly requests: Requests;
}

/** @param onReload hears how each try to reload ended */
export function assemble(setting: BalancerSetting, onReload: (end: ReloadEnd) => void): Pieces {
  const { config, reread, runtime, store, log, engine, workers: host, onlookers } = setting;
  const [clock, wallClock, schedule] = [systemClock, systemWallClock, systemSchedule];
  const metrics = new Metrics(clock);
  const journal = new Journal({ store, wallClock, schedule, log });
  const observer = verdictObserver({ metrics, journal, log });
  const fleet = new Fleet({ clock, random: systemRandom, observer });
  const intents = new Intents(store, log);
  const drains = new Drains({
    ...{ clock, wallClock, schedule, isEmpty: (upstream) => plane.isEmpty(upstream) },
    onStage(upstream, stage) {
      const pool = fleet.find(upstream.id)?.member.pool.name ?? null;
      recordDrain(journal, { pool, upstream, stage });
    },
  });
  const onResult: ProberSetting["onResult"] = (target, result, from) => {
    metrics.of(target.upstream).probed(result.success);
    pictures.probed(target.upstream, { at: wallClock(), ...result });
    if (from === undefined) return;
    plane.follow(course.wanted);
    recordProbed({ journal, log }, target, { result, from });
  };
  const prober = new Prober({
    ...{ probe: probeWith(runtime, clock), clock, schedule, random: systemRandom, onResult },
  });
  const pictures = new Pictures({
    ...{ fleet, intents, drains, journal, metrics, clock, wallClock },
    measure: (member) => plane.measure(member),
    uptimeOf: (pool, upstream) => history.uptimeOf(pool, upstream),
  });
  const course = courseOf({
    ...{ config, reread, intents, fleet, prober, drains, journal, log, wallClock },
    cutter: () => plane.cut?.bind(plane),
    onSteered: () => plane.follow(course.wanted),
    onReload(end) {
      metrics.reloaded(end.result);
      onReload(end);
    },
  });
  const requests = new Requests({ fleet, clock, wallClock });
  const onSuspicion: DataPlaneSetting["onSuspicion"] = (all) => all.forEach((one) => prober.suspect(one));
  const house = { config: course.wanted, fleet, metrics, clock, schedule, log, onSuspicion };
  const plane: Plane = host
    ? new Workers({ ...house, host, observer, journal, onRequests: (...kept) => requests.adopt(...kept) })
    : new DataPlane({ ...house, ...withTaker(onlookers, requests.taker), engine, sharesPort: false });
  const watched = { memory: runtime.memory, config: () => course.config, plane };
  const memory = sheddingWatch({ ...watched, journal, log, schedule });
  const shown = { certificates: certificatesOf(config), journal, log, wallClock, schedule };
  const certificates = new CertificateWatch(shown);
  const history = new History({
    pools() {
      plane.tally();
      return fleet.pools;
    },
    queuedIn: (pool) => pictures.queuedIn(pool),
    ...{ metrics, store: setting.historyStore, clock, wallClock, schedule },
    onLook: (upstream) => pictures.look(upstream),
    onFailure: historyReports(log, clock),
  });
  return {
    metrics,
    journal,
    fleet,
    prober,
    pictures,
    course,
    plane,
    memory,
    certificates,
    history,
    requests,
  };
}
