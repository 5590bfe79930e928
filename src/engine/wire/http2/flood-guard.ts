/** Bounds what a peer can make us do with frames that carry nothing (CVE-2019-9511 to 9518, CVE-2023-44487). */

import { ConnectionError, errorCode } from "./protocol.ts";

/** How many frames without use a peer may send at once, and how many more each second. */
export interface FloodLimits {
  readonly burst: number;
  readonly perSecond: number;
}

const clientLimits: FloodLimits = { burst: 1_000, perSecond: 100 };

/** A peer sends WINDOW_UPDATE for data that it took: this many for each frame, or for each so many bytes. */
const updatesPerData = 4;
const bytesPerUpdate = 1_024;

/** Updates for data that was sent and not yet acknowledged, at most: more than a window of data leads to. */
const maxUpdates = 100_000;

/** Streams that a client may reset at once, and how many more each second: browsers reset many when a page is left. */
const resetBurst = 500;
const resetsPerSecond = 50;

/** A token bucket that fills with time. */
class Allowance {
  readonly #burst: number;
  readonly #perSecond: number;
  #left: number;
  #at: number;

  constructor(burstOf: number, rate: number, now: number) {
    this.#burst = burstOf;
    this.#perSecond = rate;
    this.#left = burstOf;
    this.#at = now;
  }

  take(now: number): boolean {
    this.#left = Math.min(this.#burst, this.#left + ((now - this.#at) / 1_000) * this.#perSecond);
    this.#at = now;
    this.#left -= 1;
    return this.#left >= 0;
  }
}

/**
 * Frames that every peer may send at any time cost us an answer or work: SETTINGS, PING, PRIORITY, WINDOW_UPDATE, empty DATA and
 * CONTINUATION. A peer in good faith sends few of them for each request. It is cut off when it sends many more.
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
    if (!this.#idle.take(now))
      throw new ConnectionError(errorCode.enhanceYourCalm, "too many frames without use");
  }

  /** Data was sent, for which the peer will open its windows again. */
  dataSent(bytes: number): void {
    this.#updates = Math.min(maxUpdates, this.#updates + updatesPerData + bytes / bytesPerUpdate);
  }

  windowUpdate(now: number): void {
    if (this.#updates >= 1) this.#updates -= 1;
    else this.idleFrame(now);
  }

  /** A stream was reset before its response ended, by the peer or because of it. */
  reset(now: number): void {
    if (!this.#resets.take(now))
      throw new ConnectionError(errorCode.enhanceYourCalm, "too many reset streams");
  }
}
