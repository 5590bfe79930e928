/** Schemas of events, intents, plan steps, settings and history. */

import { Type } from "@sinclair/typebox";
import { windowNames } from "../../history/store.ts";
import type { Step } from "../../control/step.ts";
import type { EventKind } from "../../state/event.ts";
import { boolean, count, enumOf, list, modeSchema, nullable, oneOf, textSchema, timestamp } from "./parts.ts";

const eventKinds = enumOf<EventKind>({
  probe: true,
  outlier: true,
  panic: true,
  mode: true,
  weight: true,
  backup: true,
  member: true,
  drain: true,
  rehearsal: true,
  reload: true,
  phase: true,
  worker: true,
  load: true,
  certificate: true,
  exhaustion: true,
  extension: true,
  rate_limit: true,
  problem: true,
  alert: true,
  silence: true,
  discovery: true,
  upgrade: true,
  fleet: true,
  login: true,
});

export const eventSchema = Type.Object(
  {
    seq: count("Event number; increases also across restarts, with gaps."),
    at: timestamp("Time of the event."),
    kind: oneOf(eventKinds, "Kind of event: a verdict, an operator's intent, or the balancer itself."),
    pool: nullable(Type.String(), "Null for the whole balancer."),
    upstream: nullable(Type.String(), "Null for a whole pool."),
    from: textSchema("Value before."),
    to: textSchema("Value now."),
    reason: textSchema("One word."),
    by: textSchema("Actor: an operator's name, or `prober`, `watch`, `SIGHUP`, `balancer`."),
    detail: textSchema("Result of the probe, or the operator's reason; may be empty."),
  },
  { title: "Event" },
);

export const eventsSchema = Type.Object({ events: list(eventSchema, "Oldest first.") }, { title: "Events" });

const stamp = {
  upstream: textSchema("Id of the upstream."),
  by: textSchema("Actor."),
  at: timestamp("Time of the change."),
  why: textSchema("The actor's reason; may be empty."),
};

const addressKeys = {
  protocol: oneOf(["http", "https"], "Protocol of the upstream."),
  hostname: textSchema("Host name or IP address."),
  port: count("TCP port."),
};

const tlsSchema = Type.Object({
  ca: Type.Optional(textSchema("Trusted certificate authorities, PEM.")),
  caPath: Type.Optional(textSchema("File of the authorities.")),
  serverName: Type.Optional(textSchema("Name sent as SNI and verified instead of the host.")),
  verify: boolean("false disables certificate verification (man-in-the-middle risk)."),
});

const addressSchema = Type.Object(
  {
    ...addressKeys,
    tls: Type.Optional(tlsSchema),
    http2: Type.Optional(boolean("Whether it speaks HTTP/2; by default as its pool says.")),
  },
  { title: "Address" },
);

const weight = Type.Integer({ minimum: 0, maximum: 256 });

const intentSchema = Type.Union(
  [
    Type.Object({
      kind: Type.Literal("mode"),
      mode: modeSchema,
      deadlineMs: Type.Optional(Type.Number({ description: "Of a drain: milliseconds to its deadline." })),
      ...stamp,
    }),
    Type.Object({ kind: Type.Literal("weight"), weight, ...stamp }),
    Type.Object({
      kind: Type.Literal("added"),
      pool: textSchema("Pool it was added to."),
      spec: Type.Object({
        id: textSchema("Name of the upstream."),
        address: addressSchema,
        weight,
        backup: boolean("Serves only when no other upstream is available."),
      }),
      ...stamp,
    }),
    Type.Object({
      kind: Type.Literal("removed"),
      pool: textSchema("Pool it was removed from."),
      address: addressSchema,
      ...stamp,
    }),
  ],
  { title: "Intent", description: "What an operator set at run time." },
);

export const stateSchema = Type.Object({ intents: list(intentSchema, "Oldest first.") }, { title: "State" });

