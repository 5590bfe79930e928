/** A client's connection until it is known what it speaks: it counts, it has a time limit, and it serves nothing. */

import type { ClientListener, ClosableClient } from "./client-listener.ts";
import type { WireContext } from "./context.ts";
import type { ClientSocketHandler, HandshakeResult, WireSocket } from "./sockets.ts";
import { TimerEntry } from "../../lib/timer-wheel.ts";

/** The parts that do not depend on what the connection waits for. */
export abstract class PendingClient extends TimerEntry implements ClientSocketHandler, ClosableClient {
  protected readonly context: WireContext;
  protected readonly listener: ClientListener;
  #socket: WireSocket | undefined;
  place = -1;

  constructor(context: WireContext, listener: ClientListener) {
    super();
    this.context = context;
    this.listener = listener;
  }

  opened(socket: WireSocket): void {
    this.#socket = socket;
  }

  abstract secured(protocol: string, result: HandshakeResult): void;

  abstract received(chunk: Buffer): void;

  /** Gives the socket, and the place among the listener's clients, to the next handler. @returns the socket */
  protected handOver(handler: ClientSocketHandler): WireSocket {
    const socket = this.#socket as WireSocket;
    this.#release();
    socket.data = handler;
    handler.opened(socket);
    return socket;
  }

  drained(): void {}

  ended(): void {
    this.closeForGood(false);
  }

  closed(): void {
    this.#release();
  }

  #release(): void {
    this.context.wheel.forget(this);
    this.listener.closed(this);
  }

  override handlerThrew(error: Error): void {
    this.context.options.log.bug(error, "");
    this.closeForGood(true);
  }

  get isFresh(): boolean {
    return true;
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
