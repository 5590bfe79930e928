/** One event of the record as a line for a terminal. */

import { formatTime } from "../wording/format.ts";
import type { BalancerEvent } from "../state/event.ts";
import { plainText } from "./terminal.ts";

/** "14:03:12 UTC  mode         main/b  ready → draining  (operator, by ann: kernel)" */
export function eventLine({ at, kind, pool, upstream, from, to, reason, by, detail }: BalancerEvent): string {
  const subject = [pool, upstream].filter((name) => name !== null).join("/") || "balancer";
  const change = from === "" ? to : `${from} → ${to}`;
  const why = `(${reason}, by ${by}${detail === "" ? "" : `: ${detail}`})`;
  const date = new Date(at).toISOString().slice(0, 10);
  return plainText(`${date} ${formatTime(at)}  ${kind.padEnd(11)}  ${subject}  ${change}  ${why}`);
}
