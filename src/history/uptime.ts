/** Uptime of one upstream: since when it is up or down, and its share of the last day. It survives restarts. */

import type { Status } from "../pool/upstream.ts";
import type { UptimeSnapshot, UptimeState } from "../snapshot/snapshot.ts";

const hourMs = 3_600_000;
const maxHours = 24;

/** Longest pause that counts as a restart. After a longer pause the state in between is unknown. */
const maxRestartMs = 5 * 60_000;

/** Longest pause between two samples that counts as uptime or downtime. */
const maxPauseMs = 10_000;

/** Counts of one hour. */
interface Hour {
  /** Hours since the epoch. */
  readonly hour: number;
  upMs: number;
  downMs: number;
}

/** An upstream in probation counts as down, because it has not served successfully yet. */
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
 * Each change of state sets `since`, and so does a pause longer than {@link maxRestartMs}. A status without a verdict
 * (`checking`), as after a restart, changes nothing.
 */
export class Uptime {
  #state: UptimeState = "unknown";
  #since: number;
  #sampledAt: number;
  #hours: Hour[] = [];

  /** @param at epoch milliseconds, as in all methods */
  constructor(at: number) {
    this.#since = at;
    this.#sampledAt = at;
  }

  /** @param stored text of {@link record}; invalid text is ignored */
  static from(stored: string, at: number): Uptime {
    const uptime = new Uptime(at);
    const [state, since, sampledAt, ...hours] = numbersIn(stored);
    const name = stateNames[state ?? -1];
    if (name === undefined || since === undefined || sampledAt === undefined || sampledAt > at) return uptime;
    if (at - sampledAt <= maxRestartMs)
      [uptime.#state, uptime.#since, uptime.#sampledAt] = [name, since, sampledAt];
    for (let index = 0; index + 2 < hours.length; index += 3) {
      const [hour = 0, upMs = 0, downMs = 0] = hours.slice(index, index + 3);
      uptime.#hours.push({ hour, upMs, downMs });
    }
    return uptime;
  }

  /** The whole object as text for the store, a few hundred bytes. */
  get record(): string {
    const hours = this.#hours.flatMap(({ hour, upMs, downMs }) => [hour, upMs, downMs]);
    return [stateNames.indexOf(this.#state), this.#since, this.#sampledAt, ...hours]
      .map(Math.round)
      .join(" ");
  }

  /** Records the current status. */
  sample(status: Status, at: number): void {
    const state = states[status];
    if (state === "unknown") return;
    const elapsedMs = at - this.#sampledAt;
    if (elapsedMs > 0 && elapsedMs <= maxPauseMs) this.#count(elapsedMs, at);
    if (state !== this.#state || elapsedMs > maxRestartMs) {
      this.#state = state;
      this.#since = at;
    }
    this.#sampledAt = at;
  }

  snapshot(at: number): UptimeSnapshot {
    let [upMs, countedMs] = [0, 0];
    for (const hour of this.#hours) {
      if (hour.hour <= Math.floor(at / hourMs) - maxHours) continue;
      upMs += hour.upMs;
      countedMs += hour.upMs + hour.downMs;
    }
    const share = countedMs > 0 ? upMs / countedMs : null;
    return { state: this.#state, since: Math.round(this.#since), share, countedMs: Math.round(countedMs) };
  }

  /** Counts the time since the last sample for the state of that sample. */
  #count(elapsedMs: number, at: number): void {
    if (this.#state !== "up" && this.#state !== "down") return;
    const hour = Math.floor(at / hourMs);
    let present = this.#hours.at(-1);
    if (present?.hour !== hour) {
      present = { hour, upMs: 0, downMs: 0 };
      this.#hours = [...this.#hours, present].slice(-maxHours);
    }
    if (this.#state === "up") present.upMs += elapsedMs;
    else present.downMs += elapsedMs;
  }
}

/** Empty if the text has anything but non-negative numbers. */
function numbersIn(text: string): readonly number[] {
  const numbers = text.split(" ").map(Number);
  return numbers.every((number) => Number.isFinite(number) && number >= 0) ? numbers : [];
}
