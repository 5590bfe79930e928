/** Both sides of a WebSocket tunnel on Bun. */

import type { ServerWebSocket } from "bun";
import { WebSocket as LimitedWebSocket } from "ws";

import {
  type Address,
  certifiedName,
  originAt,
  type TlsClientOptions,
  tlsClientOptions,
} from "../../net/address.ts";
import type { OpenWebSocket } from "./websocket-handshake.ts";
import {
  followSocket,
  type UpstreamSideEvents,
  type UpstreamSide,
  type WebSocketMessage,
} from "./websocket-side.ts";
import type { WebSocketTunnel } from "./websocket-tunnel.ts";

/** Bun's own WebSocket takes messages up to 128 MiB and cannot tell when they were sent; its `ws` can do both. */
class BunUpstreamSide implements UpstreamSide {
  readonly #socket: LimitedWebSocket;
  #onSent: () => void = () => {};

  constructor(socket: LimitedWebSocket) {
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
  }

  follow(events: UpstreamSideEvents): void {
    this.#onSent = () => events.upstreamDrained();
    followSocket(this.#socket, events);
  }

  get protocol(): string {
    return this.#socket.protocol;
  }

  get isOpen(): boolean {
    return this.#socket.readyState === LimitedWebSocket.OPEN;
  }

  send(message: WebSocketMessage): void {
    this.#socket.send(message, this.#onSent);
  }

  close(code?: number, reason?: string): void {
    this.#socket.close(code, reason);
  }

  terminate(): void {
    this.#socket.terminate();
  }

  bufferedAmount(): number {
    return this.#socket.bufferedAmount;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }
}

/** Compression is not offered: the client would get the messages uncompressed in any case. */
export const openBunWebSocket: OpenWebSocket = ({ address, endpoints }, target, options, maxMessageBytes) =>
  new BunUpstreamSide(
    new LimitedWebSocket(
      originAt(address, endpoints.next()).replace(/^http/, "ws") + target,
      options.protocols,
      {
        headers: options.headers,
        maxPayload: maxMessageBytes,
        perMessageDeflate: false,
        ...tlsOptionsOf(address),
      },
    ),
  );

function tlsOptionsOf(address: Address): Partial<TlsClientOptions> & { readonly servername?: string } {
  if (address.protocol !== "https") return {};
  return { servername: certifiedName(address), ...tlsClientOptions(address.tls) };
}

/** Bun's handlers of the clients' sides. Bun closes the connection of a message that is too large with 1009. */
export function bunWebSocketHandlers(maxMessageBytes: number): Bun.WebSocketHandler<WebSocketTunnel> {
  return {
    maxPayloadLength: maxMessageBytes,
    // Over its own limit Bun would drop messages; the tunnel pauses or ends instead.
    backpressureLimit: 0,
    idleTimeout: 960,
    open: (socket) => socket.data.attach(clientSide(socket)),
    message: (socket, message) =>
      socket.data.fromClient(typeof message === "string" ? message : new Uint8Array(message)),
    drain: (socket) => socket.data.clientDrained(),
    close: (socket, code, reason) => socket.data.clientClosed(code, reason),
  };
}

function clientSide(socket: ServerWebSocket<WebSocketTunnel>) {
  return {
    send: (message: WebSocketMessage) => void socket.send(message),
    close: (code?: number, reason?: string) => socket.close(code, reason),
    terminate: () => socket.terminate(),
    bufferedAmount: () => socket.getBufferedAmount(),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
  };
}
