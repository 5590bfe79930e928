/** One address that clients connect to: its options, the clients that are connected, and what their requests have in common. */

import { DenseList, type Placed } from "../../lib/dense-list.ts";
import { maxRejectedClientsFor } from "../../net/open-files.ts";
import { ListenerMeter } from "../../metrics/listener-meter.ts";
import { handshakeRefusalOf } from "../../tls/handshake-refusal.ts";
import { altSvcOf, type EngineOptions, type ListenerOptions } from "../engine.ts";
import type { Closable } from "./context.ts";
import { type ListenerHeaders, listenerHeaders } from "./http1/response-writer.ts";
import { ForwardingCache } from "./http1/request-writer.ts";

/** A client's connection, which also closes with a request in flight. */
export interface ClosableClient extends Closable, Placed {
  /** @param abruptly with RST */
  closeForGood(abruptly: boolean): void;
  /** Whether it has not received any response yet: its first request may be on the way. */
  readonly isFresh: boolean;
  /** Tells the client that the connection serves no new requests. Missing where the next response does. */
  announceEnd?(): void;
}

/** How many clients all listeners together have, and may have. */
export interface ClientCount {
  open: number;
  readonly max: number;
}

export class ClientListener {
  readonly options: ListenerOptions;
  readonly meter: ListenerMeter;
  /** In each response. Undefined where the listener adds none. */
  headers: ListenerHeaders | undefined;
  port = 0;
  readonly forwardingCache: ForwardingCache;
  /** Connections that are served. */
  readonly #clients = new DenseList<ClosableClient>();
  readonly #rejected = new DenseList<ClosableClient>();
  readonly #maxRejected = maxRejectedClientsFor();
  readonly #count: ClientCount;
  readonly #onHandshakeRefused: EngineOptions["handshakeRefused"];

  /** @param count of all listeners together */
  constructor(options: ListenerOptions, engine: EngineOptions, count: ClientCount) {
    this.options = options;
    this.#count = count;
    this.#onHandshakeRefused = engine.handshakeRefused;
    this.meter = options.meter ?? new ListenerMeter();
    this.forwardingCache = new ForwardingCache(options.tls ? "https" : "http", {
      isTrustedProxy: options.isTrustedProxy ?? engine.isTrustedProxy,
      viaName: engine.viaName,
    });
  }

  /** Called before the first client is accepted. */
  opened(port: number, hostname: string): void {
    this.port = port;
    this.forwardingCache.setListenPort(port, hostname);
    this.headers = listenerHeaders(this.options.hsts, this.options.http3 ? altSvcOf(port) : undefined);
  }

  get scheme(): "http" | "https" {
    return this.forwardingCache.scheme;
  }

  /**
   * Adds a new connection.
   * @returns `reject`: it gets a 503, because there are too many clients; `drop`: not even that
   */
  admit(client: ClosableClient): "serve" | "reject" | "drop" {
    const { open, max } = this.#count;
    if (open < max && this.#clients.size < (this.options.maxClients ?? Infinity)) {
      this.#clients.add(client);
      this.#count.open += 1;
      return "serve";
    }
    if (this.#rejected.size >= this.#maxRejected) return "drop";
    this.#rejected.add(client);
    return "reject";
  }

  closed(client: ClosableClient): void {
    if (this.#clients.delete(client)) this.#count.open -= 1;
    this.#rejected.delete(client);
  }

  /** Counts a TLS handshake that failed. @param why the runtime's words */
  handshakeRefused(why: string): void {
    this.#onHandshakeRefused?.(this.options.name, handshakeRefusalOf(why), why);
  }

  announceEnd(): void {
    for (const client of this.#clients.toArray()) client.announceEnd?.();
  }

  get hasFresh(): boolean {
    return this.#clients.some(({ isFresh }) => isFresh);
  }

  /** @param spared whether fresh connections stay open */
  closeIdle(spared: "fresh" | "none" = "none"): void {
    for (const client of this.#clients.toArray())
      if (spared === "none" || !client.isFresh) client.closeIfIdle();
  }

  /** Closes all connections and cancels the requests in flight. */
  close(): void {
    for (const client of this.#clients.toArray()) client.closeForGood(true);
  }
}
