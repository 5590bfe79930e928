/** Connections to upstreams: the idle ones wait here for their next request, the most recently used is taken first. */

import type { WireContext } from "./context.ts";
import { type ConnectionHome, UpstreamConnection } from "./upstream-connection.ts";
import type { Address } from "../../net/address.ts";
import type { Upstream } from "../../pool/upstream.ts";

// Idle connections, the most recently used on top: a list through the connections themselves, so that keeping one touches nothing else.

export class IdleConnections {
  #top: UpstreamConnection | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(connection: UpstreamConnection): void {
    connection.below = this.#top;
    if (this.#top) this.#top.above = connection;
    this.#top = connection;
    this.#size += 1;
  }

  pop(): UpstreamConnection | undefined {
    const top = this.#top;
    if (top) this.remove(top);
    return top;
  }

  /** Nothing happens to one that is not there. */
  remove(connection: UpstreamConnection): void {
    const { above, below } = connection;
    if (connection !== this.#top && !above) return;
    if (above) above.below = below;
    else this.#top = below;
    if (below) below.above = above;
    connection.above = undefined;
    connection.below = undefined;
    this.#size -= 1;
  }
}

/** How long a connection waits for a request: shorter than the 20 s and more of common servers. */
const idleMs = 15_000;

/** Leave before a server that announced its limit does, or our request meets its FIN. */
const marginMs = 1_000;

/** Idle connections per upstream: as many as are likely to be needed at once again. */
const maxIdle = 256;

/** Connects that nobody waits for any more, per upstream: a black hole must not fill the table of sockets. */
const maxAbandoned = 8;

/** By so much of the longest age each becomes too old earlier, at most: those of one start must not end together. */
const ageSpread = 0.1;

/** The upstream's connection pool in this context; made at its first request. */
export function connectionPoolFor(context: WireContext, upstream: Upstream): ConnectionPool {
  const { connectionPool } = upstream;
  if (connectionPool instanceof ConnectionPool && connectionPool.context === context) return connectionPool;
  const created = new ConnectionPool(context, upstream);
  upstream.connectionPool = created;
  return created;
}

/** One upstream's connections: itself the stack of the idle ones, or each request would have one more object to fetch. */
export class ConnectionPool extends IdleConnections implements ConnectionHome {
  readonly upstream: Upstream;
  readonly context: WireContext;
  /** Timed-out connects that the system still works at. */
  #abandoned = 0;

  constructor(context: WireContext, upstream: Upstream) {
    super();
    this.context = context;
    this.upstream = upstream;
  }

  get address(): Address {
    return this.upstream.address;
  }

  /** Whether another connect makes sense. */
  get mayConnect(): boolean {
    return this.#abandoned < maxAbandoned;
  }

  /** An idle connection that is still open, if there is one. */
  checkOut(): UpstreamConnection | undefined {
    const connection = this.pop();
    if (!connection || connection.address === this.upstream.address) return connection;
    connection.close();
    this.closeIdle();
    return undefined;
  }

  /** A new one, which is not open yet. */
  connect(): UpstreamConnection {
    const connection = new UpstreamConnection(this.context, this);
    connection.ageShare = 1 - ageSpread * this.context.random();
    return connection;
  }

  /** @param seconds of `Keep-Alive: timeout`, or -1  @param maxMs from its share of this age on it serves no further request */
  checkIn(connection: UpstreamConnection, seconds: number, maxMs = Infinity): void {
    const leftMs = maxMs * connection.ageShare - (this.context.wheel.now - connection.openedAt);
    const announcedMs = seconds < 0 ? idleMs : seconds * 1_000 - marginMs;
    const waitMs = Math.min(idleMs, announcedMs, leftMs);
    const isOutdated = connection.address !== this.upstream.address;
    if (this.context.isDraining || isOutdated || this.size >= maxIdle || waitMs <= 0)
      return connection.close();
    this.push(connection);
    this.context.wheel.arm(connection, waitMs);
  }

  connectAbandoned(): void {
    this.#abandoned += 1;
  }

  connectResolved(): void {
    this.#abandoned -= 1;
  }

  /** Nobody needs idle ones any more. */
  closeIdle(): void {
    for (let idle = this.pop(); idle; idle = this.pop()) idle.close();
  }
}
