/** The interface between this engine and the runtime's sockets, its only I/O. Types only. */

import type { Address } from "../../net/address.ts";
import type { ListeningSocket } from "../../net/listening-sockets.ts";
import type { ClientIdentity } from "../../tls/client-certificate.ts";
import type { ListenerTls } from "../../tls/listener-tls.ts";

/** A connected byte stream, plain or TLS. Its methods never throw and do nothing on a closed socket. */
export interface WireSocket {
  /** Receives the socket's events; may be replaced. Missing where a connection never is. */
  data?: SocketHandler;
  /** Whether the connection below has served others already. Missing where it serves one socket. */
  readonly isReused?: boolean;
  /** Whether it carries no WebSocket, and a socket over HTTP/1.1 may: HTTP/2 over TLS without extended CONNECT (RFC 8441). */
  readonly refusesWebSockets?: boolean;
  /** What the TLS handshake selected. Missing without TLS. */
  readonly alpnProtocol?: string | false | null;
  /** Where the runtime tells them. */
  readonly remotePort?: number | undefined;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  /** Descriptor; below 0 once it is closed. Missing where the runtime does not tell it. */
  readonly fd?: number | undefined;
  /** Sends what the system takes at once and buffers nothing. @returns the number of bytes taken; -1 if it is closed */
  write(bytes: Uint8Array, offset: number, length: number): number;
  pause(): void;
  resume(): void;
  /**
   * Present where the listener `startsPlain`: begins the TLS handshake with a client. `secured` or `insecure` follows.
   * @param received bytes of the handshake that have arrived
   */
  startTls?(received: Buffer): void;
  /**
   * Present on streams of HTTP/2: what is written from now on is the whole response to a request that is not wanted. Takes none
   * of it until the request has ended, or a short time is over; calls `drained` then.
   */
  holdResponse?(): void;
  /** Sends FIN. Reading continues. */
  shutdown(): void;
  /** Closes after the bytes taken so far. */
  end(): void;
  /** As `end`, with one system call less. Without TLS only: its peer would miss the alert that says the stream is whole. */
  close?(): void;
  /** Closes with RST, so that the peer does not take a part of a message for all of it. */
  terminate(): void;
}

/** Receives a socket's events. Chunks are only valid during the call. */
export interface SocketHandler {
  opened(socket: WireSocket): void;
  received(chunk: Buffer): void;
  /** The system takes bytes again. May be called spuriously. */
  drained(): void;
  /** The peer sent FIN. */
  ended(): void;
  /** The last event. Follows our own `end` and `terminate` too, possibly within that call. */
  closed(error: Error | undefined): void;
  /** One of the methods above threw, which is a bug. */
  handlerThrew(error: Error): void;
}

export interface HandshakeResult {
  /** The name that the client sent (SNI). */
  readonly serverName: string | undefined;
  /** The client, if its certificate was verified. */
  readonly client?: ClientIdentity;
  /** As "TLSv1.3". */
  readonly version?: string | undefined;
}

/** Handles a client's socket. With TLS, `opened` precedes the handshake if the runtime can: the handshake needs a timeout. */
export interface ClientSocketHandler extends SocketHandler {
  /** The TLS handshake is done. Nothing can be sent before. @param protocol selected by ALPN; empty without it */
  secured(protocol: string, handshake: HandshakeResult): void;
  /** The TLS handshake failed; `closed` follows. @param why the runtime's words */
  insecure?(why: string): void;
}

/** A connect that can be ended before it is done. */
export interface PendingConnect {
  /** Closes the socket. Neither `opened` nor `refused` follows from it. */
  terminate(): void;
}

/** Handles a socket to an upstream. */
export interface ConnectHandler extends SocketHandler {
  /** Whether a socket over HTTP/1.1 is better than one that `refusesWebSockets`. Cleared where the server has none. */
  needsWebSocket?: boolean;
  /** Precedes `opened`: at once where the runtime can end a connect, and else when the TLS handshake begins. */
  pending(connect: PendingConnect): void;
  /** Called instead of `opened`. @param code the system's error code: ECONNREFUSED, ENOTFOUND … */
  refused(code: string): void;
}

export interface ListenOptions {
  /** The socket to accept from, which listens already. Then `port` and `sharesPort` have no effect. */
  readonly socket?: ListeningSocket;
  readonly hostname: string;
  /** 0 binds any free port. */
  readonly port: number;
  readonly sharesPort: boolean;
  readonly tls?: ListenerTls;
  /** Whether bytes may precede the handshake: then the handler of each connection calls `startTls` when they have arrived. */
  readonly startsPlain?: boolean;
  /** Protocols for ALPN, the preferred one first. */
  readonly protocols: readonly string[];
  /** Creates the handler of a new connection. @param address the peer's IP address */
  readonly accept: (address: string) => ClientSocketHandler;
  /** Timeout of a TLS handshake, for a runtime that calls `opened` after it. */
  readonly handshakeMs: number;
  /** Called for a handshake that fails before `accept`, on such a runtime. */
  readonly handshakeRefused: (why: string) => void;
}

export interface WireListener {
  readonly hostname: string;
  readonly port: number;
  /** Its descriptor, where the system tells it. */
  readonly fd?: number | undefined;
  /** Stops accepting connections. Open ones stay open. */
  stop(): void;
}

export interface ConnectOptions {
  /** Sent before the TLS handshake. */
  readonly greeting?: Buffer;
  /** The only protocol that the TLS handshake offers. By default what the address says. */
  readonly protocol?: "h2" | "http/1.1";
}

export interface Sockets {
  /** Rejects with the system's error code if the port is not available. */
  listen(options: ListenOptions): Promise<WireListener>;
  /**
   * Uses TLS if the address is `https`, and offers only HTTP/2 where the address says so. It cannot be cancelled before
   * `pending` was called: a handler that gave up closes the socket then, or when it opens.
   * @param host an IP address that the address's name has now, or the name
   */
  connect(address: Address, host: string, handler: ConnectHandler, options?: ConnectOptions): void;
  /**
   * Sends the last bytes on a plain connection, whose FIN must follow at once: it leaves in the same packet. Present where the
   * runtime and the system can.
   * @param fd of an open socket
   * @returns the number of bytes that the system took, as `WireSocket.write`; below 0 for none
   */
  readonly sendLast?: (fd: number, bytes: Uint8Array, offset: number, length: number) => number;
}
