/** The shape of the snapshot: the whole picture of now, pools, workers and configuration included. */

import { Type } from "@sinclair/typebox";
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
import { eventSchema } from "./record.ts";
import { injectedErrors } from "../../fault/fault.ts";
import type { OutlierReason, OutlierState } from "../../pool/outlier-detector.ts";
import { type Status } from "../../pool/upstream.ts";
import type { Phase, UptimeState } from "../../snapshot/snapshot.ts";
import type { CertificateStatus } from "../../tls/expiry.ts";

const statusSchema = oneOf<Status>(
  enumOf<Status>({
    ...{ passing: true, checking: true, failing: true, ejected: true },
    ...{ probation: true, draining: true, maintenance: true },
  }),
  "Derived from mode and verdicts.",
);

const milliseconds = (description: string) => nullable(Type.Number({ minimum: 0 }), description);

export const trafficSchema = Type.Object(
  {
    requests: count(
      "Attempts that ended since the start, cancelled ones excepted; of a pool also requests that were answered before any attempt.",
    ),
    errors: count("Those that failed or were answered with 5xx."),
    requestsPerSecond: numberSchema("Over the last ten seconds."),
    errorShare: Type.Number({
      minimum: 0,
      maximum: 1,
      description: "Errors ÷ requests of the last ten seconds.",
    }),
    p50Ms: milliseconds("From start to head, of the last minute; null without a request in it."),
    p95Ms: milliseconds("Likewise."),
    p99Ms: milliseconds("Likewise."),
  },
  { title: "Traffic" },
);

const probeSchema = Type.Object(
  {
    at: timestamp("When it ended."),
    success: boolean("Whether it passed."),
    detail: textSchema("What it saw: `status 200`, `connection refused`."),
    latencyMs: numberSchema("How long it took."),
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
    state: oneOf(outlierStates, "What real requests say of it."),
    since: nullable(Type.Number(), "Of the last change, epoch milliseconds; null before the first."),
    until: nullable(Type.Number(), "When the ejection ends, epoch milliseconds; null while there is none."),
    reason: nullable(oneOf(outlierReasons, "Why it changed last."), "Null before the first change."),
    cause: nullable(
      Type.String(),
      "How the attempt failed that took it out, `connect_refused` or `status_503`; null while it is up.",
    ),
    count: count("Ejections that count: the next one lasts one more times as long."),
  },
  { title: "Outlier" },
);

const uptimeSchema = Type.Object(
  {
    state: oneOf(
      enumOf<UptimeState>({ unknown: true, up: true, down: true, out: true }),
      "`unknown` before the first verdict; `out` while an operator drains it or keeps it in maintenance.",
    ),
    since: timestamp("When that began; restarts of the balancer below five minutes do not end it."),
    share: nullable(
      Type.Number({ minimum: 0, maximum: 1 }),
      "Time up ÷ time up or down, of the last 24 hours as far as it was watched; null before any.",
    ),
    countedMs: numberSchema("The time that the share is of: what an operator took out is not in it."),
  },
  { title: "Uptime" },
);

const markSchema = Type.Object(
  {
    by: textSchema("Who set it."),
    at: timestamp("When."),
    why: textSchema("In that person's words; may be empty."),
  },
  { title: "Mark" },
);

const drainSchema = Type.Object(
  {
    since: timestamp("When it began."),
    deadline: nullable(Type.Number(), "Epoch milliseconds; null if nobody named a time."),
    inFlight: count("Requests that are still under way there."),
    drained: boolean("Nothing is under way there any more."),
    leaving: boolean("It goes when it is empty."),
  },
  { title: "Drain" },
);

const faultSchema = Type.Object(
  {
    latencyMs: numberSchema("Added to each attempt, milliseconds."),
    errorShare: Type.Number({ minimum: 0, maximum: 1, description: "Of the attempts that fail." }),
    error: oneOf(injectedErrors, "How they fail."),
    probes: boolean("Active checks fail too."),
    until: timestamp("When it ends by itself."),
    by: textSchema("Who began it."),
    why: textSchema("In that person's words; may be empty."),
  },
  { title: "Rehearsal" },
);

const upstreamKeys = {
  id: textSchema("Names it everywhere: API, metrics, log, dashboard."),
  url: textSchema("Protocol, host and port."),
  weight: Type.Integer({ minimum: 0, maximum: 256, description: "Share relative to its siblings." }),
  effectiveWeight: numberSchema("What it serves with now: less than the weight during a slow start."),
  slowStart: nullable(
    Type.Number({ minimum: 0, maximum: 1 }),
    "How far a slow start has come; null while none is under way.",
  ),
  backup: boolean("Serves only when no other is fit."),
  status: statusSchema,
  statusSince: timestamp("When the status became what it is."),
  mode: modeSchema,
  modeSet: nullable(markSchema, "Null while the mode is as configured."),
  weightSet: nullable(markSchema, "Null while the weight is as configured."),
  added: nullable(markSchema, "Null if it comes from the configuration."),
  drain: nullable(drainSchema, "Null unless it is being emptied, or is kept empty."),
  rehearsal: nullable(faultSchema, "Null while nothing is played there."),
  fit: boolean("Whether it gets new requests now."),
  inFlight: count("Requests under way, tunnels among them."),
  tunnels: count("Those whose protocol was switched, such as WebSockets; they take none of the places."),
  maxInFlight: count("The most that may be under way, tunnels not counted."),
  rescues: count("Requests that were moved away while they waited here, since the start."),
  outlier: outlierSchema,
  lastProbe: nullable(probeSchema, "Null before the first."),
  probeHistory: Type.String({
    pattern: "^[+-]{0,60}$",
    description: "The last 60 probes, oldest first: `+` passed, `-` failed.",
  }),
  uptime: uptimeSchema,
  traffic: trafficSchema,
  errorsByReason: counts("Since the start: failures by reason word, answers with 5xx as `status_503`."),
};

