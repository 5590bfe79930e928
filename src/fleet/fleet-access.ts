/** Shares sessions and failed logins of the admin API: at once, and again and again, so that nothing stays lost. */

import type { AccessSharing } from "../access/access-sharing.ts";
import type { FailureCount } from "../access/login-limiter.ts";
import type { Sessions } from "../access/sessions.ts";
import { type Cancel, type Clock, repeat, type Schedule, type WallClock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { digestOf, newId } from "../lib/secrets.ts";
import { FailureStore } from "./failure-store.ts";
import type { Seal } from "./seal.ts";
import { SessionStore } from "./session-store.ts";
import type { FleetStore } from "./store.ts";

/** A logout, as the state file keeps it. */
export interface KeptEnd {
  readonly digest: string;
  /** Epoch milliseconds. */
  readonly endedAt: number;
}

export interface FleetAccessOptions {
  readonly store: FleetStore;
  readonly seal: Seal;
  /** Logouts must survive a restart, and be shared after it. */
  readonly kept: {
    endedSessions(): readonly KeptEnd[];
    keepEndedSessions(ended: readonly KeptEnd[]): void;
  };
  readonly clock: Clock;
  readonly wallClock: WallClock;
  readonly schedule: Schedule;
  readonly log: Log;
}

/** Messages of this channel are digests of sessions that have ended. */
const channel = "sessions";
const digestPattern = /^[\da-f]{64}$/;

/** A session that another balancer has ended lives no longer than this here, even where messages are lost. */
const shareMs = 10_000;

/** A login, a logout or an unknown session waits for the store no longer. */
const patienceMs = 300;

/** Logouts that are remembered; the oldest ones are forgotten first. */
const maxEnded = 1_000;

/** Callers with unknown bearers that are looked for at the same time. */
const maxRecalls = 32;

interface End {
  readonly at: number;
  isShared: boolean;
}

export class FleetAccess implements AccessSharing {
  readonly #options: FleetAccessOptions;
  readonly #stored: SessionStore;
  readonly #failures: FailureStore;
  #sessions: Sessions | undefined;
  readonly #ended = new Map<string, End>();
  /** Of the data in the store, as last seen. */
  #mark = "";
  #cancels: readonly Cancel[] = [];
  #sharing: Promise<void> | undefined;
  #isAgain = false;
  #recalls = 0;

  constructor(options: FleetAccessOptions) {
    this.#options = options;
    this.#stored = new SessionStore(options.store, options.seal);
    this.#failures = new FailureStore(options.store, options.seal);
  }

  begin(sessions: Sessions): void {
    const { store, schedule } = this.#options;
    this.stop();
    this.#sessions = sessions;
    this.#restoreEnded();
    for (const digest of this.#ended.keys()) sessions.endByDigest(digest);
    const share = () => void this.#share();
    this.#cancels = [
      store.onReady(share),
      repeat(schedule, shareMs, share),
      store.subscribe(channel, (digest) => {
        if (digestPattern.test(digest)) sessions.endByDigest(digest);
      }),
    ];
    share();
  }

  stop(): void {
    for (const cancel of this.#cancels) cancel();
    this.#cancels = [];
    this.#sessions = undefined;
  }

  async recall(bearer: string): Promise<void> {
    const sessions = this.#sessions;
    const digest = digestOf(bearer);
    if (!sessions || this.#ended.has(digest) || this.#recalls >= maxRecalls) return;
    this.#recalls += 1;
    const found = this.#stored.find(digest, sessions.limits.idleMs).finally(() => (this.#recalls -= 1));
    await this.#soon(
      found.then((session) => {
        if (session && !this.#ended.has(digest)) sessions.adopt(session);
      }),
    );
  }

  opened(): Promise<void> {
    return this.#soon(this.#share());
  }

  ended(digest: string): Promise<void> {
    const [oldest] = this.#ended.keys();
    if (this.#ended.size >= maxEnded && oldest !== undefined) this.#ended.delete(oldest);
    this.#ended.set(digest, { at: this.#options.clock(), isShared: false });
    this.#keepEnded();
    return this.#soon(this.#share());
  }

  async countFailure(counts: readonly FailureCount[]): Promise<number | undefined> {
    let waitMs: number | undefined;
    await this.#soon(this.#failures.count(counts).then((ms) => void (waitMs = ms)));
    return waitMs;
  }

  forgetFailure(counts: readonly FailureCount[]): void {
    // Counts that stay end with time.
    this.#failures.forget(counts).catch(() => {});
  }

  /** One at a time; another one follows if there is something new meanwhile. */
  #share(): Promise<void> {
    this.#isAgain = true;
    this.#sharing ??= this.#run().finally(() => (this.#sharing = undefined));
    return this.#sharing;
  }

  async #run(): Promise<void> {
    while (this.#isAgain) {
      this.#isAgain = false;
      try {
        await this.#shareOnce();
      } catch {
        // Shared when the store is back.
        return;
      }
    }
  }

  async #shareOnce(): Promise<void> {
    const { clock, store } = this.#options;
    const sessions = this.#sessions;
    if (!sessions) return;
    const now = clock();
    const { lifeMs } = sessions.limits;
    for (const [digest, { at }] of this.#ended) if (now - at >= lifeMs) this.#ended.delete(digest);
    const news = [...this.#ended].filter(([, { isShared }]) => !isShared);
    const ended = news.map(([digest, { at }]) => ({ digest, leftMs: lifeMs - (now - at) }));
    const shared = await this.#stored.share(newId(), ended, sessions.shared());
    for (const [digest, end] of news) {
      end.isShared = true;
      await store.publish(channel, digest);
    }
    for (const digest of shared.ended) sessions.endByDigest(digest);
    if (shared.mark === this.#mark) return;
    // What was in the store is lost: another balancer may have brought back what has ended.
    const isFirst = this.#mark === "";
    this.#mark = shared.mark;
    if (isFirst) return;
    for (const end of this.#ended.values()) end.isShared = false;
    this.#isAgain = true;
  }

  #restoreEnded(): void {
    const { kept, clock, wallClock, log } = this.#options;
    try {
      for (const { digest, endedAt } of kept.endedSessions()) {
        // A wall clock that was set back makes it last no longer than from now.
        const at = clock() - Math.max(0, wallClock() - endedAt);
        if (digestPattern.test(digest)) this.#ended.set(digest, { at, isShared: false });
      }
    } catch (error) {
      log.warn("logouts could not be read", { why: String(error) });
    }
  }

  #keepEnded(): void {
    const { kept, clock, wallClock, log } = this.#options;
    const toWall = (at: number) => wallClock() - (clock() - at);
    try {
      kept.keepEndedSessions([...this.#ended].map(([digest, { at }]) => ({ digest, endedAt: toWall(at) })));
    } catch (error) {
      log.warn("logout not saved", { why: String(error) });
    }
  }

  /** Resolves when the task ends in whatever way, or soon. */
  async #soon(task: Promise<void>): Promise<void> {
    let cancel: Cancel = () => {};
    const patience = new Promise<void>((resolve) => {
      cancel = this.#options.schedule(patienceMs, resolve);
    });
    await Promise.race([task.catch(() => {}), patience]);
    cancel();
  }
}
