/** The operator's intents as they count now: in memory for whoever asks, in the store for the time after a restart. */

import type { Log } from "../lib/log.ts";
import { type Aspect, type IntentRemoval, type Intent, intentKey } from "../state/intent.ts";
import type { Store } from "../state/store.ts";

const aspects: readonly Aspect[] = ["mode", "weight", "member"];

export class Intents {
  readonly #store: Pick<Store, "intents" | "write">;
  readonly #log: Log;
  /** One for each aspect of each upstream, oldest first. */
  readonly #latest: Map<string, Intent>;

  constructor(store: Pick<Store, "intents" | "write">, log: Log) {
    this.#store = store;
    this.#log = log;
    this.#latest = new Map(store.intents().map((intent) => [intentKey(intent), intent]));
  }

  /** Oldest first. */
  get all(): readonly Intent[] {
    return [...this.#latest.values()];
  }

  /** Undefined if nobody said anything of this kind. */
  of<Kind extends Intent["kind"]>(kind: Kind, upstream: string): Extract<Intent, { kind: Kind }> | undefined {
    const aspect = kind === "added" || kind === "removed" ? "member" : kind;
    const latest = this.#latest.get(`${aspect} ${upstream}`);
    return latest?.kind === kind ? (latest as Extract<Intent, { kind: Kind }>) : undefined;
  }

  /**
   * From now on these count, even if the store does not take them: who cannot drain a server for want of room on a disk is in
   * a worse place than one whose order is forgotten by a restart, and is told so.
   */
  write(changes: readonly (Intent | IntentRemoval)[]): void {
    if (changes.length === 0) return;
    for (const change of changes) {
      this.#latest.delete(intentKey(change));
      if (change.kind !== "forgotten") this.#latest.set(intentKey(change), change);
    }
    try {
      this.#store.write(changes);
    } catch (error) {
      this.#log.error("intent not written", { why: String(error) });
    }
  }
}

/** Everything that may have been said about an upstream, to be forgotten. */
export function removalsFor(upstream: string): readonly IntentRemoval[] {
  return aspects.map((aspect) => ({ kind: "forgotten", upstream, aspect }));
}
