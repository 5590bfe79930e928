/** Finds out which protocol a client speaks, and gives its socket to the connection that speaks it. */

import type { ClientListener, ClosableClient } from "./client-listener.ts";
import type { WireContext } from "./context.ts";
import { preface } from "./http2/protocol.ts";
import { ConnectionTls } from "../../tls/connection-tls.ts";
import type { ClientSocketHandler, HandshakeResult, WireSocket } from "./sockets.ts";
import { TimerEntry } from "./timer-wheel.ts";

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
export class ProtocolDetector extends TimerEntry implements ClientSocketHandler, ClosableClient {
  readonly #context: WireContext;
  readonly #listener: ClientListener;
  readonly #protocols: ClientProtocols;
  #socket: WireSocket | undefined;
  #bytes: Buffer = empty;
  #isRefused = false;

  constructor(context: WireContext, listener: ClientListener, protocols: ClientProtocols) {
    super();
    this.#context = context;
    this.#listener = listener;
    this.#protocols = protocols;
  }

  /** A client counts from now on. The connection that takes over is admitted again, to the place that this one gives up. */
  opened(socket: WireSocket): void {
    this.#socket = socket;
    if (this.#listener.admit(this) === "drop") return this.closeForGood(true);
    this.#context.clientTimers.forHead(this);
  }

  /** @param protocol that the handshake selected */
  secured(protocol: string, { serverName, client }: HandshakeResult): void {
    const { tls: listener } = this.#listener.options;
    const isShared = protocol === "h2" || listener?.clientCertificates;
    const tls = listener && isShared ? new ConnectionTls({ listener, serverName, client }) : undefined;
    if (protocol === "h2") this.#handOver(this.#protocols.http2(tls));
    else this.#handOver(this.#protocols.http1(tls));
  }

  insecure(why: string): void {
    if (this.#isRefused) return;
    this.#isRefused = true;
    this.#listener.handshakeRefused(why);
  }

  received(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    const length = Math.min(this.#bytes.length, preface.length);
    if (!preface.subarray(0, length).equals(this.#bytes.subarray(0, length)))
      this.#handOver(this.#protocols.http1());
    else if (length === preface.length) this.#handOver(this.#protocols.http2());
    else if (this.#bytes === chunk) this.#bytes = Buffer.from(chunk);
  }

  #handOver(handler: ClientSocketHandler): void {
    const socket = this.#socket as WireSocket;
    this.#release();
    socket.data = handler;
    handler.opened(socket);
    if (this.#bytes.length > 0) handler.received(this.#bytes);
  }

  drained(): void {}

  ended(): void {
    this.closeForGood(false);
  }

  closed(): void {
    this.#release();
  }

  #release(): void {
    this.#context.wheel.forget(this);
    this.#listener.closed(this);
  }

  override expired(): void {
    if (this.#listener.options.tls) this.insecure("timeout");
    this.closeForGood(false);
  }

  override handlerThrew(error: Error): void {
    this.#context.options.log.bug(error, "");
    this.closeForGood(true);
  }

  closeIfIdle(): void {
    this.closeForGood(false);
  }

  closeForGood(abruptly: boolean): void {
    this.#release();
    if (abruptly) this.#socket?.terminate();
    else this.#socket?.end();
  }
}
