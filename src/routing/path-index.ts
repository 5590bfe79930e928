/** Finds the longest beginning of a path among the paths of all hosts, without creating a string. */

import type { RequestHead } from "../proxy/request-head.ts";
import { PathEnds, type TableRoute } from "./path-ends.ts";

class IndexedPath extends PathEnds {
  readonly site: number;
  /** Without a slash at its end. */
  readonly text: string;

  constructor(site: number, text: string) {
    super();
    this.site = site;
    this.text = text;
  }
}

/** FNV-1a. */
const offsetBasis = 0x811c9dc5;
const prime = 0x01000193;

const slash = 0x2f;

/** A bit for a length, of which there are 32: several lengths share one. */
export function lengthBit(length: number): number {
  return 1 << length;
}

/**
 * A hash table with open addressing. A lookup computes the hash of each beginning of the path, and looks only at those whose
 * length some path of the host has.
 */
export class PathIndex {
  readonly #paths: IndexedPath[] = [];
  /** Pairs of a hash and the number of a path plus 1; 0 is empty. */
  #slots = new Int32Array(128);
  readonly #hits: IndexedPath[] = [];

  /** @param site its number @param text a path in its written form, without a slash at its end */
  endsOf(site: number, text: string): PathEnds {
    const hash = hashOf(site, text);
    const existing = this.#lookUp(site, text, text.length, hash);
    if (existing) return existing;
    const ends = new IndexedPath(site, text);
    this.#paths.push(ends);
    if (this.#paths.length * 6 > this.#slots.length) this.#grow();
    else this.#insert(hash, this.#paths.length);
    return ends;
  }

  #grow(): void {
    this.#slots = new Int32Array(this.#slots.length * 4);
    for (const [index, { site, text }] of this.#paths.entries()) this.#insert(hashOf(site, text), index + 1);
  }

  #insert(hash: number, number: number): void {
    const mask = this.#slots.length - 2;
    let slot = (hash << 1) & mask;
    while (this.#slots[slot + 1] !== 0) slot = (slot + 2) & mask;
    this.#slots[slot] = hash;
    this.#slots[slot + 1] = number;
  }

  #lookUp(site: number, path: string, length: number, hash: number): IndexedPath | undefined {
    const slots = this.#slots;
    const mask = slots.length - 2;
    for (let slot = (hash << 1) & mask; ; slot = (slot + 2) & mask) {
      const number = slots[slot + 1] as number;
      if (number === 0) return undefined;
      if (slots[slot] !== hash) continue;
      const found = this.#paths[number - 1] as IndexedPath;
      const { text } = found;
      if (found.site === site && text.length === length && path.startsWith(text)) return found;
    }
  }

  /**
   * @param lengths bits of the lengths that paths of the site have
   * @param path that begins with a slash
   */
  find(site: number, lengths: number, path: string, head: RequestHead): TableRoute | undefined {
    const hits = this.#hits;
    let count = 0;
    let hash = seedOf(site);
    const { length } = path;
    for (let at = 0; at <= length; at++) {
      const code = at === length ? slash : path.charCodeAt(at);
      if (code === slash && (lengths & lengthBit(at)) !== 0) {
        const found = this.#lookUp(site, path, at, hash);
        if (found) hits[count++] = found;
      }
      hash = Math.imul(hash ^ code, prime);
    }
    while (count > 0) {
      const hit = hits[--count] as IndexedPath;
      const found = hit.find(path, hit.text.length, head);
      if (found) return found;
    }
    return undefined;
  }
}

function seedOf(site: number): number {
  return Math.imul(offsetBasis ^ site, prime);
}

function hashOf(site: number, text: string): number {
  let hash = seedOf(site);
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), prime);
  return hash;
}
