/** The report of a worker with everything, as the control plane gets it. */

import type { WorkerReport } from "../../src/dataplane/messages.ts";
import { ReportBuilder } from "../../src/dataplane/report-builder.ts";
import type { Metrics } from "../../src/metrics/metrics.ts";
import type { PoolRegistry } from "../../src/registry/pool-registry.ts";

type OwnCounts = Parameters<ReportBuilder["build"]>[0];

/** A whole report of this registry. @param own what differs from an idle worker of the first revision */
export function wholeReport(
  registry: Pick<PoolRegistry, "entries">,
  metrics: Metrics,
  own: Partial<OwnCounts> = {},
): WorkerReport {
  const processCounters = {
    bugs: 0,
    lostLogLines: 0,
    exhausted: {},
    handshakesRefused: {},
    extensionFailures: {},
  };
  const idle: OwnCounts = { revision: 1, active: 0, clients: null, rssBytes: 0, processCounters };
  return new ReportBuilder(registry, metrics).build({ ...idle, ...own }, true);
}
