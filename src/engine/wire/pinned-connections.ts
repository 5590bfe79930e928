/** The upstream connections that belong to one client's connection: NTLM or Negotiate authenticated it on them, or may. */

import type { Address } from "../../net/address.ts";
import type { Endpoints } from "../../net/endpoints.ts";
import type { Pool } from "../../pool/pool.ts";
import type { Upstream } from "../../pool/upstream.ts";
import type { WireContext } from "./context.ts";
import type { ConnectionHome, UpstreamConnection } from "./upstream-connection.ts";

/**
 * NTLM and Negotiate break the rule that each request stands alone (RFC 4559 section 6): on such a connection the request of
 * another client would be served as this client's. At most one connection per pool waits here, because a client's connection
 * serves one request at a time.
 */
export class PinnedConnections {
  readonly #context: WireContext;
  readonly #pins = new Map<Pool, Pin>();

  constructor(context: WireContext) {
    this.#context = context;
  }

  /** Where a request to this pool should go; undefined if no connection waits. */
  upstreamIn(pool: Pool): Upstream | undefined {
    const pin = this.#pins.get(pool);
    return pin?.idle && pin.upstream;
  }

  /**
   * Takes the waiting connection out. The pin ends if the request goes to another upstream of the pool: its connection closes,
   * or will after the response that is still held on it.
   */
  checkOut(pool: Pool, upstream: Upstream): UpstreamConnection | undefined {
    const pin = this.#pins.get(pool);
    const connection = pin?.idle;
    if (!pin) return undefined;
    if (pin.upstream !== upstream) return this.#end(pool, pin);
    if (connection && !leadsTo(connection, upstream)) return this.#end(pool, pin);
    pin.idle = undefined;
    return connection;
  }

  /** The connection serves this client alone from now on, until either ends. */
  pin(connection: UpstreamConnection, pool: Pool, upstream: Upstream): void {
    if (connection.isPinned) return;
    const before = this.#pins.get(pool);
    if (before) this.#end(pool, before);
    const pin = new Pin(this.#context, upstream);
    this.#pins.set(pool, pin);
    connection.pinTo(pin);
  }

  /** The client sends no more requests. */
  close(): void {
    for (const [pool, pin] of this.#pins) this.#end(pool, pin);
  }

  #end(pool: Pool, pin: Pin): undefined {
    this.#pins.delete(pool);
    pin.isEnded = true;
    pin.idle?.close();
  }
}

/** Whether the upstream still has the address that the connection was opened to. */
function leadsTo({ address, host }: UpstreamConnection, upstream: Upstream): boolean {
  return address === upstream.address && upstream.endpoints.has(host);
}

/** `in use ──checkIn──▶ idle ──checkOut──▶ in use` until it ends: then the connection closes at its next check-in. */
class Pin implements ConnectionHome {
  readonly #context: WireContext;
  readonly upstream: Upstream;
  /** The connection, while it serves no request. */
  idle: UpstreamConnection | undefined;
  isEnded = false;

  constructor(context: WireContext, upstream: Upstream) {
    this.#context = context;
    this.upstream = upstream;
  }

  get address(): Address {
    return this.upstream.address;
  }

  get endpoints(): Endpoints {
    return this.upstream.endpoints;
  }

  /** No timeout: a connection that we closed would end the client's authentication. The client's own timeouts bound it. */
  checkIn(connection: UpstreamConnection): void {
    if (this.isEnded || this.#context.isDraining) return connection.close();
    this.#context.wheel.disarm(connection);
    this.idle = connection;
  }

  remove(): void {
    this.idle = undefined;
  }

  connectAbandoned(): void {}

  abandonedConnectEnded(): void {}
}
