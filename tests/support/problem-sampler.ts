/** A sampler over real pools, meters and history, whose clock a test moves and whose attempts it ends. */

import { EventLog } from "../../src/control/event-log.ts";
import { FaultRegistry } from "../../src/fault/fault-registry.ts";
import { openHistory } from "../../src/history/sqlite-store.ts";
import { UsualTrafficReader } from "../../src/history/usual-traffic.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import { Attempt } from "../../src/pool/attempt.ts";
import { completed, failure } from "../../src/pool/outcome.ts";
import type { Upstream } from "../../src/pool/upstream.ts";
import { httpResponseClassifier } from "../../src/proxy/response-class.ts";
import { PoolRegistry } from "../../src/registry/pool-registry.ts";
import { ProblemSampler, type ProblemSamplerOptions } from "../../src/view/problem-sampler.ts";
import { configOf } from "./configs.ts";

interface GivenProbe {
  readonly success: boolean;
  readonly detail: string;
}

export const samplerEpoch = 1_800_000_000_000;

/** @param pools as in "main: a b | api: c" */
export function samplerStand(pools: string, config = configOf(pools)) {
  const time = { now: 1_000_000 };
  const clock = () => time.now;
  const wallClock = () => samplerEpoch + time.now;
  const metrics = new Metrics(clock);
  const observer = {
    outlierChanged: metrics.outlierChanged.bind(metrics),
    panicChanged: metrics.panicChanged.bind(metrics),
  };
  const registry = new PoolRegistry({ clock, random: () => 0.5, observer });
  registry.commit(registry.prepare(config));
  const history = openHistory(":memory:", wallClock);
  const errors: unknown[] = [];
  const usual = new UsualTrafficReader({
    store: history,
    wallClock,
    onFailure: (error) => void errors.push(error),
  });
  const probes = new Map<string, GivenProbe>();
  const shownProbes = new WeakMap<GivenProbe, ReturnType<ProblemSamplerOptions["snapshots"]["probesOf"]>>();
  const eventLog = new EventLog({
    store: { events: () => [], eventsBetween: () => [], record: () => {} },
    wallClock,
    schedule: () => () => {},
    log: { error: () => {} },
  });
  const sampler = new ProblemSampler({
    ...{ balancer: "fra-1", registry, metrics, usual, eventLog, clock, wallClock },
    faults: new FaultRegistry(),
    dataPlane: { measure: (entry) => entry },
    snapshots: {
      // As in a balancer, a look at a probe makes no new one: it is measured.
      probesOf: ({ id }) => {
        const probe = probes.get(id);
        if (!probe) return { last: undefined, history: "" };
        let shown = shownProbes.get(probe);
        if (!shown) {
          const last = { at: wallClock(), latencyMs: 1, ...probe };
          shownProbes.set(probe, (shown = { last, history: probe.success ? "+" : "-" }));
        }
        return shown;
      },
    },
    memory: { snapshot: { rssBytes: 1, limitBytes: null, shedding: false } },
    exhaustion: { snapshot: undefined },
    certificates: { snapshot: undefined },
    orders: { certificates: [] },
    store: { notKept: undefined },
    alerts: { receivers: [] },
    config: () => config,
    configuration: () => ({ takenAt: 0, refused: null, needsRestart: [] }),
  });
  const attempt = new Attempt(clock, metrics, httpResponseClassifier);
  return {
    ...{ time, metrics, registry, sampler, history, usual, eventLog, probes, errors },
    upstream(id: string): Upstream {
      const found = registry.find(id);
      if (!found) throw new Error(`no upstream ${id}`);
      return found.upstream;
    },
    /** One attempt that took this long; a status of 0 is a refused connection. */
    request(upstream: Upstream, status = 200, latencyMs = 10): void {
      const startedAt = time.now;
      attempt.start(upstream);
      time.now += latencyMs;
      if (status === 0) attempt.end(failure("connect", "connect_refused"));
      else {
        attempt.responseStarted(status);
        attempt.end(completed);
      }
      // Requests at the same time: the next one begins when this one did.
      time.now = startedAt;
    },
  };
}
