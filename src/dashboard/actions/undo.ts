/** Recent actions of this dashboard and the commands that undo them; the last 100, in memory. */

import { randomUUID } from "node:crypto";
import type { UpstreamSnapshot } from "../../snapshot/snapshot.ts";
import type { ActionForm } from "./action-form.ts";
import type { DashboardCommand } from "./command.ts";

/** A command that undoes one change, unless the upstream has changed again since. */
export interface Undo {
  readonly id: string;
  readonly order: DashboardCommand;
  /** Why the change can no longer be undone; undefined if it can. A clause without a full stop. */
  readonly obstacle: (now: UpstreamSnapshot | undefined) => string | undefined;
}

export interface UndoEntry {
  readonly key: string;
  /** "api-2 is draining" */
  readonly text: string;
  /** Empty if nothing can be undone. */
  readonly undo: readonly Undo[];
}

/** An older action is too far back to be undone with one click. */
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

  /** Removes an entry that was undone, so that it is not undone twice. */
  forget(key: string): void {
    this.#entries.delete(key);
  }
}

const undoReason = "undone";

/** @returns undefined if the action cannot be undone, or did not change the mode */
export function undoOf(
  { action, weight }: ActionForm,
  before: UpstreamSnapshot,
  pool: string,
): Undo | undefined {
  const { id } = before;
  const common = { id, reason: undoReason };
  if (action === "cut") return undefined;
  if (action === "remove") {
    const { url, weight: previousWeight, backup } = before;
    return {
      id,
      order: {
        to: "add",
        pool,
        given: { url, name: id, weight: previousWeight, backup },
        reason: undoReason,
      },
      obstacle: (now) =>
        now?.drain?.leaving ? `${id} is still being removed` : now && `Another upstream is now named ${id}`,
    };
  }
  if (action === "weight") {
    return {
      id,
      order: { to: "weight", weight: before.weightSet ? before.weight : null, ...common },
      obstacle: (now) =>
        !now
          ? `${id} no longer exists`
          : typeof weight === "number" && now.weight !== weight
            ? `The weight of ${id} has since changed to ${now.weight}`
            : undefined,
    };
  }
  const mode = action === "drain" ? "draining" : action;
  if (mode === before.mode) return undefined;
  return {
    id,
    order: { to: "mode", mode: before.mode, ...common },
    obstacle: (now) =>
      !now
        ? `${id} no longer exists`
        : now.mode !== mode
          ? `The mode of ${id} has since changed to ${now.mode}`
          : undefined,
  };
}

/** Removes an upstream that was added. */
export function undoOfAdding(id: string): Undo {
  return {
    id,
    order: { to: "remove", id, reason: undoReason },
    obstacle: (now) => (now ? undefined : `${id} no longer exists`),
  };
}
