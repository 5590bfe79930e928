/** The shape of the snapshot: the whole picture of now, pools, workers and configuration included. */

import { Type } from "@sinclair/typebox";
import type { CertificateStatus } from "../../tls/expiry.ts";
import type { Phase } from "../../snapshot/snapshot.ts";
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
import { eventSchema } from "./record.ts";
import { policySchema, trafficSchema, upstreamSchema } from "./upstream.ts";

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
