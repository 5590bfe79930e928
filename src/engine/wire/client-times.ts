/** For how long clients are waited for, and for what: one set of limits for all connections of a listener. */

import type { ClientTimeouts } from "../engine.ts";
import type { Connection } from "./connection.ts";
import type { TimerEntry, TimerWheel } from "./timer-wheel.ts";

/** How long we wait for a client to notice our FIN before we close (RFC 9112 section 9.6). */
const lingerMs = 2_000;

/** Each client is waited for one thing at a time; what it is comes with the last call. */
export class ClientTimeoutTimers {
  readonly #wheel: TimerWheel;
  readonly #limits: ClientTimeouts;

  constructor(wheel: TimerWheel, limits: ClientTimeouts) {
    this.#wheel = wheel;
    this.#limits = limits;
  }

  /** The next request may begin. */
  forRequest(client: TimerEntry): void {
    this.#wheel.arm(client, this.#limits.keepAliveMs);
  }

  /** A head has begun to come, or should on a new connection: whoever says nothing there takes a place from others. */
  forHead(client: TimerEntry): void {
    this.#wheel.arm(client, this.#limits.headMs);
  }

  /** More of a request's body has to come, unless it was told to wait itself. */
  forBody(client: Connection): void {
    if (client.isPaused) this.forNothing(client);
    else this.#wheel.arm(client, this.#limits.bodyIdleMs);
  }

  /** It takes no more bytes for now; it has this long to take one. */
  forReader(client: TimerEntry): void {
    this.#wheel.arm(client, this.#limits.bodyIdleMs);
  }

  /** It has been told that this was all. */
  forLingeringClose(client: TimerEntry): void {
    this.#wheel.arm(client, lingerMs);
  }

  /** It is not its turn. */
  forNothing(client: TimerEntry): void {
    this.#wheel.disarm(client);
  }
}
