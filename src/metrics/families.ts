/** The table of metrics: every name, what it means and where its samples come from. Labels come from configuration only. */

import type { Pool } from "../pool/pool.ts";
import type { Status, Upstream } from "../pool/upstream.ts";
import type { Family, Sample } from "./prometheus.ts";
import type { Histogram } from "./histogram.ts";
import type { Metrics } from "./metrics.ts";

const statuses: readonly Status[] = [
  ...(["passing", "checking", "failing", "ejected", "probation", "draining", "maintenance"] as const),
];

/** Histogram edges are powers of two milliseconds, from 1 ms to about 65 s: the counts behind them are exact there. */
const lastOctave = 16;
const edges = Array.from({ length: lastOctave + 1 }, (_, octave) => String(2 ** octave / 1_000));

/** A pool, and what it has that only its exchanges know. */
export interface MeasuredPool {
  readonly pool: Pool;
  /** Retries that could be paid for now. */
  readonly retryBudget?: { readonly balance: number } | undefined;
  /** Requests that wait for a place. */
  readonly queue?: { readonly size: number } | undefined;
}

/** @param hasFault whether a fault is injected on an upstream */
export function families(
  metrics: Metrics,
  measured: readonly MeasuredPool[],
  hasFault: (upstream: Upstream) => boolean = () => false,
): readonly Family[] {
  const pools = measured.map(({ pool }) => pool);
  const ofUpstreams = (samples: (labels: Labels, member: Member) => readonly Sample[]) =>
    pools.flatMap((pool) =>
      pool.upstreams.flatMap((upstream) => {
        const meter = metrics.of(upstream);
        return samples({ pool: pool.name, upstream: upstream.id }, { upstream, meter });
      }),
    );
  const ofPools = (samples: (labels: Labels, name: string) => readonly Sample[]) =>
    ["", ...pools.map(({ name }) => name)].flatMap((name) => samples({ pool: name }, name));
  return [
    {
      name: "evenkeel_requests_total",
      help: "Answers by status; those of the balancer itself have an empty upstream, those without a route an empty pool.",
      type: "counter",
      labels: ["pool", "upstream", "code"],
      samples: () => [
        ...ofUpstreams((labels, { meter }) => byKey(meter.codes, (code) => ({ ...labels, code }))),
        ...ofPools((labels, name) =>
          byKey(metrics.ofPool(name).refusalCodes, (code) => ({ ...labels, upstream: "", code })),
        ),
      ],
    },
    {
      name: "evenkeel_request_duration_seconds",
      help: "From the start of an attempt to the end of its answer.",
      type: "histogram",
      labels: ["pool", "upstream"],
      samples: () => ofUpstreams((labels, { meter }) => histogramSamples(labels, meter.duration)),
    },
    {
      name: "evenkeel_upstream_connect_duration_seconds",
      help: "From the start of an attempt to its open connection, where none was kept; the fetch engine cannot tell.",
      type: "histogram",
      labels: ["pool", "upstream"],
      samples: () => ofUpstreams((labels, { meter }) => histogramSamples(labels, meter.connect)),
    },
    {
      name: "evenkeel_upstream_first_byte_duration_seconds",
      help: "From the start of an attempt to the head of its answer.",
      type: "histogram",
      labels: ["pool", "upstream"],
      samples: () => ofUpstreams((labels, { meter }) => histogramSamples(labels, meter.firstByte)),
    },
    {
      name: "evenkeel_upstream_failures_total",
      help: "Attempts that failed, by reason.",
      type: "counter",
      labels: ["pool", "upstream", "reason"],
      samples: () =>
        ofUpstreams((labels, { meter }) => byKey(meter.failures, (reason) => ({ ...labels, reason }))),
    },
    {
      name: "evenkeel_upstream_cancelled_total",
      help: "Attempts that ended because their client went away, or another attempt was answered first.",
      type: "counter",
      labels: ["pool", "upstream"],
      samples: () => ofUpstreams((labels, { meter }) => [{ labels, value: meter.cancelled }]),
    },
    {
      name: "evenkeel_upstream_in_flight",
      help: "Attempts that are under way.",
      type: "gauge",
      labels: ["pool", "upstream"],
      samples: () => ofUpstreams((labels, { upstream }) => [{ labels, value: upstream.inFlight }]),
    },
    {
      name: "evenkeel_upstream_tunnels",
      help: "Attempts under way whose protocol was switched, such as WebSockets; they are in flight, but take no place.",
      type: "gauge",
      labels: ["pool", "upstream"],
      samples: () => ofUpstreams((labels, { upstream }) => [{ labels, value: upstream.tunnels }]),
    },
    {
      name: "evenkeel_upstream_status",
      help: "1 for the present status of an upstream, 0 for the others.",
      type: "gauge",
      labels: ["pool", "upstream", "status"],
      samples: () =>
        ofUpstreams((labels, { upstream }) =>
          statuses.map((status) => ({
            labels: { ...labels, status },
            value: upstream.status === status ? 1 : 0,
          })),
        ),
    },
    {
      name: "evenkeel_rehearsal",
      help: "1 while a fault is played on an upstream.",
      type: "gauge",
      labels: ["pool", "upstream"],
      samples: () => ofUpstreams((labels, { upstream }) => [{ labels, value: hasFault(upstream) ? 1 : 0 }]),
    },
    {
      name: "evenkeel_ejections_total",
      help: "Times that failed attempts took an upstream out, by reason.",
      type: "counter",
      labels: ["pool", "upstream", "reason"],
      samples: () =>
        ofUpstreams((labels, { meter }) => byKey(meter.ejections, (reason) => ({ ...labels, reason }))),
    },
    {
      name: "evenkeel_panic",
      help: "1 while a pool serves from everybody for want of an upstream that is up.",
      type: "gauge",
      labels: ["pool"],
      samples: () =>
        pools.map(({ name, isPanicking }) => ({ labels: { pool: name }, value: isPanicking ? 1 : 0 })),
    },
    {
      name: "evenkeel_queue_depth",
      help: "Requests that wait for a place on an upstream.",
      type: "gauge",
      labels: ["pool"],
      samples: () =>
        measured.flatMap(({ pool, queue }) =>
          queue ? [{ labels: { pool: pool.name }, value: queue.size }] : [],
        ),
    },
    {
      name: "evenkeel_retry_budget",
      help: "Retries that could be paid for now.",
      type: "gauge",
      labels: ["pool"],
      samples: () =>
        measured.flatMap(({ pool, retryBudget }) =>
          retryBudget ? [{ labels: { pool: pool.name }, value: Math.floor(retryBudget.balance) }] : [],
        ),
    },
    {
      name: "evenkeel_not_retried_total",
      help: "Failed attempts that none followed, by why not.",
      type: "counter",
      labels: ["pool", "reason"],
      samples: () =>
        ofPools((labels, name) =>
          byKey(metrics.ofPool(name).notRetried, (reason) => ({ ...labels, reason })),
        ),
    },
    {
      name: "evenkeel_retries_total",
      help: "Attempts that followed another one, by the reason of that.",
      type: "counter",
      labels: ["pool", "reason"],
      samples: () =>
        ofPools((labels, name) => byKey(metrics.ofPool(name).retries, (reason) => ({ ...labels, reason }))),
    },
    {
      name: "evenkeel_hedges_total",
      help: "Second attempts beside one that waited for long, by whether their answer was the first.",
      type: "counter",
      labels: ["pool", "result"],
      samples: () =>
        ofPools((labels, name) => byKey(metrics.ofPool(name).hedges, (result) => ({ ...labels, result }))),
    },
    {
      name: "evenkeel_rescues_total",
      help: "Requests that were moved away while they waited on an upstream that was found down.",
      type: "counter",
      labels: ["pool", "upstream"],
      samples: () => ofUpstreams((labels, { meter }) => [{ labels, value: meter.rescues }]),
    },
    {
      name: "evenkeel_refusals_total",
      help: "Answers of the balancer itself, by reason.",
      type: "counter",
      labels: ["pool", "reason"],
      samples: () =>
        ofPools((labels, name) => byKey(metrics.ofPool(name).refusals, (reason) => ({ ...labels, reason }))),
    },
    {
      name: "evenkeel_probe_total",
      help: "Active checks by result.",
      type: "counter",
      labels: ["pool", "upstream", "result"],
      samples: () =>
        ofUpstreams((labels, { meter }) => byKey(meter.probes, (result) => ({ ...labels, result }))),
    },
    {
      name: "evenkeel_config_reload_total",
      help: "Tries to take a new configuration, by result.",
      type: "counter",
      labels: ["result"],
      samples: () => byKey(metrics.reloads, (result) => ({ result })),
    },
    {
      name: "evenkeel_access_log_lost_total",
      help: "Lines of the access log that could not be written: the disk or the reader was too slow, or is gone.",
      type: "counter",
      labels: [],
      samples: () => [{ labels: {}, value: metrics.lostLines }],
    },
    {
      name: "evenkeel_spans_lost_total",
      help: "Spans that the collector did not get: it was too slow, refused them, or is away.",
      type: "counter",
      labels: [],
      samples: () => [{ labels: {}, value: metrics.lostSpans }],
    },
  ];
}

type Labels = Readonly<Record<string, string>>;

interface Member {
  readonly upstream: Pool["upstreams"][number];
  readonly meter: ReturnType<Metrics["of"]>;
}

function byKey(counts: ReadonlyMap<string | number, number>, labelsOf: (key: string) => Labels): Sample[] {
  return [...counts].map(([key, value]) => ({ labels: labelsOf(String(key)), value }));
}

function histogramSamples(labels: Labels, histogram: Histogram): Sample[] {
  const below = histogram.belowEach(0, lastOctave);
  return [
    ...edges.map((le, octave) => ({ suffix: "_bucket", labels, le, value: below[octave] ?? 0 })),
    { suffix: "_bucket", labels, le: "+Inf", value: histogram.count },
    { suffix: "_sum", labels, value: histogram.sumMs / 1000 },
    { suffix: "_count", labels, value: histogram.count },
  ];
}
