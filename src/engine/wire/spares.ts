/** Objects that are used again instead of made anew: those used last come first, since they are still in the processor's cache. */

/** So many wait; more are left to the collector. */
const most = 1_024;

export class FreeList<Thing> {
  readonly #make: () => Thing;
  readonly #things: Thing[] = [];

  constructor(make: () => Thing) {
    this.#make = make;
  }

  acquire(): Thing {
    return this.#things.pop() ?? this.#make();
  }

  release(thing: Thing): void {
    if (this.#things.length < most) this.#things.push(thing);
  }
}
