/** A set whose items know their place: adding and removing cost a few stores, where a `Set` hashes. */

/** An object that is in at most one list at a time. Only the list writes the field. */
export interface Placed {
  /** Its index in the list; -1 while it is in none. */
  place: number;
}

/** Without order: removal moves the last item to the free place. */
export class DenseList<Item extends Placed> {
  readonly #items: Item[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** @param item in no list yet */
  add(item: Item): void {
    item.place = this.#items.length;
    this.#items.push(item);
  }

  /** @returns whether it was in this list */
  delete(item: Item): boolean {
    const { place } = item;
    if (this.#items[place] !== item) return false;
    item.place = -1;
    const last = this.#items.pop() as Item;
    if (last === item) return true;
    this.#items[place] = last;
    last.place = place;
    return true;
  }

  /** A copy, so that items may leave while it is read. */
  toArray(): Item[] {
    return [...this.#items];
  }

  some(test: (item: Item) => boolean): boolean {
    return this.#items.some(test);
  }
}
