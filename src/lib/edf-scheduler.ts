/** Gives out turns in proportion to weights. A turn costs O(log n), and O(1) when all weights are equal. */

interface EdfEntry<T> {
  readonly item: T;
  readonly weight: number;
  /** Due time of the first turn; the following turns are due every 1/weight. */
  first: number;
  taken: number;
  /** Breaks ties between equal due times: the item whose last turn is longest ago goes first. */
  rank: number;
}

/**
 * Earliest-deadline-first turns. An item of weight w is due at first + k/w for k = 0, 1, 2 …; the item that is due
 * earliest goes next. In every run of Σw turns each item gets exactly its weight, and its turns are spread evenly (with
 * first = 0.5/w this is Webster's apportionment). Due times are computed from the count k, never accumulated, so
 * rounding errors do not add up.
 */
export class EdfScheduler<T> {
  #heap: EdfEntry<T>[] = [];
  #now = 0;
  #ranks = 0;
  /**
   * The items in turn order if all weights are equal: the earliest due item is then always the next one of the sorted
   * list. Empty if weights differ.
   */
  #rotation: readonly T[] = [];
  /** Turns taken from the rotation since the last `reset`. */
  #rotated = 0;

  /**
   * Replaces the items. An item that stays keeps its place in the sequence, so that frequent changes do not favour the
   * first item of the list. A new item starts half a turn in.
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
    this.#rotated = 0;
  }

  /** Writes the turns taken from the rotation back to the entries. */
  #settle(): void {
    const { length } = this.#heap;
    for (let i = Math.max(0, this.#rotated - length); i < this.#rotated; i++) {
      const turn = this.#heap[i % length] as EdfEntry<T>;
      this.#now = due(turn) + Math.floor(i / length) / turn.weight;
      turn.taken += Math.floor(i / length) + 1;
      turn.rank = this.#ranks++;
    }
  }

  /** The item whose turn it is; takes no turn. Throws if there are no items. */
  first(): T {
    const { length } = this.#rotation;
    return length > 0 ? (this.#rotation[this.#rotated % length] as T) : this.#earliest.item;
  }

  get #earliest(): EdfEntry<T> {
    const turn = this.#heap[0];
    if (!turn) throw new Error("Cannot take a turn: the scheduler has no items");
    return turn;
  }

  /** Takes the next turn and returns its item. Throws if there are no items. */
  next(): T {
    const { length } = this.#rotation;
    if (length > 0) return this.#rotation[this.#rotated++ % length] as T;
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

/** The earliest due time after a `reset`. It must be above 0, because exact shares need first ∈ (0, 1/w]. */
const almostNow = 1e-6;

function due(turn: EdfEntry<unknown>): number {
  return turn.first + turn.taken / turn.weight;
}

/**
 * Due times closer than this are equal: quotients of different weights that should be equal differ in their last bits.
 * Real differences are at least 1/2 ÷ 2560², with weights up to 256 in tenths.
 */
const tolerance = 1e-9;

function isBefore(left: EdfEntry<unknown>, right: EdfEntry<unknown>): boolean {
  const difference = due(left) - due(right);
  if (Math.abs(difference) < tolerance) return left.rank < right.rank;
  return difference < 0;
}
