/** Stories of incidents: each happens on a balancer of its own, all at the same time, and a test waits for each part. */

import type { Browser } from "playwright-core";

export interface Stage {
  readonly browser: Browser;
  /** Path of a file of the stories. */
  readonly inFolder: (name: string) => string;
}

export interface Story<Part extends string = string> {
  /** The incidents that it tells. */
  readonly parts: readonly Part[];
  /** @param seen to be called after each part */
  run(stage: Stage, seen: (part: Part) => void): Promise<void>;
}

export class Stories {
  readonly #parts = new Map<string, PromiseWithResolvers<void>>();
  #ends: Promise<unknown>[] = [];

  /** Begins all of them: most of their time they wait, each for a threshold of its own. */
  begin(stage: Stage, stories: readonly Story[]): void {
    this.#ends = stories.map(async ({ parts, run }) => {
      for (const part of parts) this.#parts.set(part, Promise.withResolvers());
      // A part that no test waits for any more.
      for (const part of parts) this.#part(part).promise.catch(() => {});
      try {
        await run(stage, (part) => this.#part(part).resolve());
        throw new Error("the story has ended without it");
      } catch (error) {
        // Those that were seen stay seen.
        for (const part of parts) this.#part(part).reject(error);
      }
    });
  }

  /** Resolves when this part was seen; rejects if its story ended before. */
  seen(part: string): Promise<void> {
    return this.#part(part).promise;
  }

  async end(): Promise<void> {
    await Promise.all(this.#ends);
  }

  #part(part: string): PromiseWithResolvers<void> {
    const found = this.#parts.get(part);
    if (!found) throw new Error(`Cannot find the story of ${part}`);
    return found;
  }
}
