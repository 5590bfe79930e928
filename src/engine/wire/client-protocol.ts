/** Finds out which protocol a client speaks, and gives its socket to the connection that speaks it. */

import { ConnectionTls } from "../../tls/connection-tls.ts";
import type { ClientListener } from "./client-listener.ts";
import type { WireContext } from "./context.ts";
import { preface } from "./http2/protocol.ts";
import { PendingClient } from "./pending-client.ts";
import type { ClientSocketHandler, HandshakeResult, WireSocket } from "./sockets.ts";

const empty = Buffer.alloc(0);

/** Creates the connection of a client. */
export interface ClientProtocols {
  http1(tls?: ConnectionTls): ClientSocketHandler;
  http2(tls?: ConnectionTls): ClientSocketHandler;
}

/**
 * HTTP/2 with prior knowledge begins with a preface that is no request of HTTP/1.1 (RFC 9113 section 3.4). Over TLS the
 * handshake decides.
 * ```
 *  unknown ──other bytes, "http/1.1"──▶ HTTP/1.1
 *     ├──preface, "h2"────────────────▶ HTTP/2
 *     └──timeout, the client leaves───▶ closed
 * ```
 */
export class ProtocolDetector extends PendingClient {
  readonly #protocols: ClientProtocols;
  #bytes: Buffer = empty;
  #isRefused = false;

  constructor(context: WireContext, listener: ClientListener, protocols: ClientProtocols) {
    super(context, listener);
    this.#protocols = protocols;
  }

  /** A client counts from now on. The connection that takes over is admitted again, to the place that this one gives up. */
  override opened(socket: WireSocket): void {
    super.opened(socket);
    if (this.listener.admit(this) === "drop") return this.closeForGood(true);
    this.context.clientTimers.forHead(this);
  }

  /** @param protocol that the handshake selected */
  secured(protocol: string, handshake: HandshakeResult): void {
    const { tls: listener } = this.listener.options;
    const isShared = protocol === "h2" || listener?.clientCertificates !== undefined;
    const tls = listener && new ConnectionTls({ listener, ...handshake, isShared });
    if (protocol === "h2") this.#begin(this.#protocols.http2(tls));
    else this.#begin(this.#protocols.http1(tls));
  }

  insecure(why: string): void {
    if (this.#isRefused) return;
    this.#isRefused = true;
    this.listener.handshakeRefused(why);
  }

  received(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    const length = Math.min(this.#bytes.length, preface.length);
    if (!preface.subarray(0, length).equals(this.#bytes.subarray(0, length)))
      this.#begin(this.#protocols.http1());
    else if (length === preface.length) this.#begin(this.#protocols.http2());
    else if (this.#bytes === chunk) this.#bytes = Buffer.from(chunk);
  }

  #begin(handler: ClientSocketHandler): void {
    this.handOver(handler);
    if (this.#bytes.length > 0) handler.received(this.#bytes);
  }

  override expired(): void {
    if (this.listener.options.tls) this.insecure("timeout");
    this.closeForGood(false);
  }
}
