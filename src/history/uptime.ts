/** How long one upstream has been up, and how much of the last day: counted as it is looked at, and kept over restarts. */

import type { Status } from "../pool/upstream.ts";
import type { UptimeSnapshot, UptimeState } from "../snapshot/snapshot.ts";

const hourMs = 3_600_000;
const hoursCounted = 24;

/** What a restart takes. Whoever was not watched for longer may have been anything meanwhile. */
const gapMs = 5 * 60_000;

/** Between two looks, at most: the time of a longer pause is nobody's. */
const pauseMs = 10_000;

/** An hour in which it was watched. */
interface Hour {
  /** Hours since the epoch. */
  readonly hour: number;
  upMs: number;
  downMs: number;
}

/** Of an upstream on probation nobody knows yet whether it is well. */
const states: Readonly<Record<Status, UptimeState>> = {
  passing: "up",
  checking: "unknown",
  failing: "down",
  ejected: "down",
  probation: "down",
  draining: "out",
  maintenance: "out",
};

const stateNames: readonly UptimeState[] = ["unknown", "up", "down", "out"];

/**
 * ```
 *  unknown ──first verdict──▶ up ◀──verdicts──▶ down
 *                              └▶ out ◀┘  by an operator, and back
 * ```
 * Each change begins a new time, and so does a pause in watching that was longer than a restart. A verdict that is not
 * there yet, as after a restart, changes nothing.
 */
export class Uptime {
  #state: UptimeState = "unknown";
  #since: number;
  #seenAt: number;
  #hours: Hour[] = [];

  /** @param at epoch milliseconds, as everywhere here */
  constructor(at: number) {
    this.#since = at;
    this.#seenAt = at;
  }

  /** @param kept what {@link record} gave; what is not understood counts for nothing */
  static from(kept: string, at: number): Uptime {
    const uptime = new Uptime(at);
    const [state, since, seenAt, ...hours] = numbersIn(kept);
    const name = stateNames[state ?? -1];
    if (name === undefined || since === undefined || seenAt === undefined || seenAt > at) return uptime;
    if (at - seenAt <= gapMs) [uptime.#state, uptime.#since, uptime.#seenAt] = [name, since, seenAt];
    for (let index = 0; index + 2 < hours.length; index += 3) {
      const [hour = 0, upMs = 0, downMs = 0] = hours.slice(index, index + 3);
      uptime.#hours.push({ hour, upMs, downMs });
    }
    return uptime;
  }

  /** All of it in a few hundred bytes. */
  get record(): string {
    const hours = this.#hours.flatMap(({ hour, upMs, downMs }) => [hour, upMs, downMs]);
    return [stateNames.indexOf(this.#state), this.#since, this.#seenAt, ...hours].map(Math.round).join(" ");
  }

  /** Takes in how it is now. */
  sample(status: Status, at: number): void {
    const state = states[status];
    if (state === "unknown") return;
    const elapsedMs = at - this.#seenAt;
    if (elapsedMs > 0 && elapsedMs <= pauseMs) this.#count(elapsedMs, at);
    if (state !== this.#state || elapsedMs > gapMs) {
      this.#state = state;
      this.#since = at;
    }
    this.#seenAt = at;
  }

  snapshot(at: number): UptimeSnapshot {
    let [upMs, countedMs] = [0, 0];
    for (const hour of this.#hours) {
      if (hour.hour <= Math.floor(at / hourMs) - hoursCounted) continue;
      upMs += hour.upMs;
      countedMs += hour.upMs + hour.downMs;
    }
    const share = countedMs > 0 ? upMs / countedMs : null;
    return { state: this.#state, since: Math.round(this.#since), share, countedMs: Math.round(countedMs) };
  }

  /** What it was when it was last looked at, it was until now. */
  #count(elapsedMs: number, at: number): void {
    if (this.#state !== "up" && this.#state !== "down") return;
    const hour = Math.floor(at / hourMs);
    let present = this.#hours.at(-1);
    if (present?.hour !== hour) {
      present = { hour, upMs: 0, downMs: 0 };
      this.#hours = [...this.#hours, present].slice(-hoursCounted);
    }
    if (this.#state === "up") present.upMs += elapsedMs;
    else present.downMs += elapsedMs;
  }
}

/** Nothing where anything else is among them. */
function numbersIn(text: string): readonly number[] {
  const numbers = text.split(" ").map(Number);
  return numbers.every((number) => Number.isFinite(number) && number >= 0) ? numbers : [];
}
