/** Reloads the configuration: loads it, computes the changes, then applies them or rejects it as a whole. */

import { warningsIn } from "../config/load.ts";
import { type ConfigError, problemSentences } from "../config/problem.ts";
import { routeNotes } from "../config/route-notes.ts";
import { aspectOf } from "../state/intent.ts";
import { type CommandError, commandError, type ReloadOptions, type ReloadReport } from "./control.ts";
import { planSteps, reloadableConfig } from "./plan.ts";
import { describeStep, type Step } from "./step.ts";
import type { Reconciler } from "./reconciler.ts";

export async function reload(
  reconciler: Reconciler,
  { dry, file }: ReloadOptions,
  by: string,
): Promise<CommandError | ReloadReport> {
  const { config, desired, intents } = reconciler;
  const loaded = reconciler.loadConfig(file);
  if ("kind" in loaded) {
    if (!dry) rejectReload(reconciler, loaded, by);
    return invalidConfigError(loaded);
  }
  const reloadable = reloadableConfig(config, loaded);
  const superseded = reconciler.redundantWith(reloadable);
  const remaining = intents.all.filter(
    (intent) =>
      !superseded.some(({ upstream, aspect }) => upstream === intent.upstream && aspect === aspectOf(intent)),
  );
  const steps = planSteps(desired, reconciler.desiredWith(loaded, remaining));
  const needsRestart = steps.flatMap(({ key, needsRestart: needs }) =>
    needs && key !== undefined ? [key] : [],
  );
  if (dry) return { applied: false, steps, needsRestart, notes: routeNotes(loaded) };
  reconciler.intents.write(superseded);
  await reconciler.reconcile({ by, reason: "" }, "configuration", reloadable);
  for (const why of warningsIn(reloadable, reconciler.wallClock()))
    reconciler.log.warn("configuration warning", { why });
  const isChanged = steps.some((step) => !step.needsRestart);
  reconciler.onReload({ result: isChanged ? "applied" : "unchanged", needsRestart });
  reportReload(reconciler, { steps, needsRestart, isChanged }, by);
  return { applied: isChanged, steps, needsRestart, notes: [] };
}

interface AppliedReload {
  readonly steps: readonly Step[];
  readonly needsRestart: readonly string[];
  readonly isChanged: boolean;
}

function reportReload(
  { log, eventLog }: Reconciler,
  { steps, needsRestart, isChanged }: AppliedReload,
  by: string,
): void {
  if (needsRestart.length > 0) log.warn("restart needed", { settings: needsRestart.join(", ") });
  if (!isChanged) return log.info("configuration unchanged", { by });
  const lines = steps.map(describeStep);
  log.info("configuration applied", { by, changes: lines });
  recordReload(eventLog, { to: "applied", by, detail: lines.join("\n") });
}

function rejectReload({ log, eventLog, onReload }: Reconciler, problems: ConfigError, by: string): void {
  const sentences = problemSentences(problems);
  onReload({ result: "refused", by, problems: sentences });
  log.error("configuration rejected, keeping the current one", { by, problems: sentences });
  recordReload(eventLog, { to: "refused", by, detail: sentences.join("\n") });
}

/** Characters in an event's detail; enough for a list of events. */
const maxDetailLength = 2_000;

function recordReload(
  eventLog: Reconciler["eventLog"],
  { to, by, detail }: { readonly to: string; readonly by: string; readonly detail: string },
): void {
  const common = { kind: "reload", pool: null, upstream: null, from: "", reason: "configuration" } as const;
  eventLog.add({ ...common, to, by, detail: detail.slice(0, maxDetailLength) });
}

function invalidConfigError(error: ConfigError): CommandError {
  const problems = problemSentences(error);
  const total = error.problems.length + error.omitted;
  const count = total === 1 ? "1 problem" : `${total} problems`;
  const message = `Cannot load the configuration: ${count} (run \`evenkeel check\`).`;
  return { ...commandError(422, "configuration_invalid", message), problems };
}
