/** What every data plane offers and what it is given: engines move bytes, everything they decide comes from here. */

import type { Upstream } from "../pool/upstream.ts";
import type { Exchange } from "../proxy/exchange.ts";
import type { ForwardingOptions } from "../proxy/forwarding.ts";

/** Limits on clients' connections, in milliseconds. */
export interface ClientTimeouts {
  /** From the first byte of a request to the end of its head, and on a new connection until that byte. */
  readonly headMs: number;
  /** Between two pieces of a request's body. */
  readonly bodyIdleMs: number;
  /** Without a request on a kept connection. */
  readonly keepAliveMs: number;
}

/** A certificate chain and its key as PEM text. */
export interface ListenerTls {
  readonly cert: string;
  readonly key: string;
}

export interface EngineOptions {
  readonly hostname: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Other processes of ours listen on the same port. False keeps a port that is in use an error. */
  readonly sharesPort: boolean;
  readonly clientTimeouts: ClientTimeouts;
  /** Clients' connections at one time; more are answered with 503. Undefined: as many as the system allows. */
  readonly maxClients?: number;
  /** Present where clients come over TLS. */
  readonly tls?: ListenerTls;
  /** A fresh exchange, to be opened with each request's head; a connection may keep and reuse it. */
  readonly exchange: () => Exchange;
  /** Keeps an acceptable id of the client's, else makes one. */
  readonly requestId: (given: string | undefined) => string;
  readonly isTrustedProxy: ForwardingOptions["isTrustedProxy"];
  readonly log: EngineLog;
}

/** What an engine reports besides the ends of its attempts. */
export interface EngineLog {
  /** A fault of ours: the request was answered with 500. */
  bug(error: unknown, requestId: string): void;
  /** An answer of our own, or an attempt that failed and was followed by another one. */
  warn(message: string, headers: Readonly<Record<string, unknown>>): void;
}

export interface EngineListener {
  readonly hostname: string;
  readonly port: number;
  /** Exchanges and tunnels that clients still wait for or use. */
  active(): number;
  /** Takes no new connections and asks kept ones to close; resolves when nothing is active. */
  drain(): Promise<void>;
  /** Cuts what is left. */
  close(): void;
  /** Cuts what is under way on one upstream, tunnels too; how many. Missing where an engine has no way to. */
  abortAttempts?(upstream: Upstream): number;
}

/** A data plane. `listen` rejects if the port cannot be had, with the system's error code. */
export interface Engine {
  readonly name: string;
  listen(options: EngineOptions): Promise<EngineListener>;
}
