/** What follows once an upstream gets nothing new: somebody waits until it is empty, what is left is cut, or it goes. */

import type { DrainOptions, DrainReport, Actor } from "./control.ts";
import type { Reconciler } from "./reconciler.ts";
import type { UpstreamLocation } from "../registry/pool-registry.ts";
import { drainReport } from "./helm-answers.ts";

/** How long what was cut may take to be gone. */
const cutWithinMs = 1_000;

/** How long one that is removed may take to become empty if nobody says: then it goes, and what is left finishes. */
const leaveWithinMs = 30_000;

/** Resolves when it is empty, when the time is up, or when it is undone by another mode. */
export async function waitUntilDrained(
  { drains, abortAttempts }: Reconciler,
  found: UpstreamLocation,
  { waitMs, force }: Pick<DrainOptions, "waitMs" | "force">,
): Promise<DrainReport> {
  const end = await drains.wait(found.upstream, waitMs);
  if (end !== "late" || !force) return drainReport(end, found);
  const cut = (await abortAttempts()?.(found.upstream)) ?? 0;
  // An engine tells the ends of what it cut a little later, and workers that there was nothing to cut.
  return drainReport(await drains.wait(found.upstream, cutWithinMs), found, cut);
}

/** Lets it go when it is empty: resolves when it is gone. @param waitMs 0 waits for nothing, and reports how it is now */
export function drainAndRemove(
  { drains, runExclusive: inTurn, reconcile: steer }: Reconciler,
  found: UpstreamLocation,
  { waitMs, who: actor }: { readonly waitMs: number; readonly who: Actor },
): Promise<DrainReport> | DrainReport {
  const { upstream } = found;
  const limitMs = waitMs || leaveWithinMs;
  drains.begin(upstream, { waitMs: limitMs, isRemoval: true });
  const leave = async (): Promise<DrainReport> => {
    await drains.wait(upstream, limitMs);
    drains.finish(upstream);
    await inTurn(() => steer(actor, "operator"));
    const { inFlight } = upstream;
    return { drained: inFlight === 0, inFlight, undone: false, cut: 0 };
  };
  const gone = leave();
  return waitMs > 0 ? gone : drainReport("late", found);
}
