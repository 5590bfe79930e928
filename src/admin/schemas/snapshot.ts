/** Schemas of the snapshot and of one upstream in detail. */

import { Type } from "@sinclair/typebox";
import {
  elsewhereSchema,
  fleetSnapshotSchema,
  ordersElsewhereSchema,
  seenSchema,
  sharedSchema,
} from "./fleet.ts";
import {
  boolean,
  count,
  counts,
  enumOf,
  list,
  modeSchema,
  nullable,
  numberSchema,
  oneOf,
  policySchema,
  textSchema,
  timestamp,
} from "./parts.ts";
import { originSchema, sourceSchema } from "./discovery.ts";
import { serviceProblemSchema } from "./problem.ts";
import { eventSchema } from "./record.ts";
import { upgradeSchema } from "./upgrade.ts";
import { injectedErrors } from "../../fault/fault.ts";
import type { OutlierReason, OutlierState } from "../../pool/outlier-detector.ts";
import type { Status } from "../../pool/upstream.ts";
import type { Phase, UptimeState } from "../../snapshot/snapshot.ts";
import { certificateSchema, orderSchema } from "./certificate.ts";

const statusSchema = oneOf<Status>(
  enumOf<Status>({
    passing: true,
    checking: true,
    failing: true,
    ejected: true,
    probation: true,
    draining: true,
    maintenance: true,
  }),
  "Derived from mode, probes and outlier detection.",
);

const milliseconds = (description: string) => nullable(Type.Number({ minimum: 0 }), description);

const trafficSchema = Type.Object(
  {
    requests: count(
      "Attempts that ended since the start, without cancelled ones. For a pool also requests that ended before any attempt.",
    ),
    errors: count("Of these, the ones that failed or got a 5xx response."),
    requestsPerSecond: numberSchema("Rate over the last 10 s."),
    errorShare: Type.Number({
      minimum: 0,
      maximum: 1,
      description: "Errors ÷ requests of the last 10 s.",
    }),
    p50Ms: milliseconds(
      "Median of the time from the start to the response headers, last minute; null without a request.",
    ),
    p95Ms: milliseconds("95th percentile of the same time."),
    p99Ms: milliseconds("99th percentile of the same time."),
  },
  { title: "Traffic" },
);

const probeSchema = Type.Object(
  {
    at: timestamp("End of the probe."),
    success: boolean("Whether the probe passed."),
    detail: textSchema("Result: `status 200`, `connection refused`."),
    latencyMs: numberSchema("Duration, milliseconds."),
  },
  { title: "Probe" },
);

const outlierStates = enumOf<OutlierState>({ up: true, ejected: true, probation: true });

const outlierReasons = enumOf<OutlierReason>({
  consecutive_failures: true,
  failure_ratio: true,
  probation_failed: true,
  unresponsive: true,
  ejection_over: true,
  answered: true,
  probe_passed: true,
  operator: true,
});

const outlierSchema = Type.Object(
  {
    state: oneOf(outlierStates, "Verdict of the outlier detection."),
    since: nullable(Type.Number(), "Epoch milliseconds of the last change; null before the first."),
    until: nullable(Type.Number(), "Epoch milliseconds at which the ejection ends; null when not ejected."),
    reason: nullable(oneOf(outlierReasons, "Reason of the last change."), "Null before the first change."),
    cause: nullable(
      Type.String(),
      "Reason word of the failure that caused the ejection, such as `connect_refused` or `status_503`; null while up.",
    ),
    count: count("Ejections that count towards the length of the next one."),
  },
  { title: "Outlier" },
);

const uptimeSchema = Type.Object(
  {
    state: oneOf(
      enumOf<UptimeState>({ unknown: true, up: true, down: true, out: true }),
      "`unknown` before the first verdict; `out` while draining or in maintenance.",
    ),
    since: timestamp("Start of the state; balancer restarts of less than five minutes do not end it."),
    share: nullable(
      Type.Number({ minimum: 0, maximum: 1 }),
      "Time up ÷ (time up + time down), of the observed part of the last 24 hours; null before the first observation.",
    ),
    countedMs: numberSchema("Milliseconds that `share` covers; time spent `out` is not included."),
  },
  { title: "Uptime" },
);

const markSchema = Type.Object(
  {
    by: textSchema("Actor."),
    at: timestamp("Time of the change."),
    why: textSchema("The actor's reason; may be empty."),
  },
  { title: "ChangeStamp" },
);

const drainSchema = Type.Object(
  {
    since: timestamp("Start of the drain."),
    deadline: nullable(
      Type.Number(),
      "Epoch milliseconds by which the upstream should be idle; null without a deadline.",
    ),
    inFlight: count("Requests still in flight."),
    drained: boolean("No request is in flight any more."),
    leaving: boolean("The upstream is removed when it is idle."),
    elsewhere: Type.Optional(elsewhereSchema),
  },
  { title: "Drain" },
);

