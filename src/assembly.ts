/** What a balancer is made of, and what each piece is given of the others. Nothing of it runs yet. */

import type { Config } from "./config/config.ts";
import { certificatesOf } from "./config/expiry.ts";
import { CertificateMonitor } from "./control/certificate-watch.ts";
import {
  type Reconciler,
  createReconciler,
  type ReloadOutcome,
  type ConfigLoader,
} from "./control/course.ts";
import { Drains } from "./control/drains.ts";
import { PoolRegistry } from "./control/fleet.ts";
import { Intents } from "./control/intents.ts";
import { EventLog } from "./control/journal.ts";
import type { MemoryMonitor } from "./control/memory-watch.ts";
import { overloadMonitor } from "./control/shedding.ts";
import { recordDrain, recordProbeTransition, poolEventRecorder } from "./control/verdicts.ts";
import type { Engine } from "./engine/engine.ts";
import { History } from "./history/history.ts";
import { historyErrorReporter } from "./history/reports.ts";
import type { HistoryStore } from "./history/store.ts";
import { systemClock, systemSchedule, systemWallClock } from "./lib/clock.ts";
import type { Log } from "./lib/log.ts";
import { systemRandom } from "./lib/random.ts";
import { Metrics } from "./metrics/metrics.ts";
import { SnapshotBuilder } from "./picture/pictures.ts";
import { LocalDataPlane, type LocalDataPlaneOptions, type DataPlane } from "./plane/data-plane.ts";
import { type WorkerLauncher, WorkerDataPlane } from "./plane/workers.ts";
import { probeWith } from "./probe/probe.ts";
import { Prober, type ProberOptions } from "./probe/prober.ts";
import { Requests } from "./requests/requests.ts";
import type { Runtime } from "./runtime/runtime.ts";
import type { MonitoredStore } from "./state/watched-store.ts";
import { type TelemetrySinks, withSink } from "./telemetry/telemetry.ts";

export interface BalancerOptions {
  readonly config: Config;
  readonly reread: ConfigLoader;
  readonly runtime: Runtime;
  readonly engine: Engine;
  readonly store: MonitoredStore;
  readonly historyStore: HistoryStore;
  readonly log: Log;
  readonly version: string;
  /** Present where other processes serve the clients. */
  readonly workers?: WorkerLauncher;
  readonly onlookers?: TelemetrySinks;
}

export interface BalancerParts {
  readonly metrics: Metrics;
  readonly journal: EventLog;
  readonly fleet: PoolRegistry;
  readonly prober: Prober;
  readonly pictures: SnapshotBuilder;
  readonly course: Reconciler;
  readonly plane: DataPlane;
  readonly memory: MemoryMonitor;
  readonly certificates: CertificateMonitor;
  readonly history: History;
  readonly requests: Requests;
}

/** @param onReload hears how each try to reload ended */
export function assemble(options: BalancerOptions, onReload: (end: ReloadOutcome) => void): BalancerParts {
  const { config, reread, runtime, store, log, engine, workers: host, onlookers } = options;
  const [clock, wallClock, schedule] = [systemClock, systemWallClock, systemSchedule];
  const metrics = new Metrics(clock);
  const journal = new EventLog({ store, wallClock, schedule, log });
  const observer = poolEventRecorder({ metrics, journal, log });
  const fleet = new PoolRegistry({ clock, random: systemRandom, observer });
  const intents = new Intents(store, log);
  const drains = new Drains({
    ...{ clock, wallClock, schedule, isEmpty: (upstream) => plane.isDrained(upstream) },
    onStage(upstream, stage) {
      const pool = fleet.find(upstream.id)?.member.pool.name ?? null;
      recordDrain(journal, { pool, upstream, stage });
    },
  });
  const onResult: ProberOptions["onResult"] = (target, result, from) => {
    metrics.of(target.upstream).probed(result.success);
    pictures.probed(target.upstream, { at: wallClock(), ...result });
    if (from === undefined) return;
    plane.apply(course.desired);
    recordProbeTransition({ journal, log }, target, { result, from });
  };
  const prober = new Prober({
    ...{ probe: probeWith(runtime, clock), clock, schedule, random: systemRandom, onResult },
  });
  const pictures = new SnapshotBuilder({
    ...{ fleet, intents, drains, journal, metrics, clock, wallClock },
    measure: (member) => plane.measure(member),
    uptimeOf: (pool, upstream) => history.uptimeOf(pool, upstream),
  });
  const course = createReconciler({
    ...{ config, reread, intents, fleet, prober, drains, journal, log, wallClock },
    cutter: () => plane.abortAttempts?.bind(plane),
    onSteered: () => plane.apply(course.desired),
    onReload(end) {
      metrics.reloaded(end.result);
      onReload(end);
    },
  });
  const requests = new Requests({ fleet, clock, wallClock });
  const onSuspicion: LocalDataPlaneOptions["onSuspicion"] = (all) =>
    all.forEach((one) => prober.confirmSuspicion(one));
  const house = { config: course.desired, fleet, metrics, clock, schedule, log, onSuspicion };
  const plane: DataPlane = host
    ? new WorkerDataPlane({
        ...house,
        host,
        observer,
        journal,
        onRequests: (...kept) => requests.adopt(...kept),
      })
    : new LocalDataPlane({ ...house, ...withSink(onlookers, requests.sink), engine, sharesPort: false });
  const watched = { memory: runtime.memory, config: () => course.config, plane };
  const memory = overloadMonitor({ ...watched, journal, log, schedule });
  const shown = { certificates: certificatesOf(config), journal, log, wallClock, schedule };
  const certificates = new CertificateMonitor(shown);
  const history = new History({
    pools() {
      plane.refreshCounters();
      return fleet.pools;
    },
    queuedIn: (pool) => pictures.queuedIn(pool),
    ...{ metrics, store: options.historyStore, clock, wallClock, schedule },
    onLook: (upstream) => pictures.observe(upstream),
    onFailure: historyErrorReporter(log, clock),
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
