/** A fixed-size buffer of the latest items: a new item overwrites the oldest one. */

export class RingBuffer<T> {
  readonly #capacity: number;
  readonly #items: T[] = [];
  /** Index of the next write. In a full buffer the oldest item is there. */
  #next = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  push(item: T): void {
    this.#items[this.#next] = item;
    this.#next = (this.#next + 1) % this.#capacity;
  }

  /** Newest first. */
  *[Symbol.iterator](): IterableIterator<T> {
    const { length } = this.#items;
    for (let i = 1; i <= length; i++) yield this.#items[(this.#next - i + length) % length] as T;
  }
}
