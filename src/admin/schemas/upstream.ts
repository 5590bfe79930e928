/** The shape of one upstream as the admin API shows it, and of everything that is known of it alone. */

import { Type } from "@sinclair/typebox";
import { type PolicyName, policyNames } from "../../policy/policies.ts";
import type { OutlierReason, OutlierState } from "../../pool/outlier-detector.ts";
import { injectedErrors } from "../../fault/fault.ts";
import { modes, type Status } from "../../pool/upstream.ts";
import type { UptimeState } from "../../snapshot/snapshot.ts";
import {
  count,
  counts,
  list,
  timestamp,
  nullable,
  numberSchema,
  oneOf,
  textSchema,
  boolean,
  enumOf,
} from "./parts.ts";

export const policySchema = oneOf<PolicyName>(policyNames, "How one of the fit upstreams is chosen.");

export const modeSchema = oneOf(modes, "The operator's intent.");

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
