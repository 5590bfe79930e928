/** Loads the file of extensions that a configuration names: once, at the start of the process. */

import { resolve } from "node:path";

import type { FoundExtensions } from "../config/extension-checks.ts";
import { Extensions, extensionsIn } from "../extension/extensions.ts";
import type { Runtime } from "../runtime/runtime.ts";

/**
 * ```
 *  find ──(not loaded)──▶ wanted ──load──▶ loaded
 * ```
 * The configuration is read twice at the start: once to learn which file it names, and once more with what the file has. A later
 * reload finds what was loaded: it runs no code that the process did not start with.
 */
export class ExtensionLoader {
  readonly #loaded = new Map<string, FoundExtensions>();
  #wanted: string | undefined;
  #isStarted = false;

  /** @returns undefined for a file that is to be loaded */
  find(path: string): FoundExtensions | undefined {
    const absolute = resolve(path);
    const found = this.#loaded.get(absolute);
    if (found) return found;
    if (this.#isStarted) return { why: "another file of extensions needs a restart" };
    this.#wanted = absolute;
    return undefined;
  }

  /**
   * Loads the file that was asked for last. Nothing more is loaded afterwards.
   * @returns false if there was none
   */
  async load(runtime: () => Promise<Pick<Runtime, "importExtension">>): Promise<boolean> {
    const path = this.#wanted;
    this.#isStarted = true;
    if (path === undefined) return false;
    this.#loaded.set(path, await importedFrom(path, await runtime()));
    return true;
  }

  /** The extensions of this process; none without a file, or if it cannot be used. */
  get current(): Extensions {
    const [found] = this.#loaded.values();
    return found instanceof Extensions ? found : new Extensions();
  }
}

async function importedFrom(
  path: string,
  { importExtension }: Pick<Runtime, "importExtension">,
): Promise<FoundExtensions> {
  try {
    return extensionsIn(await importExtension(path));
  } catch (error) {
    const [why = ""] = String(error instanceof Error ? error.message : error).split("\n");
    return { why: `it cannot be loaded: ${why}` };
  }
}
