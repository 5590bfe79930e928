/** Changes the mode of an upstream that runs, for orders that were given here and for those of other balancers. */

import type { Mode } from "../pool/upstream.ts";
import type { ModeIntent } from "../state/intent.ts";
import type { UpstreamLocation } from "../registry/pool-registry.ts";
import type { Actor } from "./control.ts";
import type { Reconciler } from "./reconciler.ts";

type Parts = Pick<Reconciler, "drains" | "eventLog" | "log" | "onReconciled">;

/** Applies an order of a mode, which is stored already. */
export function applyMode(
  parts: Parts,
  found: UpstreamLocation,
  { mode, deadlineMs = 0 }: Pick<ModeIntent, "mode" | "deadlineMs">,
  actor: Actor,
): void {
  const { drains } = parts;
  if (mode !== "draining") drains.end(found.upstream);
  // Not if this only ends a drain: undoing a drain must leave everything else as it was.
  if (mode === "ready" && found.upstream.mode === "ready") restore(parts, found, actor);
  changeMode(parts, found, mode, actor);
  if (mode === "draining" && (deadlineMs > 0 || !drains.get(found.upstream)))
    drains.begin(found.upstream, { waitMs: deadlineMs, isRemoval: false });
}

export function changeMode(parts: Parts, found: UpstreamLocation, mode: Mode, actor: Actor): void {
  const { upstream, entry } = found;
  const from = upstream.mode;
  if (!entry.pool.setMode(upstream, mode)) return;
  recordMode(parts, found, { from, to: mode }, actor);
  parts.log.info("mode set", { upstream: upstream.id, mode, by: actor.by, why: actor.reason });
}

/** Setting `ready` on an upstream that is ready already ends its ejection: the operator overrides the outlier verdict. */
function restore(parts: Parts, found: UpstreamLocation, actor: Actor): void {
  const { upstream, entry } = found;
  const from = upstream.outlier.state;
  if (entry.pool.restore(upstream, "operator")) recordMode(parts, found, { from, to: "ready" }, actor);
}

function recordMode(
  { eventLog, onReconciled }: Parts,
  { upstream, entry }: UpstreamLocation,
  change: { readonly from: string; readonly to: Mode },
  actor: Actor,
): void {
  onReconciled?.();
  const named = { pool: entry.pool.name, upstream: upstream.id, by: actor.by, detail: actor.reason };
  eventLog.add({ kind: "mode", ...named, ...change, reason: "operator" });
}
