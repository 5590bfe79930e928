/** The current time as an HTTP date, formatted at most once a second. */

import { systemWallClock, type WallClock } from "./clock.ts";

export class HttpDate {
  readonly #clock: WallClock;
  #second = Number.NaN;
  #text = "";

  constructor(clock: WallClock = systemWallClock) {
    this.#clock = clock;
  }

  /** "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section 5.6.7): the same string within a second. */
  get text(): string {
    const second = Math.floor(this.#clock() / 1_000);
    if (second !== this.#second) {
      this.#second = second;
      this.#text = new Date(second * 1_000).toUTCString();
    }
    return this.#text;
  }
}
