/** Schemas of upgrades: the part of the snapshot, and the reply to the command. */

import { Type } from "@sinclair/typebox";
import { boolean, count, nullable, textSchema, timestamp } from "./parts.ts";

export const upgradeSchema = Type.Object(
  {
    generation: count("How many new processes have taken over since the first one started."),
    since: nullable(timestamp("When this process took over."), "Null where this one did not take over."),
    isRunning: Type.Boolean({ description: "Whether a new process starts, or has just taken over." }),
    failures: count("How many upgrades have failed since then."),
    failed: nullable(
      Type.Object({
        at: timestamp("Time of the failure."),
        by: textSchema("Who asked for the upgrade."),
        why: textSchema("Why the new process did not take over."),
      }),
      "The last upgrade that failed; null without one.",
    ),
  },
  {
    title: "Upgrade",
    description: "Present where a new process has taken over, is about to, or could not.",
  },
);

export const upgradeReportSchema = Type.Object(
  {
    upgraded: boolean("A new process serves, and this one finishes its requests."),
    pid: count("Process id of the one that serves."),
    version: textSchema("Its version."),
    why: textSchema("Why no new process took over; empty if one did."),
  },
  { title: "UpgradeReport" },
);
