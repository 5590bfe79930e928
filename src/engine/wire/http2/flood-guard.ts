/** Bounds what a peer can make us do with frames that carry nothing (CVE-2019-9511 to 9518, CVE-2023-44487). */

import { ConnectionError, errorCode } from "./protocol.ts";

/** How many frames without use a peer may send at once, and how many more each second. */
export interface FloodLimits {
  readonly burst: number;
  readonly perSecond: number;
}

const clientLimits: FloodLimits = { burst: 1_000, perSecond: 100 };

/** Streams that a client may reset at once, and how many more each second: browsers reset many when a page is left. */
const resetBurst = 500;
const resetsPerSecond = 50;

/** A stream that lived for longer is no part of a rapid reset: the limit on open streams bounds how many there are. */
const longLifeMs = 1_000;

/** A peer sends WINDOW_UPDATE for data that it took: this many for each frame, or for each so many bytes. */
const updatesPerData = 4;
const bytesPerUpdate = 512;

/** Updates for data that was sent and not yet acknowledged, at most: more than a window of data leads to. */
const maxUpdates = 100_000;

/** A token bucket that fills with time, and with work that has a use. */
class Allowance {
  readonly #burst: number;
  readonly #perSecond: number;
  #left: number;
  #at: number;

  constructor(burst: number, perSecond: number, now: number) {
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#left = burst;
    this.#at = now;
  }

  take(now: number): boolean {
    this.#left = Math.min(this.#burst, this.#left + ((now - this.#at) / 1_000) * this.#perSecond);
    this.#at = now;
    this.#left -= 1;
    return this.#left >= 0;
  }

  give(tokens: number): void {
    this.#left = Math.min(this.#burst, this.#left + tokens);
  }
}

/**
 * Frames that every peer may send at any time cost us an answer or work: SETTINGS, PING, PRIORITY, WINDOW_UPDATE, empty DATA and
 * CONTINUATION. A peer in good faith sends few of them for each request and for each piece of data, however fast it is: what it
 * is sent gives it tokens. It is cut off when it sends many more.
 */
export class FloodGuard {
  readonly #idle: Allowance;
  readonly #resets: Allowance;
  /** WINDOW_UPDATE frames for data that was sent. */
  #updates = 0;

  constructor(now: number, { burst, perSecond }: FloodLimits = clientLimits) {
    this.#idle = new Allowance(burst, perSecond, now);
    this.#resets = new Allowance(resetBurst, resetsPerSecond, now);
  }

  /** Throws a {@link ConnectionError} when there were too many. */
  idleFrame(now: number): void {
    if (!this.#idle.take(now)) throw tooMany("frames without use");
  }

  windowUpdate(now: number): void {
    if (this.#updates >= 1) this.#updates -= 1;
    else this.idleFrame(now);
  }

  /** A stream was reset, refused or malformed. */
  reset(now: number, beganAt = now): void {
    if (now - beganAt < longLifeMs && !this.#resets.take(now)) throw tooMany("reset streams");
  }

  /** A block of fields was sent. Clients may send a PRIORITY or a PING with each request. */
  headersSent(): void {
    this.#idle.give(2);
  }

  /**
   * Data was sent, for which the peer will open its windows again. gRPC also measures the path with a PING meanwhile.
   * @param isWhole no window has cut it: the peer cannot make us send more and smaller frames
   */
  dataSent(bytes: number, isWhole: boolean): void {
    const updates = bytes / bytesPerUpdate + (isWhole ? updatesPerData : 0);
    this.#updates = Math.min(maxUpdates, this.#updates + updates);
    if (isWhole) this.#idle.give(1);
  }

  /** A stream ended on both sides. */
  streamEnded(): void {
    this.#resets.give(1);
  }
}

function tooMany(what: string): ConnectionError {
  return new ConnectionError(errorCode.enhanceYourCalm, `too many ${what}`);
}
