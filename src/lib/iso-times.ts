/** Moments in RFC 3339, for whoever writes thousands a second: what stays within a second is made once. */

const millis: readonly string[] = Array.from({ length: 1_000 }, (_, ms) => String(ms).padStart(3, "0"));

/** For moments that come more or less in order. */
export class IsoTimes {
  #second = Number.NaN;
  #beginning = "";

  /** "2026-11-24T00:12:30.250Z" @param ms epoch milliseconds, from 1970 on */
  of(ms: number): string {
    const second = Math.floor(ms / 1_000);
    if (second !== this.#second) {
      this.#second = second;
      this.#beginning = new Date(second * 1_000).toISOString().slice(0, -"000Z".length);
    }
    return `${this.#beginning}${millis[Math.floor(ms) - second * 1_000]}Z`;
  }
}
