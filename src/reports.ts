/** What the balancer says in the log: faults on the way of requests, verdicts of probes, and a past that is not kept. */

import type { EngineLog } from "./engine/engine.ts";
import type { Clock } from "./lib/clock.ts";
import type { Log } from "./lib/log.ts";
import { throttle } from "./lib/throttle.ts";
import type { Pool } from "./pool/pool.ts";
import { authorityOf, type Upstream } from "./pool/upstream.ts";
import type { ProbeResult } from "./probe/probe.ts";

/** One dead upstream can fail thousands of requests a second: a few a second tell as much as all of them. */
const faultLinesPerSecond = 10;

export function engineLogOf(log: Log, clock: Clock): EngineLog {
  const mayPass = throttle(faultLinesPerSecond, clock);
  return {
    bug: (error, requestId) => log.error("bug", { requestId, error }),
    fault: (message, fields) => {
      const held = mayPass();
      if (held !== undefined) log.warn(message, held > 0 ? { ...fields, heldBack: held } : fields);
    },
  };
}

export function logVerdict(log: Log, pool: Pool, upstream: Upstream, result: ProbeResult): void {
  const fields = {
    pool: pool.name,
    upstream: upstream.id,
    address: authorityOf(upstream.address),
    probe: result.detail,
  };
  if (result.success) log.info("upstream passing", fields);
  else log.warn("upstream failing", fields);
}

/** A full disk stays full: the first line says it, and one a minute that it is still so. */
const historyLineEveryMs = 60_000;

export function historyLogOf(log: Log, clock: Clock): (error: unknown, lost: number) => void {
  let silentUntil = Number.NEGATIVE_INFINITY;
  let lostSince = 0;
  return (error, lost) => {
    lostSince += lost;
    if (clock() < silentUntil) return;
    silentUntil = clock() + historyLineEveryMs;
    const why = error instanceof Error ? error.message : String(error);
    log.warn("history not kept", lostSince > 0 ? { why, pointsLost: lostSince } : { why });
    lostSince = 0;
  };
}
