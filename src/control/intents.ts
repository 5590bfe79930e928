/** The operator's intents as they count now: in memory for whoever asks, in the store before they count. */

import { type Aspect, aspectOf, type Forgotten, type Intent } from "../state/intent.ts";
import type { Store } from "../state/store.ts";

export class Intents {
  readonly #store: Pick<Store, "intents" | "write">;
  #all: readonly Intent[];

  constructor(store: Pick<Store, "intents" | "write">) {
    this.#store = store;
    this.#all = store.intents();
  }

  /** Oldest first. */
  get all(): readonly Intent[] {
    return this.#all;
  }

  /** Undefined if nobody said anything about this. */
  of<Kind extends Intent["kind"]>(kind: Kind, upstream: string): Extract<Intent, { kind: Kind }> | undefined {
    const found = this.#all.find((intent) => intent.kind === kind && intent.upstream === upstream);
    return found as Extract<Intent, { kind: Kind }> | undefined;
  }

  /** All of these or none. Throws what the store throws: then nothing has changed. */
  write(changes: readonly (Intent | Forgotten)[]): void {
    if (changes.length === 0) return;
    this.#store.write(changes);
    const replaced = new Set(changes.map(keyOf));
    const said = changes.filter((change): change is Intent => change.kind !== "forgotten");
    this.#all = [...this.#all.filter((intent) => !replaced.has(keyOf(intent))), ...said];
  }

  /** Everything that was said about an upstream, to be forgotten. */
  forgetting(upstream: string): readonly Forgotten[] {
    const aspects: readonly Aspect[] = ["mode", "weight", "member"];
    return aspects.map((aspect) => ({ kind: "forgotten", upstream, aspect }));
  }
}

function keyOf(intent: Intent | Forgotten): string {
  return `${intent.kind === "forgotten" ? intent.aspect : aspectOf(intent)} ${intent.upstream}`;
}
