/** What is known of the configuration that counts: when it was taken, what was refused since, what still waits for a restart. */

import type { ConfigurationSnapshot } from "../snapshot.ts";
import type { ReloadEnd } from "./course.ts";

/** @param at epoch milliseconds of the reload */
export function configurationAfter(
  end: ReloadEnd,
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
