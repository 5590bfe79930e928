/** Takes turns in proportion to weights: whose turn is next costs O(log n), and O(1) where all weights are the same. */

interface EdfEntry<T> {
  readonly item: T;
  readonly weight: number;
  /** When the first of these turns is due; the following ones are due every 1/weight. */
  first: number;
  taken: number;
  /** Among those due at the same time, who waited longest goes first. */
  rank: number;
}

/**
 * Earliest-deadline-first turns. An item of weight w is due at first + k/w for k = 0, 1, 2 …; the earliest due item
 * goes next. In every run of Σw turns each item gets exactly its weight, and its turns are spread evenly (with
 * first = 0.5/w this is Webster's apportionment). Due times are computed from the count k, never accumulated, so
 * that rounding cannot drift.
 */
export class EdfScheduler<T> {
  #heap: EdfEntry<T>[] = [];
  #now = 0;
  #ranks = 0;
  /**
   * Where all weights are the same the earliest due one is always the next of the sorted list, so the items take turns
   * as they stand there. Empty where weights differ.
   */
  #rotation: readonly T[] = [];
  /** Turns that the rotation has given. */
  #given = 0;

  /**
   * Changes who takes part. Whoever stays keeps the place in the sequence, so that frequent changes do not favour
   * the first of the list; newcomers start half a turn in.
   */
  reset(items: readonly T[], weightOf: (item: T) => number): void {
    this.#settle();
    const before = new Map(this.#heap.map((turn) => [turn.item, turn]));
    this.#heap = items.map((item) => {
      const weight = weightOf(item);
      const stayed = before.get(item);
      const first = stayed ? Math.max(due(stayed) - this.#now, almostNow) : 0.5 / weight;
      return {
        item,
        weight,
        first: Math.min(first, 1 / weight),
        taken: 0,
        rank: stayed?.rank ?? this.#ranks++,
      };
    });
    this.#now = 0;
    this.#heap.sort((left, right) => (isBefore(left, right) ? -1 : 1));
    const weight = this.#heap[0]?.weight;
    const isEven = this.#heap.every((turn) => turn.weight === weight);
    this.#rotation = isEven ? this.#heap.map(({ item }) => item) : [];
    this.#given = 0;
  }

  /** Writes down what a rotation has taken. */
  #settle(): void {
    const { length } = this.#heap;
    for (let i = Math.max(0, this.#given - length); i < this.#given; i++) {
      const turn = this.#heap[i % length] as EdfEntry<T>;
      this.#now = due(turn) + Math.floor(i / length) / turn.weight;
      turn.taken += Math.floor(i / length) + 1;
      turn.rank = this.#ranks++;
    }
  }

  /** Whose turn it is. Throws if nobody takes part. */
  first(): T {
    const { length } = this.#rotation;
    return length > 0 ? (this.#rotation[this.#given % length] as T) : this.#earliest.item;
  }

  get #earliest(): EdfEntry<T> {
    const turn = this.#heap[0];
    if (!turn) throw new Error("Cannot take a turn: nobody takes part");
    return turn;
  }

  /** Whose turn it is; counts as taken. Throws if nobody takes part. */
  next(): T {
    const { length } = this.#rotation;
    if (length > 0) return this.#rotation[this.#given++ % length] as T;
    const turn = this.#earliest;
    this.#now = due(turn);
    turn.taken += 1;
    turn.rank = this.#ranks++;
    this.#sink(turn);
    return turn.item;
  }

  #sink(moved: EdfEntry<T>): void {
    const heap = this.#heap;
    let hole = 0;
    for (;;) {
      const left = heap[2 * hole + 1];
      if (!left) break;
      const right = heap[2 * hole + 2];
      const rightIsFirst = right !== undefined && isBefore(right, left);
      const child = rightIsFirst ? right : left;
      if (isBefore(moved, child)) break;
      heap[hole] = child;
      hole = rightIsFirst ? 2 * hole + 2 : 2 * hole + 1;
    }
    heap[hole] = moved;
  }
}

/** A place in the sequence that is due at once still comes after the window that ends now: exactness needs (0, 1/w]. */
const almostNow = 1e-6;

function due(turn: EdfEntry<unknown>): number {
  return turn.first + turn.taken / turn.weight;
}

/**
 * Times this close are the same: quotients of different weights that should be equal differ in their last bits. Real
 * differences are at least 1/2 ÷ 2560², with weights up to 256 in tenths.
 */
const same = 1e-9;

function isBefore(left: EdfEntry<unknown>, right: EdfEntry<unknown>): boolean {
  const difference = due(left) - due(right);
  if (Math.abs(difference) < same) return left.rank < right.rank;
  return difference < 0;
}
