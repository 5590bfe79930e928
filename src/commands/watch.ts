/** Sees that the configuration file has changed, however its editor or orchestrator writes it. */

import { readFileSync, watch } from "node:fs";
import { dirname } from "node:path";

import { type Cancel, type Schedule, systemSchedule } from "../lib/clock.ts";

/** Editors write in several steps: a file that is the same after this long is whole. */
const settledMs = 200;

/**
 * Watches the folder, since most programs replace a file instead of writing into it, and Kubernetes replaces a link
 * beside it; what counts is whether the text is another one. Throws the system's error if the folder cannot be watched.
 * @returns ends the watch
 */
export function watchFile(path: string, onChange: () => void, schedule: Schedule = systemSchedule): Cancel {
  let known = textOf(path);
  let seen = known;
  let cancel: Cancel | undefined;
  // No wait for quiet in the folder: a log that is written there would put it off for ever.
  const lookSoon = () => {
    cancel ??= schedule(settledMs, () => {
      cancel = undefined;
      look();
    });
  };
  const look = () => {
    const text = textOf(path);
    // Missing for a moment is how files are replaced.
    if (text === undefined || text === known) return void (seen = known);
    if (text !== seen) {
      seen = text;
      return lookSoon();
    }
    known = text;
    onChange();
  };
  const watcher = watch(dirname(path), lookSoon);
  watcher.on("error", () => {});
  return () => {
    cancel?.();
    watcher.close();
  };
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
