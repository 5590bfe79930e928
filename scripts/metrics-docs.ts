/** Generates docs/metrics.md from the table of metrics: `bun scripts/metrics-docs.ts`. A test checks that the page is current. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";

import {
  certificateFamilies,
  orderFamilies,
  memoryFamilies,
  processFamilies,
  sourceFamilies,
  stateFamily,
  workerFamilies,
} from "../src/metrics/process-families.ts";
import { upgradeFamilies } from "../src/metrics/upgrade-families.ts";
import { fleetFamilies } from "../src/metrics/fleet-families.ts";
import { alertFamilies } from "../src/alerts/alert-families.ts";
import { problemFamilies } from "../src/problems/problem-families.ts";
import { families } from "../src/metrics/families.ts";
import { Metrics } from "../src/metrics/metrics.ts";

export const metricsFile = join(import.meta.dirname, "../docs/metrics.md");

const labelMeanings: Readonly<Record<string, string>> = {
  pool: "name of a pool in the configuration; empty for requests that no route matched",
  upstream: "name of an upstream, by default its host and port; empty for responses made by the balancer",
  extension: "name of a filter, a policy or an alert format of an extension",
  receiver: "name of a receiver of alerts",
  code: "HTTP status code; of exhaustion the system's error code, such as `EMFILE`",
  reason:
    "a reason word, the same as in log, API and dashboard; of ejections `consecutive_failures`, `failure_ratio`, `probation_failed` or `unresponsive`; of retries also `rescued` and `hedged`; of connections `proxy_header`; of handshakes as described there",
  status: "`passing`, `checking`, `failing`, `ejected`, `probation`, `draining` or `maintenance`",
  listener: "name of a listener",
  protocol: "HTTP version: `http/1.0`, `http/1.1`, `h2`, `h3` or `unknown`",
  host: "host that a certificate is ordered for",
  source: "file that the certificate was read from; of discovery the kind of the source and what it asks",
  state: "of workers `ready` or `starting`; of balancers `alive` or `silent`",
  kind: "kind of a problem, see [Problems](problems.md#kinds)",
  level: "`critical`, `warning` or `notice`",
  filter: "key of a filter in the configuration, such as `rateLimit`",
  route: "name of a route; empty for routes without a name",
  name: "name of a rate limit",
  mode: "`refused`, or `dry_run` for requests that a limit with `dryRun` would have refused",
  result:
    "`success` or `failure` of probes and lease calls; `applied`, `unchanged` or `refused` of reloads; `won` or `lost` of hedges; `kept`, `new`, `moved` or `full` of sticky pools; of orders `issued` or a reason word; of alerts `sent`, `failed` (a try that is repeated), `refused`, `expired` or `dropped`",
};

/** The current page. Throws if {@link labelMeanings} lacks a label. */
export function metricsPage(): string {
  const all = [
    ...families(new Metrics(() => 0), []),
    ...workerFamilies([]),
    ...certificateFamilies([]),
    ...orderFamilies({ orders: new Map(), certificates: [{ host: "", failures: 0 }] }),
    ...sourceFamilies([
      { pool: "", source: "", state: "", members: 0, answeredAt: null, answers: 0, failures: 0 },
    ]),
    ...memoryFamilies({ rssBytes: 0, limitBytes: 0, shedding: false }),
    ...problemFamilies([]),
    ...alertFamilies([]),
    stateFamily(false),
    ...upgradeFamilies({ generation: 0, since: null, failures: 0 }),
    ...fleetFamilies({ isShared: true, pending: 0, alive: 1, silent: 0, setAside: 0, restored: 0, lost: 0 }),
    ...processFamilies({
      bugs: 0,
      lostLogLines: 0,
      exhausted: {},
      handshakesRefused: {},
      extensionFailures: {},
    }),
  ];
  const labels = [...new Set(all.flatMap(({ labels }) => labels))];
  const meanings = labels.map((label) => {
    const meaning = labelMeanings[label];
    if (meaning === undefined) throw new Error(`Cannot describe the label ${label}: it has no entry here`);
    return `- \`${label}\`: ${meaning}.`;
  });
  return [
    "# Metrics",
    "",
    "`GET /metrics` of the admin API returns metrics in the Prometheus text format. This page is generated from the source by",
    "`bun scripts/metrics-docs.ts`.",
    "",
    "Counters start at 0 with the process. With `--workers` they are the sum of all processes. Label values come from the",
    "configuration and from fixed vocabularies, never from requests, so clients cannot create series.",
    "",
    ...meanings,
    "",
    "Histogram buckets have the upper edges 1 ms, 2 ms, 4 ms … 65.536 s, given in seconds.",
    "",
    ...all.flatMap(({ name, type, labels, help }) => [
      `## ${name}`,
      "",
      `${type === "histogram" ? "Histogram" : type === "counter" ? "Counter" : "Gauge"}${withLabels(labels)}.`,
      help,
      "",
    ]),
  ]
    .join("\n")
    .trimEnd()
    .concat("\n");
}

function withLabels(labels: readonly string[]): string {
  return labels.length === 0 ? "" : ` with ${labels.map((label) => `\`${label}\``).join(", ")}`;
}

if (import.meta.main) writeFileSync(metricsFile, metricsPage());
