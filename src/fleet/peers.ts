/** The balancers of a fleet: who is there, what each says, and since when one is silent. */

import type { Clock } from "../lib/clock.ts";
import { asArray } from "../lib/json.ts";
import { type PeerReport, parseReport, serializeReport } from "./peer-report.ts";
import type { FleetStore } from "./store.ts";

/** A balancer that has said nothing for so long is silent. */
export const silentAfterMs = 3_000;

/** One that is silent for so long is gone, as long as the store was there to hear it. */
export const goneAfterMs = 60_000;

/** More are a mistake, or not ours. */
const maxPeers = 64;

/** A balancer that leaves says so: it is not silent then, but gone. */
const leftText = "left";

/** As in the configuration. */
const namePattern = /^[A-Za-z\d][\w.-]{0,62}$/;

const keys = ["seen", "peers"] as const;

/**
 * ARGV: name, report, milliseconds until a silent balancer is gone, limit on balancers.
 * Returns what stood under the name before and its age, then name, age and report of each, youngest first. Ages are by the clock of
 * the store, since those of the balancers may differ. That clock may be set back, or be another server's after a failover: a report
 * from the future counts as one of now, else a balancer that has died would stay alive until then.
 */
const reportScript = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local before = redis.call('HGET', KEYS[2], ARGV[1]) or ''
local age = now - (redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[3])) do
  redis.call('ZREM', KEYS[1], name)
  redis.call('HDEL', KEYS[2], name)
end
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf', 'LIMIT', 0, ARGV[4])) do
  redis.call('ZADD', KEYS[1], now, name)
end
local found = {before, age}
local seen = redis.call('ZREVRANGE', KEYS[1], 0, ARGV[4] - 1, 'WITHSCORES')
for index = 1, #seen, 2 do
  table.insert(found, seen[index])
  table.insert(found, now - seen[index + 1])
  table.insert(found, redis.call('HGET', KEYS[2], seen[index]) or '')
end
return found`;

export type PeerState = "alive" | "silent";

export interface Peer {
  readonly name: string;
  readonly state: PeerState;
  /** Milliseconds since its last report. */
  readonly ageMs: number;
  readonly report: PeerReport;
}

interface Known {
  readonly report: PeerReport;
  /** By the clock of this balancer. */
  readonly reportedAt: number;
}

/** All others of the fleet, as the last reports say. */
export class Peers {
  readonly #name: string;
  readonly #store: FleetStore;
  readonly #clock: Clock;
  readonly #known = new Map<string, Known>();
  /** Since when reports arrive without a break: nothing is gone that the store could not hear. */
  #heardSince = 0;
  #reportedAt = Number.NEGATIVE_INFINITY;
  /** The own instance stood under the name: another one later is another process. */
  #isEstablished = false;
  #namesake: string | undefined;

  constructor(name: string, store: FleetStore, clock: Clock) {
    this.#name = name;
    this.#store = store;
    this.#clock = clock;
  }

  /** All others that are not gone, by name. */
  get others(): readonly Peer[] {
    const now = this.#clock();
    return [...this.#known]
      .map(([name, { report, reportedAt }]): Peer => {
        const ageMs = Math.max(0, now - reportedAt);
        return { name, report, ageMs, state: ageMs < silentAfterMs ? "alive" : "silent" };
      })
      .sort((left, right) => (left.name < right.name ? -1 : 1));
  }

  /** Balancers that are alive, with this one; at least 1. With the store away, the ones that were alive at last. */
  get aliveCount(): number {
    const isAlive = ({ reportedAt }: Known) => this.#reportedAt - reportedAt < silentAfterMs;
    return 1 + [...this.#known.values()].filter(isAlive).length;
  }

  /** Whether reports have been exchanged since the start, so that the others are known. */
  get isHeard(): boolean {
    return Number.isFinite(this.#reportedAt);
  }

  /** Instance of another process with the same name; undefined if there is none. */
  get namesake(): string | undefined {
    return this.#namesake;
  }

  /** Tells the others, and takes in what they tell. */
  async exchange(report: PeerReport): Promise<void> {
    const startedAt = this.#clock();
    const args = [this.#name, serializeReport(report), goneAfterMs, maxPeers];
    const [before, age, ...rows] = asArray(await this.#store.eval(reportScript, keys, args));
    const now = this.#clock();
    if (now - this.#reportedAt > silentAfterMs) this.#heardSince = startedAt;
    this.#reportedAt = now;
    this.#noteNamesake(report.instance, { text: String(before), ageMs: Number(age) });
    for (let index = 0; index < rows.length; index += 3)
      this.#take(String(rows[index]), now - Math.max(0, Number(rows[index + 1])), String(rows[index + 2]));
    this.#forgetGone(now);
  }

  #take(name: string, reportedAt: number, text: string): void {
    if (name === this.#name || !namePattern.test(name)) return;
    const known = this.#known.get(name);
    if (text === leftText) return void this.#known.delete(name);
    const report = parseReport(text);
    // What cannot be read is as good as silence.
    if (!report || reportedAt <= (known?.reportedAt ?? Number.NEGATIVE_INFINITY)) return;
    if (this.#known.size < maxPeers || known) this.#known.set(name, { report, reportedAt });
  }

  /** The store forgets silent ones too, and all of them when it loses its data: that does not make one gone. */
  #forgetGone(now: number): void {
    for (const [name, { reportedAt }] of this.#known)
      if (now - Math.max(reportedAt, this.#heardSince) > goneAfterMs) this.#known.delete(name);
  }

  #noteNamesake(instance: string, before: { readonly text: string; readonly ageMs: number }): void {
    const other = parseReport(before.text)?.instance;
    const isOther = other !== undefined && other !== instance && before.ageMs < silentAfterMs;
    // Right after a start, this is the process before.
    this.#namesake = isOther && this.#isEstablished ? other : undefined;
    this.#isEstablished = true;
  }

  /** Says that this balancer leaves. */
  async leave(): Promise<void> {
    await this.#store.eval(reportScript, keys, [this.#name, leftText, goneAfterMs, maxPeers]);
  }
}
