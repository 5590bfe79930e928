/** Writes docs/metrics.md from the table of metrics: bun scripts/metrics-docs.ts. A test says when it is to be run again. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";

import {
  certificateFamilies,
  memoryFamilies,
  processFamilies,
  stateFamily,
  workerFamilies,
} from "../src/metrics/process-families.ts";
import { families } from "../src/metrics/families.ts";
import { Metrics } from "../src/metrics/metrics.ts";

export const metricsFile = join(import.meta.dirname, "../docs/metrics.md");

const labelMeanings: Readonly<Record<string, string>> = {
  pool: "name of a pool in the configuration; empty for requests that no route matched",
  upstream: "name of an upstream, by default its host and port; empty for the balancer's own answers",
  code: "HTTP status",
  reason: "one of the reason words that log, API and dashboard use too",
  status: "`passing`, `checking`, `failing`, `ejected`, `probation`, `draining` or `maintenance`",
  listener: "`listen`, the setting that says where clients connect",
  state: "`ready` or `starting`",
  result:
    "`success` or `failure` of probes; `applied`, `unchanged` or `refused` of reloads; `won` or `lost` of hedges",
};

/** The page as it should be. Throws if a label has no meaning here. */
export function metricsPage(): string {
  const memory = memoryFamilies({ rssBytes: 0, limitBytes: 0, shedding: false });
  const own = processFamilies({ bugs: 0, lostLogLines: 0 });
  const known = [
    ...families(new Metrics(() => 0), []),
    ...workerFamilies([]),
    ...certificateFamilies([]),
    ...memory,
    stateFamily(false),
    ...own,
  ];
  const used = [...new Set(known.flatMap(({ labels }) => labels))];
  const meanings = used.map((label) => {
    const meaning = labelMeanings[label];
    if (meaning === undefined) throw new Error(`Cannot explain the label ${label}: it has no meaning here`);
    return `- \`${label}\`: ${meaning}.`;
  });
  return [
    "# Metrics",
    "",
    "`GET /metrics` of the admin side answers in the Prometheus text format. This page is made from the program's own",
    "table by `bun scripts/metrics-docs.ts`.",
    "",
    "Counters begin at 0 with the process. With `--workers` they are the sum of all processes. Label values come from the",
    "configuration and from fixed vocabularies, never from requests, so that no client can make series.",
    "",
    ...meanings,
    "",
    "Histograms have the edges 1 ms, 2 ms, 4 ms … 65.536 s, in seconds.",
    "",
    ...known.flatMap(({ name, type, labels, help }) => [
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