const stepSchema = Type.Object(
  {
    action: oneOf(enumOf<Step["action"]>({ add: true, remove: true, change: true }), "The action."),
    subject: oneOf(
      enumOf<Step["subject"]>({ setting: true, pool: true, upstream: true, routes: true }),
      "What the action applies to.",
    ),
    pool: Type.Optional(textSchema("Present for pools and upstreams.")),
    upstream: Type.Optional(textSchema("Id; present for upstreams.")),
    key: Type.Optional(textSchema("Setting: `policy`, `probe.path`, `weight`; present for changes.")),
    from: Type.Optional(textSchema("Value before.")),
    to: Type.Optional(textSchema("Value after.")),
    needsRestart: Type.Optional(Type.Literal(true, { description: "Needs a restart." })),
  },
  { title: "Step" },
);

export const reloadReportSchema = Type.Object(
  {
    applied: boolean("Whether anything changed."),
    steps: list(stepSchema, "Changes; a dry run lists what it would change."),
    needsRestart: list(Type.String(), "Changed settings that need a restart."),
    notes: list(Type.String(), "A dry run's notes about the next configuration."),
    diff: list(Type.String(), "The steps for people, one line each."),
  },
  { title: "ReloadReport" },
);

const certificateProblemSchema = Type.Object(
  {
    path: textSchema("File with the problem."),
    source: textSchema("File of the certificate that it concerns."),
    why: textSchema("The problem."),
    isHalf: Type.Optional(
      Type.Literal(true, { description: "The certificate or its key is missing; reported after a minute." }),
    ),
  },
  { title: "CertificateProblem" },
);

export const rotationReportSchema = Type.Object(
  {
    changed: list(Type.String(), "Files of certificates that are new, or have been replaced."),
    removed: list(Type.String(), "Files of certificates that are no longer there."),
    refused: list(certificateProblemSchema, "What cannot be used; the certificate in use stays."),
  },
  { title: "RotationReport" },
);

const settingSchema = Type.Object(
  {
    name: textSchema("`pools.main.retries`"),
    value: textSchema("As in a configuration file; `(set)` for a secret."),
    source: textSchema("`flag --port`, `env PROXY_PORT`, `file evenkeel.yaml:3` or `default`."),
  },
  { title: "Setting" },
);

export const settingsSchema = Type.Object(
  { settings: list(settingSchema, "Every effective setting.") },
  { title: "Settings" },
);

const column = (description: string) => list(Type.Union([Type.Number(), Type.Null()]), description);

const columnsSchema = Type.Object(
  {
    at: list(Type.Number(), "Epoch milliseconds at the end of each interval, ascending."),
    requestsPerSecond: column(
      "Attempts that ended; for a pool also requests that ended before any attempt. In every column null if nothing was measured.",
    ),
    errorsPerSecond: column("Of these, the ones that failed or got a 5xx response."),
    retriesPerSecond: column("Attempts that followed another one of the same request; pools only."),
    rescuesPerSecond: column("Requests moved off an upstream that went down; pools only."),
    queued: column("Maximum number of queued requests; pools only."),
    inFlight: column("Maximum number of requests in flight."),
    p50Ms: column("Median of the time from the start to the response headers, milliseconds."),
    p95Ms: column("95th percentile of the same time."),
    p99Ms: column("99th percentile of the same time."),
  },
  { title: "Columns", description: "One value per point in time in every column." },
);

export const historySchema = Type.Object(
  {
    window: nullable(oneOf(windowNames, "Length of the history."), "Null for a range."),
    from: timestamp("Begin of what is shown."),
    to: timestamp("End of what is shown."),
    stepMs: count("Interval between two points, milliseconds."),
    coarsestMs: count("Longest interval of a point, milliseconds: older ones are longer; 0 without points."),
    series: list(
      Type.Object({
        pool: textSchema("Name of the pool."),
        upstream: nullable(Type.String(), "Null for the pool itself."),
        columns: columnsSchema,
      }),
      "One per pool, or the one of the requested pool or upstream.",
    ),
  },
  { title: "History" },
);
