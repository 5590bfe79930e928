/** The table of metrics: name, help text, labels and samples. Label values never come from requests. */

import type { Pool } from "../pool/pool.ts";
import type { Status, Upstream } from "../pool/upstream.ts";
import { filterFamilies } from "./filter-meter.ts";
import type { Histogram } from "./histogram.ts";
import type { Metrics } from "./metrics.ts";
import { routeFamilies } from "./route-meter.ts";
import type { Family, Sample } from "./prometheus.ts";

const statuses: readonly Status[] = [
  ...(["passing", "checking", "failing", "ejected", "probation", "draining", "maintenance"] as const),
];

/** Histogram edges: powers of two from 1 ms to about 65 s, because the bucket counts are exact there. */
const lastOctave = 16;
const edges = Array.from({ length: lastOctave + 1 }, (_, octave) => String(2 ** octave / 1_000));

/** A pool with its retry budget and its queue. */
export interface MeasuredPool {
  readonly pool: Pool;
  /** `balance`: retries that the budget allows now. */
  readonly retryBudget?: { readonly balance: number } | undefined;
  /** `size`: requests that wait for a slot. */
  readonly queue?: { readonly size: number } | undefined;
}

/** @param hasFault whether fault injection is active on an upstream */
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
      help: "Responses by status code, from 600 on `other`. Responses made by the balancer have an empty upstream; without a route the pool is empty too.",
      type: "counter",
      labels: ["pool", "upstream", "code"],
      samples: () => [
        ...ofUpstreams((labels, { meter }) => byCode(meter.codes, (code) => ({ ...labels, code }))),
        ...ofPools((labels, name) =>
          byCode(metrics.ofPool(name).refusalCodes, (code) => ({ ...labels, upstream: "", code })),
        ),
      ],
    },
    {
      name: "evenkeel_request_duration_seconds",
      help: "Time from the start of an attempt to the end of its response.",
      type: "histogram",
      labels: ["pool", "upstream"],
      samples: () => ofUpstreams((labels, { meter }) => histogramSamples(labels, meter.duration)),
    },
    {
      name: "evenkeel_upstream_connect_duration_seconds",
      help: "Time from the start of an attempt to its open connection, for new connections only. The fetch engine does not measure it.",
      type: "histogram",
      labels: ["pool", "upstream"],
      samples: () => ofUpstreams((labels, { meter }) => histogramSamples(labels, meter.connect)),
    },
    {
      name: "evenkeel_upstream_first_byte_duration_seconds",
      help: "Time from the start of an attempt to the headers of its response.",
      type: "histogram",
      labels: ["pool", "upstream"],
      samples: () => ofUpstreams((labels, { meter }) => histogramSamples(labels, meter.firstByte)),
    },
    {
      name: "evenkeel_upstream_failures_total",
      help: "Failed attempts, by reason.",
      type: "counter",
      labels: ["pool", "upstream", "reason"],
      samples: () =>
        ofUpstreams((labels, { meter }) => byKey(meter.failures, (reason) => ({ ...labels, reason }))),
    },
    {
      name: "evenkeel_upstream_cancelled_total",
      help: "Attempts that were cancelled because the client disconnected or another attempt responded first.",
      type: "counter",
      labels: ["pool", "upstream"],
      samples: () => ofUpstreams((labels, { meter }) => [{ labels, value: meter.cancelled }]),
    },
    {
      name: "evenkeel_upstream_in_flight",
      help: "Attempts in flight.",
      type: "gauge",
      labels: ["pool", "upstream"],
      samples: () => ofUpstreams((labels, { upstream }) => [{ labels, value: upstream.inFlight }]),
    },
    {
      name: "evenkeel_upstream_tunnels",
      help: "Attempts in flight that switched protocols, such as WebSockets. They do not occupy a slot.",
      type: "gauge",
      labels: ["pool", "upstream"],
      samples: () => ofUpstreams((labels, { upstream }) => [{ labels, value: upstream.tunnels }]),
    },
    {
      name: "evenkeel_upstream_streams",
      help: "Responses in flight that do not occupy a slot: event streams, and those read too slowly while requests waited.",
      type: "gauge",
      labels: ["pool", "upstream"],
      samples: () => ofUpstreams((labels, { upstream }) => [{ labels, value: upstream.streams }]),
    },
    {
      name: "evenkeel_upstream_status",
      help: "1 for the current status of an upstream, 0 for the others.",
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
      help: "1 while fault injection is active on an upstream.",
      type: "gauge",
      labels: ["pool", "upstream"],
      samples: () => ofUpstreams((labels, { upstream }) => [{ labels, value: hasFault(upstream) ? 1 : 0 }]),
    },
    {
      name: "evenkeel_ejections_total",
      help: "Ejections of an upstream by outlier detection, by reason.",
      type: "counter",
      labels: ["pool", "upstream", "reason"],
      samples: () =>
        ofUpstreams((labels, { meter }) => byKey(meter.ejections, (reason) => ({ ...labels, reason }))),
    },
    {
      name: "evenkeel_panic",
      help: "1 while a pool is in panic mode: all upstreams that pass their probes are ejected, so ejections are ignored.",
      type: "gauge",
      labels: ["pool"],
      samples: () =>
        pools.map(({ name, isPanicking }) => ({ labels: { pool: name }, value: isPanicking ? 1 : 0 })),
    },
    {
      name: "evenkeel_queue_depth",
      help: "Requests in the queue that wait for a slot on an upstream.",
      type: "gauge",
      labels: ["pool"],
      samples: () =>
        measured.flatMap(({ pool, queue }) =>
          queue ? [{ labels: { pool: pool.name }, value: queue.size }] : [],
        ),
    },
    {
      name: "evenkeel_retry_budget",
      help: "Retries that the retry budget allows now.",
      type: "gauge",
      labels: ["pool"],
      samples: () =>
        measured.flatMap(({ pool, retryBudget }) =>
          retryBudget ? [{ labels: { pool: pool.name }, value: Math.floor(retryBudget.balance) }] : [],
        ),
    },
    {
      name: "evenkeel_not_retried_total",
      help: "Failed attempts that were not retried, by reason.",
      type: "counter",
      labels: ["pool", "reason"],
      samples: () =>
        ofPools((labels, name) =>
          byKey(metrics.ofPool(name).notRetried, (reason) => ({ ...labels, reason })),
        ),
    },
    {
      name: "evenkeel_retries_total",
      help: "Further attempts of a request after its first one, by reason.",
      type: "counter",
      labels: ["pool", "reason"],
      samples: () =>
        ofPools((labels, name) => byKey(metrics.ofPool(name).retries, (reason) => ({ ...labels, reason }))),
    },
    {
      name: "evenkeel_hedges_total",
      help: "Hedged requests, by whether the second attempt responded first.",
      type: "counter",
      labels: ["pool", "result"],
      samples: () =>
        ofPools((labels, name) => byKey(metrics.ofPool(name).hedges, (result) => ({ ...labels, result }))),
    },
    {
      name: "evenkeel_split_total",
      help: "Requests that a split sent to a pool. The route is empty unless it has a name.",
      type: "counter",
      labels: ["route", "pool"],
      samples: () =>
        ofPools((labels, name) => byKey(metrics.ofPool(name).splits, (route) => ({ ...labels, route }))),
    },
    {
      name: "evenkeel_sticky_total",
      help: "Requests of sticky pools, by whether their upstream kept them.",
      type: "counter",
      labels: ["pool", "result"],
      samples: () =>
        ofPools((labels, name) => byKey(metrics.ofPool(name).sticky, (result) => ({ ...labels, result }))),
    },
    {
      name: "evenkeel_rescues_total",
      help: "Requests that were moved off an upstream that went down before it responded.",
      type: "counter",
      labels: ["pool", "upstream"],
      samples: () => ofUpstreams((labels, { meter }) => [{ labels, value: meter.rescues }]),
    },
    {
      name: "evenkeel_refusals_total",
      help: "Responses made by the balancer itself, by reason.",
      type: "counter",
      labels: ["pool", "reason"],
      samples: () =>
        ofPools((labels, name) => byKey(metrics.ofPool(name).refusals, (reason) => ({ ...labels, reason }))),
    },
    {
      name: "evenkeel_client_requests_total",
      help: "Requests of clients, by listener and HTTP version. The fetch engine knows only h3; others are `unknown`.",
      type: "counter",
      labels: ["listener", "protocol"],
      samples: () =>
        [...metrics.listeners].flatMap(([listener, { requests }]) =>
          requests.map(([protocol, value]) => ({ labels: { listener, protocol }, value })),
        ),
    },
    {
      name: "evenkeel_connections_refused_total",
      help: "Connections of clients that were closed before a request, by listener and reason.",
      type: "counter",
      labels: ["listener", "reason"],
      samples: () =>
        [...metrics.listeners].flatMap(([listener, { refused }]) =>
          byKey(refused, (reason) => ({ listener, reason })),
        ),
    },
    ...filterFamilies(metrics.filters, histogramSamples),
    ...routeFamilies(metrics.routes, histogramSamples),
    {
      name: "evenkeel_probe_total",
      help: "Active probes, by result.",
      type: "counter",
      labels: ["pool", "upstream", "result"],
      samples: () =>
        ofUpstreams((labels, { meter }) => byKey(meter.probes, (result) => ({ ...labels, result }))),
    },
    {
      name: "evenkeel_config_reload_total",
      help: "Configuration reloads, by result.",
      type: "counter",
      labels: ["result"],
      samples: () => byKey(metrics.reloads, (result) => ({ result })),
    },
    {
      name: "evenkeel_access_log_lost_total",
      help: "Lines of the access log that were not written because the disk or the reader was too slow or unavailable.",
      type: "counter",
      labels: [],
      samples: () => [{ labels: {}, value: metrics.lostLines }],
    },
    {
      name: "evenkeel_spans_lost_total",
      help: "Spans that were not exported because the collector was too slow, rejected them or was unreachable.",
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

/** Statuses from 600 on share one label, because servers can make up 400 of them. */
function byCode(codes: ReadonlyMap<number, number>, labelsOf: (code: string) => Labels): Sample[] {
  const known = new Map([...codes].filter(([code]) => code <= 599));
  const others = [...codes].reduce((sum, [code, value]) => (code <= 599 ? sum : sum + value), 0);
  const samples = byKey(known, labelsOf);
  return others > 0 ? [...samples, { labels: labelsOf("other"), value: others }] : samples;
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
