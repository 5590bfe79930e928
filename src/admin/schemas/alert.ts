/** Schemas of alerts: receivers, what was sent, silences, and the bodies that test a receiver and create a silence. */

import { Type } from "@sinclair/typebox";

import type { DeliveryResult } from "../../alerts/delivery.ts";
import { maxSilenceMs } from "../../alerts/silences.ts";
import { format, strict, textSetting } from "../../config/schema-kit.ts";
import { alertTypes } from "../../extension/alert-format.ts";
import { ownProblemKinds, problemKinds, problemLevels } from "../../problems/problem.ts";
import { alertStates } from "../../state/alert-record.ts";
import { count, enumOf, list, nullable, numberSchema, oneOf, textSchema, timestamp } from "./parts.ts";
import { problemSubjectSchema } from "./problem.ts";

const deliveryKinds = enumOf<DeliveryResult["kind"]>({ sent: true, refused: true, failed: true });
const kind = oneOf(problemKinds, "Kind of a problem.");
const level = oneOf(problemLevels, "Level of a problem.");

const outcome = {
  kind: oneOf(deliveryKinds, "`failed` is tried again, `refused` is not."),
  status: nullable(count("Status of the response."), "Null without a response."),
  answer: textSchema("What happened, in words."),
  tookMs: numberSchema("Milliseconds."),
};

const receiverSchema = Type.Object(
  {
    name: textSchema("Name in the configuration."),
    format: textSchema("`json`, `slack`, `pagerduty` or `extension:NAME`."),
    address: textSchema("Host and path, without what may be a secret."),
    kinds: nullable(list(kind, "Kinds that it gets."), "Null for all."),
    level,
    pools: nullable(list(Type.String(), "Pools whose problems it gets."), "Null for all."),
    failing: nullable(
      Type.Object({
        since: timestamp("When the first try failed."),
        reason: textSchema("One word for programs."),
        answer: textSchema("What the last try said."),
      }),
      "Null while deliveries succeed.",
    ),
    waiting: count("Alerts that wait."),
    nextTryAt: nullable(timestamp("The next try."), "Null if nothing waits, or a try is under way."),
    last: nullable(
      Type.Object({ at: timestamp("When it ended."), ...outcome }),
      "The last try; null before the first since the start.",
    ),
    counts: Type.Object(
      {
        sent: count("Alerts that were delivered."),
        failed: count("Tries that failed and are repeated."),
        refused: count("Alerts that the receiver refused for good."),
        expired: count("Alerts that were not taken in 24 h."),
        dropped: count("Alerts that were given up because too many waited."),
      },
      { description: "Since the start." },
    ),
  },
  { title: "AlertReceiver" },
);

const sentAlertSchema = Type.Object(
  {
    id: count("Increases with each alert."),
    receiver: textSchema("Name of the receiver."),
    type: oneOf(alertTypes, "What changed."),
    at: timestamp("When the problem changed."),
    state: oneOf(alertStates, "What became of it."),
    tries: count("Tries so far."),
    endedAt: nullable(timestamp("When it was sent or given up."), "Null while it waits."),
    answer: textSchema("The last answer; empty before the first try."),
    problem: Type.Object({
      id: textSchema("Id of the problem."),
      kind,
      level,
      title: textSchema("As it was then."),
      subject: problemSubjectSchema,
      end: nullable(Type.String(), "How it ended; null while it was open."),
    }),
  },
  { title: "SentAlert" },
);

export const silenceSchema = Type.Object(
  {
    id: textSchema("`s-4kx81mqa`"),
    kind: nullable(Type.String(), "Kind of problems; null for all."),
    pool: nullable(Type.String(), "Null for all pools."),
    upstream: nullable(Type.String(), "Null for all upstreams."),
    at: timestamp("When it was created."),
    until: timestamp("When it ends."),
    by: textSchema("Who created it."),
    why: textSchema("The reason."),
  },
  { title: "Silence" },
);

export const alertListSchema = Type.Object(
  {
    receivers: list(receiverSchema, "In the order of the configuration, without secrets."),
    sent: list(sentAlertSchema, "The last 500, the latest first; waiting ones included."),
    silences: list(silenceSchema, "Oldest first."),
  },
  { title: "Alerts" },
);

export const alertTestSchema = Type.Object(
  {
    receiver: textSchema("Name of the receiver."),
    reason: textSchema("One word for programs."),
    ...outcome,
    text: textSchema("Beginning of the response's body, on one line."),
  },
  { title: "AlertTest" },
);

export const alertTestBody = Type.Object(
  { receiver: Type.String({ description: "Name of a receiver.", errorMessage: "the name of a receiver" }) },
  { ...strict, title: "AlertTestRequest", errorMessage: "a map with receiver" },
);

const subjectText = (description: string) =>
  Type.Optional(textSetting("^\\S(.{0,251}\\S)?$", "a name", description));

/** A time or a duration, of which one is needed; the route says so. */
export const silenceBody = Type.Object(
  {
    kind: Type.Optional({
      ...oneOf(ownProblemKinds, "Kind of a problem."),
      errorMessage: "a kind of problems such as upstream_slow",
    }),
    pool: subjectText("Only problems of this pool and its upstreams."),
    upstream: subjectText("Only problems of this upstream."),
    for: Type.Optional(format("age", `How long, at most ${maxSilenceMs / 86_400_000} d: \`2h\`.`)),
    until: Type.Optional(
      Type.String({ description: "When it ends, RFC 3339; instead of `for`.", errorMessage: "a time" }),
    ),
    reason: Type.String({
      description: "Why; shown beside the problems that it silences. Cut at 500 characters.",
      errorMessage: "a text",
    }),
  },
  { ...strict, title: "NewSilence", errorMessage: "a map with reason, for, and kind, pool or upstream" },
);