export const upstreamSchema = Type.Object(upstreamKeys, { title: "Upstream" });

const latencyBarSchema = Type.Object(
  {
    fromMs: numberSchema("Lower edge."),
    toMs: numberSchema("Upper edge."),
    count: count("Answers of the last minute between the two."),
  },
  { title: "LatencyBar" },
);

export const upstreamDetailSchema = Type.Object(
  {
    ...upstreamKeys,
    pool: textSchema("Where it belongs."),
    policy: policySchema,
    probe: textSchema("How it is probed, for people."),
    probes: list(probeSchema, "The last 60, oldest first."),
    codes: counts("Answers since the start, by status."),
    cancelled: count("Attempts whose client went away."),
    latencies: list(latencyBarSchema, "From start to head; empty without any."),
  },
  { title: "UpstreamDetail" },
);

export const poolSchema = Type.Object(
  {
    name: textSchema("Unique."),
    policy: policySchema,
    probe: textSchema("How its upstreams are probed, for people."),
    panic: boolean("Nothing but ejections was left to go by, so they are ignored: everybody serves."),
    upstreams: list(upstreamSchema, "In the order of the configuration."),
    traffic: trafficSchema,
    turnedAwayPerSecond: numberSchema(
      "Requests that got 5xx before any attempt, as when nobody is fit: a part of the errors. Over the last ten seconds.",
    ),
    retries: count("Attempts that followed another one."),
    rescues: count("Those that were moved away from an upstream that was found down."),
    hedges: Type.Object(
      { won: count("Their answers were passed on."), lost: count("They were in vain.") },
      { title: "Hedges", description: "Attempts beside one that took long." },
    ),
    retryBudget: count("Retries that could be paid for now."),
    queued: count("Requests that wait for a place now."),
    notRetried: counts("Failed attempts that none followed, since the start, by why not."),
    refusals: counts("The balancer's own answers, since the start, by reason word."),
    events: list(eventSchema, "The last twenty, oldest first."),
  },
  { title: "Pool" },
);

const refusedSchema = Type.Object({
  at: timestamp("When."),
  by: textSchema("Who asked."),
  problems: list(Type.String(), "A sentence each."),
});

const configurationSchema = Type.Object(
  {
    takenAt: timestamp("When the one that counts was taken."),
    refused: nullable(refusedSchema, "The last try to take another one that was refused since."),
    needsRestart: list(Type.String(), "Settings that a restart would change."),
  },
  { title: "Configuration" },
);

const memorySchema = Type.Object(
  {
    rssBytes: count("What all processes of the balancer take."),
    limitBytes: nullable(Type.Integer(), "New requests are refused from here on; null without a limit."),
    shedding: boolean("Whether they are refused now."),
  },
  { title: "Memory" },
);

const notKeptSchema = Type.Object(
  { since: timestamp("Since when."), why: textSchema("What the medium said.") },
  { title: "NotKept" },
);

const certificateSchema = Type.Object(
  {
    listener: Type.Literal("listen", { description: "The setting that says where its clients connect." }),
    path: textSchema("File that it was read from at the start; another one may lie there by now."),
    validFrom: timestamp("When it begins to be valid."),
    expiresAt: timestamp("When it ends."),
    status: oneOf(
      enumOf<CertificateStatus>({ early: true, valid: true, expiring: true, expired: true }),
      "`expiring` from 30, 7 or 1 days before the end, whichever is less than a quarter of its whole life.",
    ),
  },
  { title: "Certificate" },
);

const workerSchema = Type.Object(
  {
    pid: count("Process id."),
    ready: boolean("Whether it serves."),
    restarts: count("How often it was started anew."),
    inFlight: count("Requests that clients wait for now."),
    requests: count("Attempts that ended since this process began."),
  },
  { title: "Worker" },
);

const phaseSchema = oneOf(
  enumOf<Phase>({ starting: true, ready: true, draining: true, stopped: true }),
  "Of the balancer.",
);

export const snapshotSchema = Type.Object(
  {
    at: timestamp("When it was taken."),
    phase: phaseSchema,
    version: textSchema("Of Evenkeel."),
    runtime: textSchema("`bun 1.4.5`"),
    engine: textSchema("What moves bytes."),
    startedAt: timestamp("When the balancer started."),
    listen: textSchema("Where clients reach it."),
    inFlight: count("Requests that clients wait for now."),
    configuration: configurationSchema,
    memory: memorySchema,
    notKept: nullable(
      notKeptSchema,
      "That what is set or recorded may not survive a restart; null if it does, or if nobody asked for that.",
    ),
    certificates: Type.Optional(
      list(certificateSchema, "What clients see; missing where they come over plain HTTP."),
    ),
    workers: Type.Optional(list(workerSchema, "Missing where a single process does everything.")),
    pools: list(poolSchema, "In the order of the configuration."),
    events: list(eventSchema, "The last twenty of everything, oldest first."),
  },
  { title: "Snapshot" },
);
