/** Drains an upstream and then removes it, for orders that were given here and for those of other balancers. */

import type { UpstreamLocation } from "../registry/pool-registry.ts";
import type { Actor, DrainReport } from "./control.ts";
import type { Reconciler } from "./reconciler.ts";

/** Time for a removal without `waitMs`. Then the upstream is removed, and its remaining requests finish. */
const defaultRemovalTimeoutMs = 30_000;

/** @param aborted attempts aborted by force */
export function drainReport(
  end: "drained" | "late" | "undone",
  { upstream: { inFlight } }: UpstreamLocation,
  aborted = 0,
): DrainReport {
  return { drained: end === "drained", inFlight, undone: end === "undone", cut: aborted };
}

/** Removes the upstream when it is drained, and resolves then. @param waitMs 0 reports the present state at once */
export function drainAndRemove(
  { drains, runExclusive, reconcile }: Reconciler,
  found: UpstreamLocation,
  { waitMs, actor }: { readonly waitMs: number; readonly actor: Actor },
): Promise<DrainReport> | DrainReport {
  const { upstream } = found;
  const limitMs = waitMs || defaultRemovalTimeoutMs;
  drains.begin(upstream, { waitMs: limitMs, isRemoval: true });
  const removeWhenDrained = async (): Promise<DrainReport> => {
    await drains.wait(upstream, limitMs);
    drains.finish(upstream);
    await runExclusive(() => reconcile(actor, "operator"));
    const { inFlight } = upstream;
    return { drained: inFlight === 0, inFlight, undone: false, cut: 0 };
  };
  const removed = removeWhenDrained();
  return waitMs > 0 ? removed : drainReport("late", found);
}
