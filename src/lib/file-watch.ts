/** Watches a file, however it is replaced: in place, by a rename, or by a change of a link or folder on the way to it. */

import { type FSWatcher, readFileSync, readlinkSync, statSync, watch } from "node:fs";
import { dirname, parse, resolve, sep } from "node:path";

import { type Cancel, type Schedule, systemSchedule } from "./clock.ts";

/** Editors write in several steps: a file that has not changed for this long is complete. */
const settleMs = 200;

/**
 * Calls `onChange` when the text of the file has changed. Watches the folders on the way instead of the file: most programs
 * replace a file, Kubernetes and release tools replace a link in a folder further up.
 * Throws the system's error if the folder of the file cannot be watched.
 * @returns stops watching
 */
export function watchFile(path: string, onChange: () => void, schedule: Schedule = systemSchedule): Cancel {
  const file = resolve(path);
  let current: string | undefined;
  let lastSeen: string | undefined;
  let cancel: Cancel | undefined;
  // Does not wait for quiet: a file that is written all the time would delay the check for ever.
  const checkSoon = () => {
    cancel ??= schedule(settleMs, () => {
      cancel = undefined;
      check();
    });
  };
  const folders = new FolderWatch(checkSoon);
  const check = () => {
    // Before the file is read: a change after that is seen.
    folders.follow(file);
    const text = textOf(file);
    // A file that is being replaced is missing for a moment.
    if (text === undefined || text === current) return void (lastSeen = current);
    if (text !== lastSeen) {
      lastSeen = text;
      return checkSoon();
    }
    current = text;
    onChange();
  };
  watch(dirname(file)).close();
  folders.follow(file);
  lastSeen = current = textOf(file);
  return () => {
    cancel?.();
    folders.close();
  };
}

interface WatchedFolder {
  /** Device and inode: another folder may have the path later. */
  readonly identity: string;
  /** Names of entries on the way to the file. */
  names: ReadonlySet<string>;
  readonly watcher: FSWatcher;
}

/** Watches all folders in which a change of one entry can lead the path to another file. */
class FolderWatch {
  readonly #onEvent: () => void;
  readonly #watched = new Map<string, WatchedFolder>();

  constructor(onEvent: () => void) {
    this.#onEvent = onEvent;
  }

  /** Watches the folders that are on the way now, and no others. */
  follow(file: string): void {
    const way = wayTo(file);
    for (const [folder, { watcher, identity }] of this.#watched) {
      if (way.has(folder) && identityOf(folder) === identity) continue;
      watcher.close();
      this.#watched.delete(folder);
    }
    for (const [folder, names] of way) {
      const watched = this.#watched.get(folder);
      if (watched) watched.names = names;
      else this.#watch(folder, names);
    }
  }

  close(): void {
    for (const { watcher } of this.#watched.values()) watcher.close();
    this.#watched.clear();
  }

  /** A folder further up that this user may not read is not watched. */
  #watch(folder: string, names: ReadonlySet<string>): void {
    try {
      const watcher = watch(folder, (_, name) => {
        const watched = this.#watched.get(folder);
        // A log in the same folder changes all the time.
        if (watched?.watcher === watcher && (name === null || watched.names.has(name))) this.#onEvent();
      });
      watcher.on("error", () => {});
      this.#watched.set(folder, { identity: identityOf(folder), names, watcher });
    } catch {
      // Removed at this moment, or not readable.
    }
  }
}

/** As many links as Linux follows in one path: path_resolution(7). */
const maxLinks = 40;

/** The folders on the way to a file, each with the names of its entries that lead there. Ends where an entry is missing. */
function wayTo(file: string): ReadonlyMap<string, ReadonlySet<string>> {
  const way = new Map<string, Set<string>>();
  const { root } = parse(file);
  let folder = root;
  let links = 0;
  const rest = partsOf(file);
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    way.set(folder, (way.get(folder) ?? new Set()).add(name));
    const entry = resolve(folder, name);
    const target = targetOf(entry);
    if (target === undefined) folder = entry;
    else if ((links += 1) > maxLinks) break;
    else {
      // Relative to the folder of the link, which has no links in its own path here.
      const next = resolve(folder, target);
      folder = root;
      rest.unshift(...partsOf(next));
    }
  }
  return way;
}

function partsOf(path: string): string[] {
  return path.slice(parse(path).root.length).split(sep).filter(Boolean);
}

/** Undefined for what is no link, or is missing. */
function targetOf(entry: string): string | undefined {
  try {
    return readlinkSync(entry);
  } catch {
    return undefined;
  }
}

function identityOf(folder: string): string {
  try {
    const { dev, ino } = statSync(folder);
    return `${dev}:${ino}`;
  } catch {
    return "";
  }
}

/** Undefined also for what is no regular file: a pipe would be waited for, and a device may have no end. */
function textOf(path: string): string | undefined {
  try {
    return statSync(path).isFile() ? readFileSync(path, "utf8") : undefined;
  } catch {
    return undefined;
  }
}
