/** What all connections of one listener share: settings, the wheel, scratch space, idle connections and spare relays. */

import type { Random } from "../../lib/random.ts";
import type { Upstream } from "../../pool/upstream.ts";
import type { EngineOptions } from "../engine.ts";
import { ParsedResponse } from "./answer-head.ts";
import { ResponseReader } from "./http1/response-reader.ts";
import type { ClientConnection } from "./client-connection.ts";
import { ClientTimeoutTimers } from "./client-times.ts";
import { ForwardingCache } from "./forwardings.ts";
import { maxHeadBytes } from "./limits.ts";
import { RequestForwarder } from "./request-forwarder.ts";
import { smallPieceBytes } from "./forwarded-response.ts";
import { ParsedRequest } from "./http1/parsed-request.ts";
import type { Sockets } from "./sockets.ts";
import { FreeList } from "./spares.ts";
import type { TimerWheel } from "./timer-wheel.ts";
import type { UpstreamConnection } from "./upstream-connection.ts";
import { ConnectionPool } from "./connection-pool.ts";

/** What a plane runs on, so that a test can give it other ones. */
export interface WireDependencies {
  readonly sockets: Sockets;
  readonly wheel: TimerWheel;
  readonly random: Random;
}

/** So many hear at a time that there are too many clients: others would take the room of those who are served. */
const maxTurnedAway = 64;

export class WireContext {
  readonly setting: EngineOptions;
  readonly sockets: Sockets;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly times: ClientTimeoutTimers;
  readonly forwardings: ForwardingCache;
  /** Where heads are put together; valid until the next head. */
  readonly scratch = Buffer.allocUnsafeSlow(maxHeadBytes + smallPieceBytes + 1_024);
  /** Heads that came whole are read with these; nobody holds on to them across events. */
  readonly requestHead = new ParsedRequest();
  readonly responseHead = new ParsedResponse();
  /** Every client's connection that is served. */
  readonly clients = new Set<ClientConnection>();
  /** Every connection to an upstream that is open. */
  readonly upstreams = new Set<UpstreamConnection>();
  readonly #rejected = new Set<ClientConnection>();
  readonly #forwarders = new FreeList(() => new RequestForwarder(this, this.setting.exchange()));
  /** For answers that are awaited or under way: a connection that is idle needs none. */
  readonly readers = new FreeList(() => new ResponseReader(this.responseHead));
  #active = 0;
  readonly #onIdle: Array<() => void> = [];
  isDraining = false;

  constructor(options: EngineOptions, { sockets, wheel, random }: WireDependencies) {
    this.setting = options;
    this.sockets = sockets;
    this.wheel = wheel;
    this.random = random;
    this.times = new ClientTimeoutTimers(wheel, options.clientTimeouts);
    this.forwardings = new ForwardingCache(options.tls ? "https" : "http", options.isTrustedProxy);
  }

  connectionPoolOf(upstream: Upstream): ConnectionPool {
    const { connectionPool: carriage } = upstream;
    if (carriage instanceof ConnectionPool && carriage.context === this) return carriage;
    const connections = new ConnectionPool(this, upstream);
    upstream.connectionPool = connections;
    return connections;
  }

  acquireForwarder(): RequestForwarder {
    return this.#forwarders.acquire();
  }

  releaseForwarder(forwarder: RequestForwarder): void {
    forwarder.request.release();
    this.#forwarders.release(forwarder);
  }

  /** Whether one more client is served, is told that there are too many, or not even that. */
  admitClient(client: ClientConnection): "served" | "away" | "none" {
    const isFull = this.clients.size >= (this.setting.maxClients ?? Infinity);
    if (isFull && this.#rejected.size >= maxTurnedAway) return "none";
    (isFull ? this.#rejected : this.clients).add(client);
    return isFull ? "away" : "served";
  }

  clientClosed(client: ClientConnection): void {
    this.clients.delete(client);
    this.#rejected.delete(client);
  }

  /** Exchanges and tunnels under way, the sending of their last bytes included. */
  get active(): number {
    return this.#active;
  }

  requestStarted(): void {
    this.#active += 1;
  }

  requestEnded(): void {
    this.#active -= 1;
    if (this.#active === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  /** Resolves when nothing is active. */
  whenIdle(): Promise<void> {
    if (this.#active === 0) return Promise.resolve();
    return new Promise((resolve) => void this.#onIdle.push(resolve));
  }

  closeIdle(): void {
    for (const upstream of [...this.upstreams]) upstream.closeIfIdle();
  }
}