const faultSchema = Type.Object(
  {
    latencyMs: numberSchema("Milliseconds added to each attempt."),
    errorShare: Type.Number({ minimum: 0, maximum: 1, description: "Share of attempts that fail." }),
    error: oneOf(injectedErrors, "How attempts fail."),
    probes: boolean("Probes fail too."),
    until: timestamp("Time at which the fault ends by itself."),
    by: textSchema("Actor who started it."),
    why: textSchema("The actor's reason; may be empty."),
  },
  { title: "FaultInjection" },
);

const upstreamKeys = {
  id: textSchema("Its name in API, metrics, log and dashboard."),
  url: textSchema("Protocol, host and port."),
  weight: Type.Integer({ minimum: 0, maximum: 256, description: "Relative share of the pool's traffic." }),
  effectiveWeight: numberSchema("Weight in use now; less than `weight` during a slow start."),
  slowStart: nullable(
    Type.Number({ minimum: 0, maximum: 1 }),
    "Progress of the slow start; null outside of one.",
  ),
  backup: boolean("Serves only when no other upstream is available."),
  status: statusSchema,
  statusSince: timestamp("Last change of the status."),
  mode: modeSchema,
  modeSet: nullable(markSchema, "Who set the mode; null while it is as configured."),
  weightSet: nullable(markSchema, "Who set the weight; null while it is as configured."),
  added: nullable(markSchema, "Who added the upstream; null if it comes from the configuration."),
  discovered: Type.Optional(originSchema),
  drain: nullable(drainSchema, "Null unless the upstream is draining or drained."),
  shared: Type.Optional(sharedSchema),
  elsewhere: Type.Optional(ordersElsewhereSchema),
  rehearsal: nullable(faultSchema, "The injected fault; null without one."),
  fit: boolean("Whether the upstream is available: it may receive new requests now."),
  inFlight: count("Requests in flight, including tunnels and streams."),
  tunnels: count("Connections that switched protocols, such as WebSockets; they use no slots."),
  streams: count("Responses that use no slot: event streams, and those read too slowly while others wait."),
  maxInFlight: nullable(
    Type.Integer({ minimum: 1 }),
    "Limit of requests in flight; tunnels and streams do not count. Null for no limit.",
  ),
  rescues: count("Waiting requests that were moved to another upstream, since the start."),
  outlier: outlierSchema,
  lastProbe: nullable(probeSchema, "The last probe; null before the first."),
  probeHistory: Type.String({
    pattern: "^[+-]{0,60}$",
    description: "The last 60 probes, oldest first: `+` passed, `-` failed.",
  }),
  uptime: uptimeSchema,
  traffic: trafficSchema,
  errorsByReason: counts("Errors since the start: failures by reason word, 5xx responses as `status_503`."),
};

const upstreamSchema = Type.Object(upstreamKeys, { title: "Upstream" });

const latencyBarSchema = Type.Object(
  {
    fromMs: numberSchema("Lower bound."),
    toMs: numberSchema("Upper bound."),
    count: count("Responses of the last minute within these bounds."),
  },
  { title: "LatencyBucket" },
);

export const upstreamDetailSchema = Type.Object(
  {
    ...upstreamKeys,
    pool: textSchema("Pool of the upstream."),
    policy: policySchema,
    probe: textSchema("The probe, described for people."),
    probes: list(probeSchema, "The last 60, oldest first."),
    codes: counts("Responses since the start, by status code."),
    seen: Type.Optional(seenSchema),
    cancelled: count("Attempts whose client disconnected."),
    latencies: list(
      latencyBarSchema,
      "Time from the start to the response headers, last minute; empty without responses.",
    ),
  },
  { title: "UpstreamDetail" },
);

const usualSchema = Type.Object(
  {
    requestsPerSecond: nullable(Type.Number(), "Median of the minutes of this hour of the day."),
    errorShare: nullable(Type.Number(), "Median, 0–1; of minutes with 20 requests or more."),
    p95Ms: nullable(Type.Number(), "Median, milliseconds."),
    peakRequestsPerSecond: nullable(Type.Number(), "Of the busiest minute of the week."),
  },
  {
    title: "Usual",
    description:
      "What is usual at this hour, from the history of the last week; missing until there is one of several days.",
  },
);

