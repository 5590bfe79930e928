/** The operator's intents as they count now: in memory for whoever asks, in the store before they count. */

import { type Aspect, aspectOf, type Forgotten, type Intent } from "../state/intent.ts";
import type { Store } from "../state/store.ts";

const aspects: readonly Aspect[] = ["mode", "weight", "member"];

export class Intents {
  readonly #store: Pick<Store, "intents" | "write">;
  /** One for each aspect of each upstream, oldest first. */
  readonly #latest: Map<string, Intent>;

  constructor(store: Pick<Store, "intents" | "write">) {
    this.#store = store;
    this.#latest = new Map(store.intents().map((intent) => [keyOf(intent), intent]));
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

  /** All of these or none. Throws what the store throws: then nothing has changed. */
  write(changes: readonly (Intent | Forgotten)[]): void {
    if (changes.length === 0) return;
    this.#store.write(changes);
    for (const change of changes) {
      this.#latest.delete(keyOf(change));
      if (change.kind !== "forgotten") this.#latest.set(keyOf(change), change);
    }
  }
}

/** Everything that may have been said about an upstream, to be forgotten. */
export function forgetting(upstream: string): readonly Forgotten[] {
  return aspects.map((aspect) => ({ kind: "forgotten", upstream, aspect }));
}

function keyOf(intent: Intent | Forgotten): string {
  return `${intent.kind === "forgotten" ? intent.aspect : aspectOf(intent)} ${intent.upstream}`;
}
