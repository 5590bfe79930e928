/** Gives out turns in proportion to weights, evenly spread. A turn costs O(log n), and O(1) when all weights are equal. */

import { type Random, randomIndex } from "./random.ts";

interface Entry<T> {
  readonly item: T;
  /** Turns in a period. */
  readonly turns: number;
  /** Slots from one turn to the next. */
  readonly spacing: number;
  /** Turns that it had beyond its share at the start of a period. */
  readonly lead: number;
  /** Slot from which the first turn of a period may be taken; may be a fraction, and below 0. */
  readonly first: number;
  /** Place among items that are due at the same time. */
  readonly tie: number;
  /** Turns taken in this period. */
  taken: number;
  /** Slot from which the next turn may be taken. */
  start: number;
  /** Slot by which it should be taken. */
  due: number;
}

/** Weights are counted in tenths: a slow start grows in tenths of a whole weight. */
const unitsPerWeight = 10;

/** Slots closer than this are equal: quotients that should be equal differ in their last bits. */
const tolerance = 1e-6;

/** A longer lead or lag is worked off over several lists: a whole turn more or less would not leave exact periods. */
const maxLead = 1 - 1e-5;

/** Most turns that are skipped for a random start. */
const maxSkipped = 4_096;

/**
 * Worst-case fair queueing (WF²Q): with weight w of a sum W, turn k of an item may be taken from slot k·W/w on and is due
 * at slot (k+1)·W/w. Of the turns that may be taken, the one that is due first comes next. So an item is never more than one
 * turn ahead of its share: a heavy one does not take its turns at once, as it does where only the due time counts.
 *
 * In a period of W slots each item gets exactly its weight, whatever the state at its start: one that has had all its turns
 * waits for the next period. Every period is like the one before, so every run of W turns is exact.
 * Source: Bennett and Zhang, "WF²Q: worst-case fair weighted fair queueing" (1996).
 */
export class TurnScheduler<T extends object> {
  readonly #random: Random;
  /** Items of which the next turn may be taken, a heap by due time. */
  #eligible = new Heap<Entry<T>>(isDueBefore);
  /** The others, a heap by start. */
  #waiting = new Heap<Entry<T>>(startsBefore);
  /** All, in the order of their first turns. */
  #entries: readonly Entry<T>[] = [];
  /** Slots of a period. */
  #period = 0;
  /** Slots taken in this period. */
  #slot = 0;
  /** Whether all weights are equal: then a period is one round in the order of the entries. */
  #isEven = false;
  /** How many turns each item has had beyond its share; kept for items that come back. */
  readonly #leads = new WeakMap<T, number>();
  /** Which of equal items goes first, 0–1. */
  readonly #shift: number;
  #hasBegun = false;

  /** @param random where the first list begins: several balancers must not all begin with the same item */
  constructor(random: Random) {
    this.#random = random;
    this.#shift = random();
  }