export const poolSchema = Type.Object(
  {
    name: textSchema("Unique name."),
    policy: policySchema,
    probe: textSchema("The probe of its upstreams, described for people."),
    panic: boolean("Panic mode: all upstreams that pass their probes are ejected, so ejections are ignored."),
    upstreams: list(upstreamSchema, "In the order of the configuration."),
    discovery: Type.Optional(list(sourceSchema, "Sources of its members; missing without any.")),
    traffic: trafficSchema,
    usual: Type.Optional(usualSchema),
    turnedAwayPerSecond: numberSchema(
      "Requests that got 5xx before any attempt, such as without an available upstream; included in the errors. Last 10 s.",
    ),
    retries: count("Attempts that followed another one of the same request."),
    rescues: count("Requests moved off an upstream that went down."),
    hedges: Type.Object(
      { won: count("The client got their response."), lost: count("The client got another response.") },
      { title: "Hedges", description: "Second attempts, made while a slow first one was still in flight." },
    ),
    retryBudget: count("Retries that the budget allows now."),
    queued: count("Requests in the queue now."),
    maxQueued: count("Requests that may wait in the queue at one time: `queue.maxWaiting`."),
    notRetried: counts("Failed attempts that were not retried, since the start, by reason."),
    refusals: counts("Refusals since the start, by reason word."),
    events: list(eventSchema, "The last twenty, oldest first."),
  },
  { title: "Pool" },
);

const refusedSchema = Type.Object({
  at: timestamp("Time of the reload."),
  by: textSchema("Actor."),
  problems: list(Type.String(), "One sentence per problem."),
});

const configurationSchema = Type.Object(
  {
    takenAt: timestamp("Time at which the current configuration was loaded."),
    refused: nullable(refusedSchema, "The last rejected reload since then; null without one."),
    needsRestart: list(Type.String(), "Changed settings that need a restart."),
  },
  { title: "Configuration" },
);

const memorySchema = Type.Object(
  {
    rssBytes: count("Resident memory of all processes of the balancer."),
    limitBytes: nullable(
      Type.Integer(),
      "From this size on, new requests are refused; null without a limit.",
    ),
    shedding: boolean("Whether new requests are refused now."),
  },
  { title: "Memory" },
);

const exhaustionSchema = Type.Object(
  {
    code: textSchema("Error code of the system: `EMFILE`, `EADDRNOTAVAIL`."),
    since: timestamp("Time of the first failure."),
    failures: count("Connects that were not made since then."),
  },
  {
    title: "Exhaustion",
    description:
      "Present while the system gives the balancer no more descriptors, ports or socket memory. Says nothing about upstreams.",
  },
);

const unsavedStateSchema = Type.Object(
  { since: timestamp("Time of the first failure."), why: textSchema("Error of the state file.") },
  { title: "UnsavedState" },
);

const workerSchema = Type.Object(
  {
    pid: count("Process id."),
    ready: boolean("Whether the worker serves clients."),
    restarts: count("Number of restarts."),
    inFlight: count("Client requests in flight now."),
    requests: count("Attempts that ended since this process started."),
  },
  { title: "Worker" },
);

const phaseSchema = oneOf(
  enumOf<Phase>({ starting: true, ready: true, draining: true, stopped: true }),
  "Lifecycle phase of the balancer.",
);

const listenerSchema = Type.Object(
  {
    name: textSchema("Name."),
    host: textSchema("Host name or IP address."),
    port: count("Port."),
    tls: Type.Boolean({ description: "Whether clients connect over TLS." }),
    protocols: list(textSchema("HTTP version: `http1` or `http2`."), "HTTP versions that are served."),
  },
  { title: "Listener" },
);

export const snapshotSchema = Type.Object(
  {
    at: timestamp("Time of the snapshot."),
    phase: phaseSchema,
    version: textSchema("Version of Evenkeel."),
    runtime: textSchema("Runtime and its version: `bun 1.4.5`."),
    engine: textSchema("Data-plane engine: `wire` or `fetch`."),
    startedAt: timestamp("Start of the balancer."),
    listen: textSchema("Address of the first client listener."),
    listeners: list(listenerSchema, "Addresses that clients connect to."),
    inFlight: count("Client requests in flight now."),
    clients: nullable(
      Type.Integer({ minimum: 0 }),
      "Connections of clients now, of all processes; null where the engine does not tell (`fetch`).",
    ),
    configuration: configurationSchema,
    memory: memorySchema,
    notKept: nullable(
      unsavedStateSchema,
      "Present while changes cannot be saved and may be lost on restart; null if they are saved, or no state file is configured.",
    ),
    upgrade: Type.Optional(upgradeSchema),
    exhaustion: Type.Optional(exhaustionSchema),
    certificates: Type.Optional(
      list(
        certificateSchema,
        "Certificates that TLS listeners present; missing with plain HTTP. Never keys.",
      ),
    ),
    orders: Type.Optional(
      list(
        orderSchema,
        "Certificates that are ordered from an authority with ACME; missing if there are none.",
      ),
    ),
    fleet: Type.Optional(fleetSnapshotSchema),
    workers: Type.Optional(list(workerSchema, "Worker processes; missing without workers.")),
    problems: list(
      serviceProblemSchema,
      "What is wrong: the open problems, worst first, then the ones that closed in the last ten minutes. At most 100 of each.",
    ),
    pools: list(poolSchema, "In the order of the configuration."),
    events: list(eventSchema, "The last twenty of the whole balancer, oldest first."),
  },
  { title: "Snapshot" },
);
