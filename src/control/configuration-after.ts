/** How a try to take another configuration changes what is told of the one that counts. */

import type { ConfigurationSnapshot } from "../snapshot/snapshot.ts";
import type { ReloadOutcome } from "./reconciler.ts";

/** @param at epoch milliseconds */
export function configurationStatusAfter(
  end: ReloadOutcome,
  before: ConfigurationSnapshot,
  at: number,
): ConfigurationSnapshot {
  if (end.result === "refused") {
    const { by, problems } = end;
    return { ...before, refused: { at, by, problems } };
  }
  const takenAt = end.result === "applied" ? at : before.takenAt;
  return { takenAt, refused: null, needsRestart: end.needsRestart };
}
