/** What the log says when the past cannot be kept: once a minute and not once a second. */

import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";

/** A full disk stays full: the first line says it, and one a minute that it is still so. */
const historyLineEveryMs = 60_000;

export function historyErrorReporter(log: Log, clock: Clock): (error: unknown, lost: number) => void {
  let unresponsiveUntil = Number.NEGATIVE_INFINITY;
  let lostSince = 0;
  return (error, lost) => {
    lostSince += lost;
    if (clock() < unresponsiveUntil) return;
    unresponsiveUntil = clock() + historyLineEveryMs;
    const why = error instanceof Error ? error.message : String(error);
    log.warn("history not kept", lostSince > 0 ? { why, pointsLost: lostSince } : { why });
    lostSince = 0;
  };
}
