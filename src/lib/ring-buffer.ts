/** The last so many of something, never more: each new one takes the place of the oldest, and nothing is shifted. */

export class RingBuffer<T> {
  readonly #capacity: number;
  readonly #items: T[] = [];
  /** Where the next one goes, which is where the oldest is once all places are taken. */
  #next = 0;

  /** @param most how many are kept */
  constructor(most: number) {
    this.#capacity = most;
  }

  push(one: T): void {
    this.#items[this.#next] = one;
    this.#next = (this.#next + 1) % this.#capacity;
  }

  /** The newest first. */
  *[Symbol.iterator](): IterableIterator<T> {
    const { length } = this.#items;
    for (let i = 1; i <= length; i++) yield this.#items[(this.#next - i + length) % length] as T;
  }
}
