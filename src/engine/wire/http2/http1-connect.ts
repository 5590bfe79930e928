/** Connects to an HTTP/2 upstream with HTTP/1.1: for a WebSocket, which its HTTP/2 connections do not carry. */

import { connectFailure, isUnreachable } from "../attempt-failures.ts";
import type { ConnectHandler, PendingConnect, WireSocket } from "../sockets.ts";

/** In place of the system's error code: the TLS handshake did not select HTTP/1.1. */
const noHttp1Code = "the server does not speak HTTP/1.1";

export interface Http1ConnectOwner {
  /** The server may serve HTTP/2 all the same: a client's WebSocket must not count against it. */
  handshakeFailed(handler: ConnectHandler): void;
  /** A connect that was given up cannot be ended. */
  connectAbandoned(): void;
  abandonedConnectEnded(): void;
}

/**
 * Stands for the handler until the handshake is done, which must select HTTP/1.1: a server of HTTP/2 alone would take the
 * request for a violation. What the socket reports after that does not reach the handler, which may connect again.
 * ```
 *  connecting ──opened, HTTP/1.1──▶ the socket is the handler's
 *      ├──nothing listens, timeout, no descriptor──▶ refused
 *      ├──the handshake failed, or selected another protocol──▶ handshakeFailed
 *      └──the handler gives up──▶ ended, or abandoned until the system is done with it
 * ```
 */
export class Http1Connect implements ConnectHandler {
  readonly #handler: ConnectHandler;
  readonly #owner: Http1ConnectOwner;
  #connect: PendingConnect | undefined;
  #phase: "connecting" | "abandoned" | "ended" = "connecting";

  constructor(handler: ConnectHandler, owner: Http1ConnectOwner) {
    this.#handler = handler;
    this.#owner = owner;
    handler.pending({ terminate: () => this.#giveUp() });
  }

  #giveUp(): void {
    if (this.#phase !== "connecting") return;
    this.#phase = this.#connect ? "ended" : "abandoned";
    if (this.#connect) this.#connect.terminate();
    else this.#owner.connectAbandoned();
  }

  pending(connect: PendingConnect): void {
    this.#connect = connect;
    if (!this.#isAwaited()) connect.terminate();
  }

  opened(socket: WireSocket): void {
    if (this.#phase === "connecting" && socket.alpnProtocol === "http/1.1") {
      this.#phase = "ended";
      socket.data = this.#handler;
      return this.#handler.opened(socket);
    }
    this.refused(noHttp1Code);
    socket.terminate();
  }

  refused(code: string): void {
    if (!this.#isAwaited()) return;
    this.#phase = "ended";
    const { reason } = connectFailure(code);
    const isOfHandshake =
      reason !== "balancer_exhausted" && reason !== "connect_timeout" && !isUnreachable(code);
    if (isOfHandshake) this.#owner.handshakeFailed(this.#handler);
    else this.#handler.refused(code);
  }

  /** The system is done with an abandoned connect. @returns whether the handler waits for it */
  #isAwaited(): boolean {
    if (this.#phase === "abandoned") {
      this.#phase = "ended";
      this.#owner.abandonedConnectEnded();
    }
    return this.#phase === "connecting";
  }

  closed(error: Error | undefined): void {
    this.refused(error && "code" in error ? String(error.code) : "ECONNRESET");
  }

  handlerThrew(error: Error): void {
    this.#handler.handlerThrew(error);
  }

  received(): void {}

  drained(): void {}

  ended(): void {}
}
