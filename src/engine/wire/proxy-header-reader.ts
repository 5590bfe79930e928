/** Reads the header of the PROXY protocol on a client's connection, and gives the socket to the connection behind it. */

import { readProxyHeader } from "../../net/proxy-protocol.ts";
import type { ClientListener } from "./client-listener.ts";
import type { WireContext } from "./context.ts";
import { PendingClient } from "./pending-client.ts";
import type { ClientSocketHandler, WireSocket } from "./sockets.ts";

export interface ProxyHeaderReaderOptions {
  readonly listener: ClientListener;
  /** The peer's IP address. */
  readonly peer: string;
  /** For the header. Undefined where the peer is no proxy, and sends none. */
  readonly timeoutMs?: number;
  /** Creates the handler of what follows. @param address the client's, or the peer's where the header names none */
  readonly next: (address: string) => ClientSocketHandler;
}

/**
 * ```
 *  waiting ──whole header──────────▶ next handler, over TLS with the handshake
 *     ├──other bytes, timeout──────▶ closed, and counted
 *     └──the peer leaves───────────▶ closed
 * ```
 */
export class ProxyHeaderReader extends PendingClient {
  readonly #options: ProxyHeaderReaderOptions;
  #bytes: Buffer | undefined;

  constructor(context: WireContext, options: ProxyHeaderReaderOptions) {
    super(context, options.listener);
    this.#options = options;
  }

  override opened(socket: WireSocket): void {
    super.opened(socket);
    const { timeoutMs, next, peer } = this.#options;
    // A handler that is not admitted either says so.
    if (timeoutMs === undefined || this.listener.admit(this) !== "serve")
      return this.#begin(next(peer), Buffer.alloc(0));
    this.context.wheel.arm(this, timeoutMs);
  }

  secured(): void {}

  received(chunk: Buffer): void {
    const bytes = this.#bytes ? Buffer.concat([this.#bytes, chunk]) : chunk;
    const header = readProxyHeader(bytes);
    if (header === "invalid") return this.#refuse("no valid PROXY header");
    if (header === "more") return void (this.#bytes = Buffer.from(bytes));
    const { next, peer } = this.#options;
    this.#begin(next(header.address ?? peer), bytes.subarray(header.length));
  }

  /** @param rest bytes behind the header: of a TLS handshake, where the socket has yet to start it */
  #begin(handler: ClientSocketHandler, rest: Buffer): void {
    const socket = this.handOver(handler);
    if (socket.startTls) socket.startTls(rest);
    else if (rest.length > 0) handler.received(rest);
  }

  #refuse(why: string): void {
    const { listener } = this;
    listener.meter.refuse("proxy_header");
    this.context.options.log.warn("connection refused", {
      listener: listener.options.name,
      peer: this.#options.peer,
      reason: "proxy_header",
      why,
    });
    this.closeForGood(true);
  }

  override expired(): void {
    this.#refuse("no PROXY header in time");
  }
}
