/** Parts of routes that outlive a change of the configuration, as long as their settings stay. */

interface KeptPart {
  readonly part: unknown;
  readonly release: (() => void) | undefined;
}

/**
 * `begin` starts a new set of routes, `keep` takes a part over from the last set or makes it, and `end` drops what no route uses
 * any more.
 */
export class KeptParts {
  #parts = new Map<string, KeptPart>();
  #before = new Map<string, KeptPart>();

  begin(): void {
    this.#before = this.#parts;
    this.#parts = new Map();
  }

  /**
   * @param key of the kind and all settings of the part: equal keys mean the same part
   * @param release called when no route uses it any more
   */
  keep<Part>(key: string, create: () => Part, release?: (part: Part) => void): Part {
    const kept = this.#parts.get(key) ?? this.#before.get(key);
    if (kept) {
      this.#parts.set(key, kept);
      // A key belongs to one kind of part.
      return kept.part as Part;
    }
    const part = create();
    this.#parts.set(key, { part, release: release && (() => release(part)) });
    return part;
  }

  end(): void {
    for (const [key, { release }] of this.#before) if (!this.#parts.has(key)) release?.();
    this.#before = new Map();
  }
}
