/** Asks for the leases of all limits of a process: one call at a time, of many keys. */

import type { Cancel, Clock, Schedule } from "../lib/clock.ts";
import { type BudgetReply, type Budgets, maxAsks } from "./budget.ts";
import { type Lease, leaseMs, type LeaseRate } from "./lease.ts";

export interface LeaseDeskOptions {
  readonly budgets: Budgets;
  readonly clock: Clock;
  readonly schedule: Schedule;
  /** Called with the result of each call. */
  readonly onCall?: (result: "success" | "failure") => void;
}

/** A limit, with its leases. */
export interface LeaseOwner {
  readonly rate: LeaseRate;
  /** Forgets the leases that were not used since the last call. */
  forgetUnused(): void;
}

/** Between two calls: as many keys as need something are asked for together. */
const paceMs = 5;

/** After which the store learns of the use of a key with few requests. */
const unhurriedMs = 20;

/** A call without an answer for this long, or as many round trips, means that the buckets cannot be reached. */
const aloneAfter = { ms: 100, roundTrips: 3 };

/** What a lease is for. It must be more than the time that the next one takes. */
const leaseWindow = { minMs: 100, roundTrips: 4, maxMs: 400 };

/** Of the average of round trips that each one is. */
const roundTripWeight = 0.2;

/** After a call that failed. */
const retryMs = 250;

/** Leases of all limits of the process, about 250 bytes each. */
const maxLeases = 65_536;

/** Requests do not wait for any of this. */
export class LeaseDesk {
  readonly #options: LeaseDeskOptions;
  readonly #owners = new Set<LeaseOwner>();
  readonly #urgent = new Map<Lease, LeaseOwner>();
  readonly #unhurried = new Map<Lease, LeaseOwner>();
  /** Leases with tokens, which go back when their time is over. */
  readonly #holding = new Map<Lease, LeaseOwner>();
  #leases = 0;
  /** When the call under way began. */
  #askedAt: number | undefined;
  #lastAskAt = -Infinity;
  #hasFailed = false;
  /** Of the next call. */
  #cancelAsk: Cancel | undefined;
  #isAskUrgent = false;
  #cancelSweep: Cancel | undefined;
  #peers = 1;
  #roundTripMs = 0;

  constructor(options: LeaseDeskOptions) {
    this.#options = options;
  }

  /** Live balancers, as last heard. */
  get peers(): number {
    return this.#peers;
  }

  /** Whether the buckets cannot be reached, so that each process goes on with its share. */
  isAlone(now: number): boolean {
    if (this.#hasFailed || this.#askedAt === undefined) return this.#hasFailed;
    return now - this.#askedAt > Math.max(aloneAfter.ms, aloneAfter.roundTrips * this.#roundTripMs);
  }

  /** Of leases; longer where the store is far away. In steps, so that it seldom changes. */
  get windowMs(): number {
    const wanted = Math.ceil((leaseWindow.roundTrips * this.#roundTripMs) / 50) * 50;
    return Math.min(leaseWindow.maxMs, Math.max(leaseWindow.minMs, wanted));
  }

  add(owner: LeaseOwner): void {
    this.#owners.add(owner);
  }

  remove(owner: LeaseOwner): void {
    this.#owners.delete(owner);
  }

  /** Called for the first use of a lease since leases were forgotten. When there are many, those without a use are forgotten. */
  leaseUsed(): void {
    this.#leases += 1;
    if (this.#leases < maxLeases / 2) return;
    this.#leases = 0;
    for (const owner of this.#owners) owner.forgetUnused();
  }

  /** Queues an ask. */
  want(lease: Lease, owner: LeaseOwner, isUrgent: boolean): void {
    if (!lease.isQueued || (isUrgent && this.#unhurried.delete(lease))) {
      const queue = isUrgent ? this.#urgent : this.#unhurried;
      lease.isQueued = queue.size < maxLeases;
      if (lease.isQueued) queue.set(lease, owner);
    }
    this.#askBy(isUrgent);
  }

  #askBy(isUrgent: boolean): void {
    // A call is under way, or will be soon enough: so it is for most requests.
    if (this.#askedAt !== undefined || (this.#cancelAsk && (this.#isAskUrgent || !isUrgent))) return;
    const now = this.#options.clock();
    const earliest = this.#lastAskAt + (this.#hasFailed ? retryMs : paceMs);
    const dueAt = Math.max(earliest, isUrgent ? now : now + unhurriedMs);
    this.#cancelAsk?.();
    this.#isAskUrgent = isUrgent;
    this.#cancelAsk = this.#options.schedule(Math.max(0, dueAt - now), () => void this.#ask());
  }

  async #ask(): Promise<void> {
    this.#cancelAsk = undefined;
    const { budgets, clock, onCall } = this.#options;
    const now = clock();
    const chosen = this.#chosen();
    if (chosen.length === 0) return;
    const asks = chosen.map(([lease, { rate }]) => lease.ask(now, rate));
    this.#askedAt = this.#lastAskAt = now;
    try {
      this.#answered(chosen, await budgets.exchange(asks));
      this.#hasFailed = false;
      onCall?.("success");
    } catch {
      // What watches the store says why it cannot be reached.
      this.#hasFailed = true;
      onCall?.("failure");
      for (const [lease, owner] of chosen) this.#unhurried.set(lease, owner);
    } finally {
      this.#askedAt = undefined;
    }
    // The next request asks again: without one there is no hurry.
    if (this.#hasFailed) return;
    if (this.#urgent.size > 0) this.#askBy(true);
    else if (this.#unhurried.size > 0) this.#askBy(false);
  }

  #chosen(): readonly (readonly [Lease, LeaseOwner])[] {
    const chosen: (readonly [Lease, LeaseOwner])[] = [];
    for (const queue of [this.#urgent, this.#unhurried]) {
      for (const entry of queue) {
        if (chosen.length >= maxAsks) return chosen;
        chosen.push(entry);
        queue.delete(entry[0]);
      }
    }
    return chosen;
  }

  #answered(chosen: readonly (readonly [Lease, LeaseOwner])[], { answers, peers }: BudgetReply): void {
    if (answers.length !== chosen.length) throw new Error("Cannot use the answer: it is for other keys");
    const now = this.#options.clock();
    this.#peers = Math.max(1, peers);
    const roundTripMs = now - this.#lastAskAt;
    const weight = this.#roundTripMs === 0 ? 1 : roundTripWeight;
    this.#roundTripMs += (roundTripMs - this.#roundTripMs) * weight;
    for (const [index, [lease, owner]] of chosen.entries()) {
      const answer = answers[index];
      if (answer) lease.answered(answer, now, owner.rate);
      lease.isQueued = false;
      if (lease.tokens > 0) this.#holding.set(lease, owner);
    }
    if (this.#holding.size > 0) this.#cancelSweep ??= this.#options.schedule(leaseMs, () => this.#sweep());
  }

  #sweep(): void {
    this.#cancelSweep = undefined;
    const now = this.#options.clock();
    for (const [lease, owner] of this.#holding) {
      if (lease.expire(now)) this.want(lease, owner, false);
      if (lease.tokens === 0) this.#holding.delete(lease);
    }
    if (this.#holding.size > 0) this.#cancelSweep = this.#options.schedule(leaseMs, () => this.#sweep());
  }
}
