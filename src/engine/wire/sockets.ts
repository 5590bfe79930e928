/** The seam between this engine and the runtime's sockets: only types. The state machines know nothing else of I/O. */

import type { Address } from "../../net/address.ts";
import type { ListenerTls } from "../engine.ts";

/** A connected stream of bytes, plain or under TLS. No call may throw; on a closed socket all of them do nothing. */
export interface WireSocket {
  /** Sends what the system takes at once and keeps nothing: the number of bytes taken, -1 if it is closed. */
  write(bytes: Uint8Array, offset: number, length: number): number;
  pause(): void;
  resume(): void;
  /** Sends FIN; reading goes on. */
  shutdown(): void;
  /** Closes after what was written. */
  end(): void;
  /** Closes with RST: the peer must not take what it has for everything. */
  terminate(): void;
}

/** What a socket tells its owner. Chunks are only valid during the call. */
export interface SocketHandler {
  opened(socket: WireSocket): void;
  received(chunk: Buffer): void;
  /** The system takes more. May be called without need. */
  drained(): void;
  /** The peer sent FIN. */
  ended(): void;
  /** The last call, also after our own `end` or `terminate`, and then perhaps within it. */
  closed(error: Error | undefined): void;
  /** A call above threw: a bug of ours. */
  handlerThrew(error: Error): void;
}

/** Whoever connected to us. `opened` comes before a handshake of TLS, where the runtime can tell: it must end as well. */
export interface ClientSocketHandler extends SocketHandler {
  /** The handshake is done; until then nothing can be sent. */
  secured(): void;
}

export interface ConnectHandler extends SocketHandler {
  /** Instead of `opened`; `code` is the system's: ECONNREFUSED, ENOTFOUND … */
  refused(code: string): void;
}

export interface ListenOptions {
  readonly hostname: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly sharesPort: boolean;
  readonly tls?: ListenerTls;
  /** Makes the owner of a new connection. @param address the peer's IP address */
  readonly accept: (address: string) => ClientSocketHandler;
  /** How long a handshake of TLS may take, in milliseconds, where `opened` comes behind it. */
  readonly handshakeMs: number;
}

export interface WireListener {
  readonly hostname: string;
  readonly port: number;
  /** Takes no new connections; those that are open stay. */
  stop(): void;
}

export interface Sockets {
  /** Rejects with the system's error code if the port cannot be had. */
  listen(options: ListenOptions): Promise<WireListener>;
  /** With TLS if the address is `https`. Cannot be cancelled: an owner that gave up closes the socket when it opens. */
  connect(address: Address, handler: ConnectHandler): void;
}