  /**
   * Replaces the items. Each that was there before keeps its place in the sequence, also if it was away in between: frequent
   * changes favour none.
   */
  reset(items: readonly T[], weightOf: (item: T) => number): void {
    this.#keepPlaces();
    const weights = items.map((item) => Math.max(1, Math.round(weightOf(item) * unitsPerWeight)));
    const divisor = weights.reduce(greatestCommonDivisor, 0);
    const period = weights.reduce((sum, weight) => sum + weight / divisor, 0);
    const shift = Math.floor(this.#shift * items.length);
    const entries = items.map((item, index) => {
      const turns = (weights[index] as number) / divisor;
      const spacing = period / turns;
      const lead = this.#leads.get(item) ?? 0;
      const first = Math.min(maxLead, Math.max(-maxLead, lead)) * spacing;
      const tie = (index + shift) % items.length;
      return { item, turns, spacing, lead, first, tie, taken: 0, start: first, due: first + spacing };
    });
    this.#entries = entries.sort((left, right) => (startsBefore(left, right) ? -1 : 1));
    this.#period = period;
    this.#isEven = period === items.length;
    this.#beginPeriod();
    if (!this.#hasBegun) this.#skip();
    this.#hasBegun = true;
  }

  /** The item whose turn it is; takes no turn. Throws if there are no items. */
  first(): T {
    return this.#upcoming().item;
  }

  /** Takes the next turn and returns its item. Throws if there are no items. */
  next(): T {
    const entry = this.#upcoming();
    this.#slot += 1;
    advance(entry, this.#period);
    if (this.#slot === this.#period) this.#beginPeriod();
    else if (!this.#isEven) {
      if (this.#eligible.first === entry) this.#eligible.pop();
      else this.#waiting.pop();
      this.#waiting.push(entry);
    }
    return entry.item;
  }

  #upcoming(): Entry<T> {
    const entry = this.#isEven ? this.#entries[this.#slot] : this.#soonest();
    if (!entry) throw new Error("Cannot take a turn: the scheduler has no items");
    return entry;
  }

  #soonest(): Entry<T> | undefined {
    for (;;) {
      const next = this.#waiting.first;
      if (!next || next.start > this.#slot + tolerance) break;
      this.#eligible.push(this.#waiting.pop());
    }
    return this.#eligible.first ?? this.#waiting.first;
  }

  /** All turns of the last period were taken: the next one is like it. */
  #beginPeriod(): void {
    this.#slot = 0;
    for (const entry of this.#entries) {
      entry.taken = 0;
      entry.start = entry.first;
      entry.due = entry.first + entry.spacing;
    }
    if (this.#isEven) return;
    this.#eligible = new Heap<Entry<T>>(isDueBefore);
    this.#waiting = new Heap<Entry<T>>(startsBefore, [...this.#entries]);
  }

  #keepPlaces(): void {
    for (const { item, lead, taken, spacing } of this.#entries) {
      this.#leads.set(item, lead + taken - this.#slot / spacing);
    }
  }

  #skip(): void {
    for (let left = randomIndex(this.#random, Math.min(this.#period, maxSkipped)); left > 0; left--)
      this.next();
  }
}

function advance(entry: Entry<unknown>, period: number): void {
  entry.taken += 1;
  const start = entry.first + entry.taken * entry.spacing;
  entry.start = entry.taken < entry.turns ? start : Math.max(start, period);
  entry.due = start + entry.spacing;
}

function greatestCommonDivisor(one: number, other: number): number {
  return other === 0 ? one : greatestCommonDivisor(other, one % other);
}

function isDueBefore(left: Entry<unknown>, right: Entry<unknown>): boolean {
  const difference = left.due - right.due;
  return Math.abs(difference) < tolerance ? left.tie < right.tie : difference < 0;
}

function startsBefore(left: Entry<unknown>, right: Entry<unknown>): boolean {
  const difference = left.start - right.start;
  return Math.abs(difference) < tolerance ? isDueBefore(left, right) : difference < 0;
}

/** A binary heap: its first item is before all others. */
class Heap<T> {
  readonly #items: T[];
  readonly #isBefore: (left: T, right: T) => boolean;

  /** @param sorted the first items, in order */
  constructor(isBefore: (left: T, right: T) => boolean, sorted: T[] = []) {
    this.#isBefore = isBefore;
    this.#items = sorted;
  }

  get first(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    const items = this.#items;
    let hole = items.length;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      const above = items[parent] as T;
      if (!this.#isBefore(item, above)) break;
      items[hole] = above;
      hole = parent;
    }
    items[hole] = item;
  }

  /** Removes the first item; there must be one. */
  pop(): T {
    const items = this.#items;
    const first = items[0] as T;
    const moved = items.pop() as T;
    if (items.length === 0) return first;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && this.#isBefore(items[child + 1] as T, items[child] as T)) child += 1;
      const below = items[child] as T;
      if (!this.#isBefore(below, moved)) break;
      items[hole] = below;
      hole = child;
    }
    items[hole] = moved;
    return first;
  }
}
