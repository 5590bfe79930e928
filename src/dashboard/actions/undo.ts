/** What was done from here lately, and the orders that would take it back; kept in memory, the last hundred. */

import { randomUUID } from "node:crypto";
import type { UpstreamSnapshot } from "../../snapshot/snapshot.ts";
import type { ActionForm } from "./action-form.ts";
import type { DashboardCommand } from "./command.ts";

/** One order that takes something back, as long as nobody else has changed it since. */
export interface Undo {
  readonly id: string;
  readonly order: DashboardCommand;
  /** Why it must not be taken back any more; undefined if it may. */
  readonly obstacle: (now: UpstreamSnapshot | undefined) => string | undefined;
}

export interface UndoEntry {
  readonly key: string;
  /** "api-2 is draining" */
  readonly text: string;
  /** Empty where nothing can be taken back. */
  readonly undo: readonly Undo[];
}

/** Older ones are nothing that one click should take back. */
const maxEntries = 100;

export class UndoHistory {
  readonly #entries = new Map<string, UndoEntry>();

  add(text: string, undo: readonly Undo[]): UndoEntry {
    const entry = { key: randomUUID(), text, undo };
    this.#entries.set(entry.key, entry);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > maxEntries && oldest !== undefined) this.#entries.delete(oldest);
    return entry;
  }

  of(key: string | undefined): UndoEntry | undefined {
    return key === undefined ? undefined : this.#entries.get(key);
  }

  /** It was taken back: not twice. */
  forget(key: string): void {
    this.#entries.delete(key);
  }
}

const undoReason = "undone";

/** How an act on this upstream is taken back; undefined where it cannot be. */
export function undoOf(
  { action, weight }: ActionForm,
  before: UpstreamSnapshot,
  pool: string,
): Undo | undefined {
  const { id } = before;
  const common = { id, reason: undoReason };
  if (action === "cut") return undefined;
  if (action === "remove") {
    const { url, weight: had, backup } = before;
    return {
      id,
      order: { to: "add", pool, given: { url, name: id, weight: had, backup }, reason: undoReason },
      obstacle: (now) =>
        now?.drain?.leaving
          ? `${id} is still leaving, so it cannot be added again yet`
          : now && `there is another ${id} by now`,
    };
  }
  if (action === "weight") {
    return {
      id,
      order: { to: "weight", weight: before.weightSet ? before.weight : null, ...common },
      obstacle: (now) =>
        !now
          ? `${id} is gone`
          : typeof weight === "number" && now.weight !== weight
            ? `${id} has weight ${now.weight} by now`
            : undefined,
    };
  }
  const mode = action === "drain" ? "draining" : action;
  if (mode === before.mode) return undefined;
  return {
    id,
    order: { to: "mode", mode: before.mode, ...common },
    obstacle: (now) =>
      !now ? `${id} is gone` : now.mode !== mode ? `${id} was set to ${now.mode} since` : undefined,
  };
}

/** How an upstream that was added is taken away again. */
export function undoOfAdding(id: string): Undo {
  return {
    id,
    order: { to: "remove", id, reason: undoReason },
    obstacle: (now) => (now ? undefined : `${id} is gone`),
  };
}
