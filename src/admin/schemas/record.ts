/** The shapes of what is written down: events, intents, steps of a plan, settings, and the past as columns. */

import { Type } from "@sinclair/typebox";
import { windowNames } from "../../history/store.ts";
import type { Step } from "../../control/plan.ts";
import type { EventKind } from "../../state/event.ts";
import { modeSchema } from "./parts.ts";
import { count, list, timestamp, nullable, oneOf, textSchema, boolean, enumOf } from "./parts.ts";

const eventKinds = enumOf<EventKind>({
  ...{ probe: true, outlier: true, panic: true, mode: true, weight: true, backup: true, member: true },
  ...{
    drain: true,
    rehearsal: true,
    reload: true,
    phase: true,
    worker: true,
    load: true,
    certificate: true,
    login: true,
  },
});

export const eventSchema = Type.Object(
  {
    seq: count("Grows from event to event and over restarts, with gaps."),
    at: timestamp("When."),
    kind: oneOf(eventKinds, "What kind of thing it is: a verdict, an intent, or the balancer itself."),
    pool: nullable(Type.String(), "Null where the whole balancer is meant."),
    upstream: nullable(Type.String(), "Null where a whole pool is meant."),
    from: textSchema("What it was."),
    to: textSchema("What it is now."),
    reason: textSchema("One word."),
    by: textSchema("Who did it: an operator's name, or `prober`, `watch`, `SIGHUP`, `balancer`."),
    detail: textSchema("What a probe saw, or why an operator says that it was done; may be empty."),
  },
  { title: "Event" },
);

export const eventsSchema = Type.Object({ events: list(eventSchema, "Oldest first.") }, { title: "Events" });

const said = {
  upstream: textSchema("Id of the upstream that is meant."),
  by: textSchema("Who."),
  at: timestamp("When."),
  why: textSchema("In that person's words; may be empty."),
};

const addressKeys = {
  protocol: oneOf(["http", "https"], "How it is spoken to."),
  hostname: textSchema("Name or address."),
  port: count("TCP port."),
};

const tlsSchema = Type.Object({
  ca: Type.Optional(textSchema("Authorities, PEM.")),
  caPath: Type.Optional(textSchema("Where they came from.")),
  serverName: Type.Optional(textSchema("Asked for and checked instead of the host.")),
  verify: boolean("False believes any certificate."),
});

const addressSchema = Type.Object({ ...addressKeys, tls: Type.Optional(tlsSchema) }, { title: "Address" });

const weight = Type.Integer({ minimum: 0, maximum: 256 });

const intentSchema = Type.Union(
  [
    Type.Object({ kind: Type.Literal("mode"), mode: modeSchema, ...said }),
    Type.Object({ kind: Type.Literal("weight"), weight, ...said }),
    Type.Object({
      kind: Type.Literal("added"),
      pool: textSchema("Where it was added."),
      spec: Type.Object({
        id: textSchema("Its name."),
        address: addressSchema,
        weight,
        backup: boolean("Serves only when no other is fit."),
      }),
      ...said,
    }),
    Type.Object({
      kind: Type.Literal("removed"),
      pool: textSchema("Where it was."),
      address: addressSchema,
      ...said,
    }),
  ],
  { title: "Intent", description: "What an operator set while the balancer ran." },
);

export const stateSchema = Type.Object({ intents: list(intentSchema, "Oldest first.") }, { title: "State" });

const stepSchema = Type.Object(
  {
    action: oneOf(enumOf<Step["action"]>({ add: true, remove: true, change: true }), "What happens."),
    subject: oneOf(
      enumOf<Step["subject"]>({ setting: true, pool: true, upstream: true, routes: true }),
      "To what.",
    ),
    pool: Type.Optional(textSchema("Present for pools and upstreams.")),
    upstream: Type.Optional(textSchema("Id; present for upstreams.")),
    key: Type.Optional(textSchema("What of it: `policy`, `probe.path`, `weight`; present for changes.")),
    from: Type.Optional(textSchema("What it was.")),
    to: Type.Optional(textSchema("What it will be.")),
    needsRestart: Type.Optional(Type.Literal(true, { description: "Takes effect only with a restart." })),
  },
  { title: "Step" },
);

export const reloadReportSchema = Type.Object(
  {
    applied: boolean("Whether anything changed."),
    steps: list(stepSchema, "What changes, or would."),
    needsRestart: list(Type.String(), "Names of the settings that a restart has to bring."),
    diff: list(Type.String(), "The steps, a line each, for people."),
  },
  { title: "ReloadReport" },
);

const settingSchema = Type.Object(
  {
    name: textSchema("`pools.main.retries`"),
    value: textSchema("As a configuration file would say it; `(set)` for a secret."),
    source: textSchema("`flag --port`, `env PROXY_PORT`, `file evenkeel.yaml:3` or `default`."),
  },
  { title: "Setting" },
);

export const settingsSchema = Type.Object(
  { settings: list(settingSchema, "Every value that counts.") },
  { title: "Settings" },
);

const column = (description: string) => list(Type.Union([Type.Number(), Type.Null()]), description);

const columnsSchema = Type.Object(
  {
    at: list(Type.Number(), "Epoch milliseconds at which each interval ended, growing."),
    requestsPerSecond: column(
      "Attempts that ended; of a pool also requests that were answered before any attempt. Null in any column where nothing was measured.",
    ),
    errorsPerSecond: column("Those that failed or were answered with 5xx."),
    retriesPerSecond: column("Attempts that followed another one; of pools."),
    rescuesPerSecond: column("Those that were moved away from an upstream that was found down; of pools."),
    queued: column("The most that waited for a place; of pools."),
    inFlight: column("The most that were under way."),
    p50Ms: column("From start to head."),
    p95Ms: column("Likewise."),
    p99Ms: column("Likewise."),
  },
  { title: "Columns", description: "Points side by side: a value for each in every column." },
);

export const historySchema = Type.Object(
  {
    window: oneOf(windowNames, "How far it looks back."),
    stepMs: count("How far points are apart."),
    series: list(
      Type.Object({
        pool: textSchema("Its name."),
        upstream: nullable(Type.String(), "Null for the pool itself."),
        columns: columnsSchema,
      }),
      "One for each pool, or for the upstream that was asked for.",
    ),
  },
  { title: "History" },
);
