/** This balancer in its fleet: shares orders and reports once a second, and whenever there is something to share. */

import { bugs } from "../lib/bugs.ts";
import type { Cancel, Clock, Schedule, WallClock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { newId } from "../lib/secrets.ts";
import type { FleetConnection } from "./connection.ts";
import type { Journal, Settled } from "./journal.ts";
import { type Found, OrdersSync } from "./orders-sync.ts";
import type { PeerReport } from "./peer-report.ts";
import { Peers } from "./peers.ts";
import type { FleetSettings } from "./settings.ts";
import { changedChannel, StoredOrders } from "./shared-state.ts";
import { FleetStoreError } from "./store.ts";

export interface FleetOptions {
  readonly connection: FleetConnection;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly wallClock: WallClock;
  readonly schedule: Schedule;
  readonly log: Log;
  /** What this balancer tells the others of itself. */
  readonly report: () => Omit<PeerReport, "instance" | "nonce" | "url">;
  /** Called with what others have ordered. Must not throw. */
  readonly onSettled: (settled: Settled, found: Found) => void;
  /** Called after each exchange of reports, with the one that the others have got. */
  readonly onExchanged: (own: PeerReport) => void;
  /** Called when the store is lost, and when it is back after so many milliseconds. */
  readonly onLost: (why: string) => void;
  readonly onBack: (lostMs: number) => void;
}

/** Since when, and why, this balancer cannot reach the store. */
export interface Alone {
  /** Epoch milliseconds. */
  readonly since: number;
  readonly why: string;
}

interface Failing extends Alone {
  /** By the monotonic clock. */
  readonly at: number;
  isReported: boolean;
}

const turnMs = 1_000;

/** From one turn to the next at least. */
const pauseMs = 10;

/** Between two exchanges of reports while something waits for them. */
const hurryMs = 200;

/** A failover, or a busy moment, is not worth an event. */
const reportAfterMs = 2_000;

export class Fleet {
  readonly #options: FleetOptions;
  readonly #sync: OrdersSync;
  readonly #instance = newId();
  readonly peers: Peers;
  #isRunning = false;
  #isAgain = false;
  #isStopped = true;
  #reportedAt = Number.NEGATIVE_INFINITY;
  #reportedNonce = "";
  #failing: Failing | undefined;
  #hasSynced = false;
  #cancelTurn: Cancel = () => {};
  #subscriptions: Cancel[] = [];
  #waiting: (() => void)[] = [];

  constructor(options: FleetOptions) {
    this.#options = options;
    const { connection, journal, clock, onSettled } = options;
    const { store, settings } = connection;
    const shared = new StoredOrders(store, settings.group);
    this.#sync = new OrdersSync({ journal, shared, clock, onSettled });
    this.peers = new Peers(settings.name, store, clock);
  }

  get settings(): FleetSettings {
    return this.#options.connection.settings;
  }

  get journal(): Journal {
    return this.#options.journal;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Undefined while the store is there. */
  get alone(): Alone | undefined {
    return this.#failing && { since: this.#failing.since, why: this.#failing.why };
  }

  /** Whether orders here and in the store have been the same once since the start. */
  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  start(): void {
    const { store } = this.#options.connection;
    this.#isStopped = false;
    this.#subscriptions = [
      store.subscribe(changedChannel, () => this.wake()),
      store.onReady(() => this.wake()),
    ];
    this.wake();
  }

  /** Says goodbye to the others, and calls nothing any more. The store stays open. */
  async leave(): Promise<void> {
    if (this.#isStopped) return;
    this.stop();
    try {
      await this.peers.leave();
    } catch {
      // They will find it silent.
    }
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancelTurn();
    for (const cancel of this.#subscriptions) cancel();
    this.#release();
  }

  /** There may be something to share, or to take over. Returns at once. */
  wake(): void {
    if (this.#isStopped) return;
    this.#isAgain = true;
    if (!this.#isRunning) void this.#run();
  }

  /** Tells the others soon what has changed here. */
  reportSoon(): void {
    this.#reportedAt = Number.NEGATIVE_INFINITY;
    this.wake();
  }

  /** Asks again soon what the others tell, for who waits for it. Cheap to call often. */
  hurry(): void {
    if (this.#options.clock() - this.#reportedAt > hurryMs && !this.#failing) this.reportSoon();
  }

  /** Resolves when nothing given here waits to be shared, when the store fails, or after `limitMs`. */
  async settled(limitMs: number): Promise<void> {
    if (this.journal.pending.length === 0 || this.#failing || this.#isStopped) return;
    await this.#nextTurn(limitMs);
  }

  /** Resolves after the first turn that succeeds, or after `limitMs`. */
  async firstTurn(limitMs: number): Promise<void> {
    const end = this.#options.clock() + limitMs;
    for (let left = limitMs; !this.#hasSynced && left > 0; left = end - this.#options.clock())
      await this.#nextTurn(left);
  }

  /** Resolves after a turn, whatever came of it, or after `limitMs`. */
  async #nextTurn(limitMs: number): Promise<void> {
    let cancel: Cancel = () => {};
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
      cancel = this.#options.schedule(limitMs, resolve);
    });
    cancel();
  }

  /** What this balancer tells of itself now. */
  ownReport(): PeerReport {
    const { journal, report } = this.#options;
    return {
      ...report(),
      instance: this.#instance,
      nonce: journal.known.nonce,
      url: this.settings.url ?? "",
    };
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    this.#cancelTurn();
    try {
      while (this.#isAgain && !this.#isStopped) {
        this.#isAgain = false;
        const startedAt = this.#options.clock();
        await this.#turn();
        // Hints may come without end.
        if (this.#isAgain) await this.#until(startedAt + pauseMs);
      }
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#isRunning = false;
      if (!this.#isStopped) this.#cancelTurn = this.#options.schedule(turnMs, () => this.wake());
    }
  }

  #until(time: number): Promise<void> {
    const { clock, schedule } = this.#options;
    const leftMs = time - clock();
    return leftMs > 0 ? new Promise((resolve) => void schedule(leftMs, resolve)) : Promise.resolve();
  }

  async #turn(): Promise<void> {
    const { clock, journal, onExchanged } = this.#options;
    await this.#sync.turn();
    // A report after the goodbye would make the others wait for a balancer that has gone.
    if (this.#isStopped) return;
    this.#succeeded();
    const { nonce } = journal.known;
    // A little less than the turn, so that timers that fire early do not skip one.
    if (nonce === this.#reportedNonce && clock() - this.#reportedAt < turnMs * 0.9) return;
    const startedAt = clock();
    const report = this.ownReport();
    await this.peers.exchange(report);
    this.#reportedAt = startedAt;
    this.#reportedNonce = nonce;
    if (!this.#isStopped) onExchanged(report);
  }

  #succeeded(): void {
    const failing = this.#failing;
    this.#failing = undefined;
    this.#hasSynced = true;
    this.#release();
    if (failing?.isReported) this.#options.onBack(Math.round(this.#options.clock() - failing.at));
  }

  #failed(error: unknown): void {
    const { clock, wallClock, log, onLost } = this.#options;
    if (this.#isStopped) return;
    if (!(error instanceof FleetStoreError)) bugs.report(log, error);
    const why = error instanceof Error ? error.message : String(error);
    const { since = wallClock(), at = clock(), isReported = false } = this.#failing ?? {};
    this.#failing = { since, at, why, isReported };
    this.#release();
    if (isReported || clock() - at < reportAfterMs) return;
    this.#failing.isReported = true;
    onLost(why);
  }

  #release(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
