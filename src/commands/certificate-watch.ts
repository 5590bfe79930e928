/** Watches the files and folders that certificates are read from, for `--watch`. */

import { type FSWatcher, readdirSync, watch } from "node:fs";
import { dirname, join } from "node:path";

import { type Cancel, type Schedule, systemSchedule } from "../lib/clock.ts";
import type { CertificateEntry } from "../tls/certificate-files.ts";

/** Tools write a certificate and its key one after the other. */
const settleMs = 200;

/** Calls `onChange` shortly after an entry of one of the folders has changed. */
export class CertificateWatch {
  readonly #onChange: () => void;
  readonly #schedule: Schedule;
  #watchers: readonly FSWatcher[] = [];
  #cancel: Cancel | undefined;

  constructor(onChange: () => void, schedule: Schedule = systemSchedule) {
    this.#onChange = onChange;
    this.#schedule = schedule;
  }

  /** Watches what these entries name now, and nothing else. To be called again after each change: folders come and go. */
  follow(entries: readonly CertificateEntry[]): void {
    this.close();
    const folders = new Set(entries.flatMap(foldersOf));
    this.#watchers = [...folders].flatMap((folder) => this.#watch(folder));
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers = [];
  }

  /** A folder that cannot be watched is looked at every minute anyway. */
  #watch(folder: string): readonly FSWatcher[] {
    try {
      const watcher = watch(folder, () => {
        this.#cancel ??= this.#schedule(settleMs, () => {
          this.#cancel = undefined;
          this.#onChange();
        });
      });
      watcher.on("error", () => {});
      return [watcher];
    } catch {
      return [];
    }
  }
}

function foldersOf(entry: CertificateEntry): readonly string[] {
  if (!("folder" in entry)) return [dirname(entry.certPath), dirname(entry.keyPath)];
  return [entry.folder, ...subfoldersOf(entry.folder)];
}

/** With links to folders, as Kubernetes makes them. */
function subfoldersOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() || entry.isSymbolicLink())
      .map(({ name }) => join(folder, name));
  } catch {
    return [];
  }
}
