/** The engine contract: what a data plane implements and what it receives. Engines move bytes and decide nothing. */

import type { ListeningSocket } from "../net/listening-sockets.ts";
import type { ListenerMeter } from "../metrics/listener-meter.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { ListenerRules } from "../proxy/listener-rules.ts";
import type { Exchange } from "../proxy/exchange.ts";
import type { ForwardingOptions } from "../proxy/forwarding.ts";
import type { HandshakeRefusal } from "../tls/handshake-refusal.ts";
import type { ListenerTls } from "../tls/listener-tls.ts";

/** Limits on clients' connections, in milliseconds. */
export interface ClientTimeouts {
  /** From the first byte of a request to the end of its head, and on a new connection until that byte. */
  readonly headMs: number;
  /** Between two pieces of a request's body, and between two pieces of a response that the client takes. */
  readonly bodyIdleMs: number;
  /** Without a request on a keep-alive connection. */
  readonly keepAliveMs: number;
}

/** Limits of messages; sizes in bytes. An engine keeps them as far as its runtime permits. */
export interface MessageLimits {
  readonly requestHeadBytes: number;
  readonly requestFields: number;
  /** Effective only below `requestHeadBytes`. */
  readonly requestTargetBytes: number;
  readonly responseHeadBytes: number;
  readonly responseFields: number;
  /** One message of a WebSocket, in either direction; for engines that do not forward its bytes as they come. */
  readonly webSocketMessageBytes: number;
  /** What all WebSockets together buffer for peers that read slowly; likewise. */
  readonly webSocketBufferBytes: number;
}

export interface ProxyProtocol {
  /** Whether a peer is a proxy, which must send a header. From others a header is no part of a request. */
  readonly isFrom: (address: string) => boolean;
  /** Time limit of the header, from the start of the connection. */
  readonly timeoutMs: number;
}

/** One address that clients connect to. */
export interface ListenerOptions {
  /** Sockets that listen on this address already, from another process. Not every engine can adopt them. */
  readonly sockets?: readonly ListeningSocket[];
  /** Name in log and records. */
  readonly name: string;
  readonly hostname: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Maximum concurrent client connections; more get 503. Undefined: as many as the system allows. */
  readonly maxClients?: number;
  /** Present where clients connect over TLS. */
  readonly tls?: ListenerTls;
  /** The value of Strict-Transport-Security in each response; with TLS only. */
  readonly hsts?: string;
  /** Whether clients may speak HTTP/2: as the TLS handshake selects, or with prior knowledge. */
  readonly http2?: boolean;
  /** Whether responses name an HTTP/3 server on the same port (UDP), which `withHttp3` opens. */
  readonly http3?: boolean;
  /** Present where proxies begin their connections with a PROXY header. Not every engine can. */
  readonly proxyProtocol?: ProxyProtocol;
  /** Counts its requests and connections. */
  readonly meter?: ListenerMeter;
  /** Rules that precede routes. Engines pass them to `Exchange.open` with each request. */
  readonly rules?: ListenerRules;
  /** Present where it differs from that of all listeners. */
  readonly isTrustedProxy?: ForwardingOptions["isTrustedProxy"];
}

export interface EngineOptions {
  /** At least one. */
  readonly listeners: readonly ListenerOptions[];
  /** Maximum concurrent connections of all listeners together; by default as many as the system allows. */
  readonly maxClients?: number;
  /** Whether other workers listen on the same ports. If false, a port in use is an error. */
  readonly sharesPort: boolean;
  readonly clientTimeouts: ClientTimeouts;
  readonly limits: MessageLimits;
  /** Creates an exchange, which is opened with each request's head. An engine may reuse it after `close`. */
  readonly exchange: () => Exchange;
  /** Returns the client's id if it is acceptable, else a new one. */
  readonly requestId: (given: string | undefined) => string;
  readonly isTrustedProxy: ForwardingOptions["isTrustedProxy"];
  /** The name in Via; a request that has it twice is refused as a loop. */
  readonly viaName: string;
  /** Called for each TLS handshake with a client that was refused. @param why the runtime's words */
  readonly handshakeRefused?: (listener: string, refusal: HandshakeRefusal, why: string) => void;
  readonly log: EngineLog;
}

/** What an engine logs. The ends of attempts are in the records. */
export interface EngineLog {
  /** An exception in the balancer: the request got a 500. */
  bug(error: unknown, requestId: string): void;
  /** A refusal, or a failed attempt. */
  warn(message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** The same log, which never throws: a request must not end differently because a line could not be written. */
export function guardedLog(log: EngineLog): EngineLog {
  const bug: EngineLog["bug"] = (error, requestId) => {
    try {
      log.bug(error, requestId);
    } catch {
      // There is no one left to tell.
    }
  };
  return {
    bug,
    warn(message, fields) {
      try {
        log.warn(message, fields);
      } catch (error) {
        bug(error, "");
      }
    },
  };
}

export interface EngineListener {
  /** The port of each listener, in the order of the options. */
  readonly ports: readonly number[];
  /** The sockets of each listener, for another process. Missing where an engine or its system cannot tell them. */
  sockets?(): readonly (readonly ListeningSocket[])[] | undefined;
  /**
   * Another process accepts the new connections from now on: stops accepting. Open connections stay, and their next
   * response announces that they close. Missing where `sockets` is.
   */
  retire?(): void;
  /** Number of open exchanges and tunnels. */
  active(): number;
  /** Connections of clients that are served now. Missing where an engine's server does not tell. */
  clients?(): number;
  /** Stops accepting connections and closes idle ones; resolves when nothing is active. */
  drain(): Promise<void>;
  /** Aborts the open exchanges and tunnels. */
  close(): void;
  /** Aborts the attempts in flight on one upstream, tunnels too. @returns how many. Missing where an engine cannot. */
  abortAttempts?(upstream: Upstream): number;
  /** Descriptors are short: closes connections that serve no request. */
  releaseIdle?(): void;
}

/** The value of Alt-Svc (RFC 7838) that names the HTTP/3 server of a port, for a day. */
export function altSvcOf(port: number): string {
  return `h3=":${port}"; ma=86400`;
}

/** The error of a listener that could not be opened, with its position in the options: the operator must know which one. */
export function listenError(error: unknown, index: number): Error {
  const thrown = error instanceof Error ? error : new Error(String(error));
  return Object.assign(thrown, { listenerIndex: index });
}

/**
 * Opens each listener in turn.
 *
 * @param abandon called with the open ones, where the next one cannot be opened
 * @throws listenError
 */
export async function openAll<Options, Opened>(
  listeners: readonly Options[],
  open: (listener: Options) => Opened | Promise<Opened>,
  abandon: (opened: readonly Opened[]) => void = () => {},
): Promise<readonly Opened[]> {
  const opened: Opened[] = [];
  try {
    for (const listener of listeners) opened.push(await open(listener));
  } catch (error) {
    abandon(opened);
    throw listenError(error, opened.length);
  }
  return opened;
}

/** The position of the listener that could not be opened; 0 where the error does not say. */
export function failedListener(error: unknown): number {
  return error instanceof Error && "listenerIndex" in error ? Number(error.listenerIndex) : 0;
}

/** A data plane. `listen` rejects with the system's error code if a port is not available, and then holds none. */
export interface Engine {
  readonly name: string;
  listen(options: EngineOptions): Promise<EngineListener>;
}
