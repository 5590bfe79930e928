/** How a child process of the balancer notices that its parent is gone. */

import process from "node:process";

import { type Cancel, repeat, systemSchedule } from "../lib/clock.ts";

/** Process id of the parent. A child that starts after the death of its parent has another one already. */
const variable = "EVENKEEL_PARENT";

/** For the environment of a child process. */
export function parentVariable(): Readonly<Record<string, string>> {
  return { [variable]: String(process.pid) };
}

const intervalMs = 500;

/**
 * Calls `onGone` once when the parent is gone. The close of the channel shows it at once. Deno misses the close where
 * messages of this process were not yet read (ECONNRESET instead of the end), so the parent's id is compared too.
 */
export function watchParent(onGone: () => void): void {
  let cancel: Cancel = () => {};
  const gone = () => {
    cancel();
    process.off("disconnect", gone);
    onGone();
  };
  process.on("disconnect", gone);
  const parent = Number(process.env[variable] ?? process.ppid);
  cancel = repeat(systemSchedule, intervalMs, () => {
    if (process.ppid !== parent) gone();
  });
}
