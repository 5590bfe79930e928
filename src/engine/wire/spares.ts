/** Objects that are used again instead of made anew: those used last come first, since they are still in the processor's cache. */

/** So many wait; more are left to the collector. */
const most = 1_024;

export class FreeList<Thing> {
  readonly #create: () => Thing;
  readonly #free: Thing[] = [];

  constructor(make: () => Thing) {
    this.#create = make;
  }

  acquire(): Thing {
    return this.#free.pop() ?? this.#create();
  }

  release(thing: Thing): void {
    if (this.#free.length < most) this.#free.push(thing);
  }
}
