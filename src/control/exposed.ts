/** Everything that /metrics tells, put together from those who count. */

import { bugs } from "../lib/bugs.ts";
import { lostLogLines } from "../lib/log.ts";
import { certificateFamilies } from "../metrics/certificate-families.ts";
import { exposition } from "../metrics/exposition.ts";
import { families } from "../metrics/families.ts";
import { memoryFamilies, stateFamily } from "../metrics/memory-families.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { ownFamilies, sumOwn } from "../metrics/own-families.ts";
import { workerFamilies } from "../metrics/worker-families.ts";
import type { Plane } from "../plane/data-plane.ts";
import type { WatchedStore } from "../state/watched-store.ts";
import type { CertificateWatch } from "./certificate-watch.ts";
import type { Fleet } from "./fleet.ts";
import type { MemoryWatch } from "./memory-watch.ts";

export interface Exposed {
  readonly metrics: Metrics;
  readonly fleet: Pick<Fleet, "members">;
  readonly plane: Plane;
  readonly memory: Pick<MemoryWatch, "snapshot">;
  readonly certificates: Pick<CertificateWatch, "snapshot">;
  readonly store: Pick<WatchedStore, "notKept">;
}

/** The Prometheus text of all metrics, brought up to date. */
export function metricsText(exposed: Exposed): Promise<string> {
  const { metrics, fleet, plane, memory, certificates, store } = exposed;
  plane.tally();
  const measured = fleet.members.map((member) => ({ pool: member.pool, ...plane.measure(member) }));
  return exposition([
    ...families(metrics, measured),
    ...workerFamilies(plane.workers),
    ...certificateFamilies(certificates.snapshot),
    ...memoryFamilies(memory.snapshot),
    stateFamily(store.notKept !== undefined),
    ...ownFamilies(sumOwn([{ bugs: bugs.count, lostLogLines: lostLogLines() }, plane.own()])),
  ]);
}
