/** The connections to one upstream: opens new ones and keeps idle ones for reuse, the most recently used first. */

import type { Address } from "../../net/address.ts";
import type { Endpoints } from "../../net/endpoints.ts";
import type { Upstream } from "../../pool/upstream.ts";
import type { WireContext } from "./context.ts";
import { type ConnectionHome, UpstreamConnection } from "./upstream-connection.ts";

/** The upstream's connection pool in this context. Creates it for the upstream's first request. */
export function connectionPoolFor(context: WireContext, upstream: Upstream): ConnectionPool {
  const { connectionPool } = upstream;
  if (connectionPool instanceof ConnectionPool && connectionPool.context === context) return connectionPool;
  const created = new ConnectionPool(context, upstream);
  upstream.connectionPool = created;
  return created;
}

/** A stack of idle connections, linked through the connections themselves: a push touches no other memory. */
class IdleConnections {
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

  /** Takes out the most recently used connection to this host. */
  popTo(host: string): UpstreamConnection | undefined {
    let connection = this.#top;
    while (connection && connection.host !== host) connection = connection.below;
    if (connection) this.remove(connection);
    return connection;
  }

  /** Does nothing if the connection is not in the stack. */
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

/** How long a connection waits for a request: less than the 20 s and more after which common servers close it. */
const idleMs = 15_000;

/** We close this long before the time that a server announced, or our request would cross its FIN. */
const marginMs = 1_000;

/** Maximum idle connections per upstream: as many as are likely to be needed at once. */
const maxIdle = 256;

/** Maximum timed-out connects per upstream that the system still works on: a black hole must not use up all sockets. */
const maxAbandoned = 8;

/** Connections expire up to this share of the maximum age earlier: those opened together must not close together. */
const ageSpread = 0.1;

/** Extends the stack of idle connections instead of owning one, which saves each request a memory access. */
class ConnectionPool extends IdleConnections implements ConnectionHome {
  readonly upstream: Upstream;
  readonly context: WireContext;
  /** Timed-out connects that the system still works on. */
  #abandoned = 0;
  /** The generation of the endpoints that the idle connections belong to. */
  #generation = 0;
  /** Whose turn it is, where the name has several addresses and there was no idle connection to this one. */
  #nextHost: string | undefined;

  constructor(context: WireContext, upstream: Upstream) {
    super();
    this.context = context;
    this.upstream = upstream;
  }

  get address(): Address {
    return this.upstream.address;
  }

  get endpoints(): Endpoints {
    return this.upstream.endpoints;
  }

  /** False while too many connects hang. */
  get mayConnect(): boolean {
    return this.#abandoned < maxAbandoned;
  }

  /** Takes an idle connection out of the pool. If the upstream's address changed, closes all of them instead. */
  checkOut(): UpstreamConnection | undefined {
    const { endpoints } = this.upstream;
    if (endpoints.generation !== this.#generation) this.#closeMoved(endpoints);
    const connection = endpoints.count === 1 ? this.pop() : this.#popInTurn(endpoints.next());
    if (!connection || connection.address === this.upstream.address) return connection;
    connection.close();
    this.closeIdle();
    return undefined;
  }

  #popInTurn(host: string): UpstreamConnection | undefined {
    const connection = this.popTo(host);
    this.#nextHost = connection ? undefined : host;
    return connection;
  }

  /** Creates a connection, which is not open yet. */
  connect(): UpstreamConnection {
    const { endpoints } = this.upstream;
    const connection = new UpstreamConnection(this.context, this);
    const host = this.#nextHost;
    // Since the check-out, the name may have moved.
    connection.host = host !== undefined && endpoints.has(host) ? host : endpoints.next();
    this.#nextHost = undefined;
    connection.ageShare = 1 - ageSpread * this.context.random();
    return connection;
  }

  checkIn(connection: UpstreamConnection, keepAliveSeconds: number, maxAgeMs = Infinity): void {
    const remainingMs = maxAgeMs * connection.ageShare - (this.context.wheel.now - connection.openedAt);
    const announcedMs = keepAliveSeconds < 0 ? idleMs : keepAliveSeconds * 1_000 - marginMs;
    const waitMs = Math.min(idleMs, announcedMs, remainingMs);
    const isOutdated = connection.address !== this.upstream.address || this.#hasMoved(connection);
    if (this.context.isDraining || isOutdated || this.size >= maxIdle || waitMs <= 0)
      return connection.close();
    this.push(connection);
    this.context.wheel.arm(connection, waitMs);
  }

  /** Closes idle connections to addresses that the name no longer has. */
  #closeMoved({ generation }: Endpoints): void {
    this.#generation = generation;
    const idle: UpstreamConnection[] = [];
    for (let connection = this.pop(); connection; connection = this.pop()) idle.unshift(connection);
    for (const connection of idle) {
      if (this.#hasMoved(connection)) connection.close();
      else this.push(connection);
    }
  }

  /** Whether the name no longer has the connection's address. */
  #hasMoved(connection: UpstreamConnection): boolean {
    const { endpoints } = this.upstream;
    if (connection.generation === endpoints.generation) return false;
    connection.generation = endpoints.generation;
    return !endpoints.has(connection.host);
  }

  connectAbandoned(): void {
    this.#abandoned += 1;
  }

  abandonedConnectEnded(): void {
    this.#abandoned -= 1;
  }

  /** Closes all idle connections. */
  closeIdle(): void {
    for (let idle = this.pop(); idle; idle = this.pop()) idle.close();
  }
}
