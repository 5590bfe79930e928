/** Counts the exceptions of extensions by the name of the filter or policy that threw. */

/** More names than a configuration has. */
const maxNames = 1_000;

export class ExtensionFailures {
  readonly #counts = new Map<string, number>();

  add(name: string): void {
    if (this.#counts.size >= maxNames && !this.#counts.has(name)) return;
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  /** Since the process started. */
  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }
}

/** The process-wide instance: an extension belongs to no component. */
export const extensionFailures = new ExtensionFailures();
