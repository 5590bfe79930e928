/** What all connections of one listener share: settings, the wheel, scratch space, idle connections and spare relays. */

import type { ClientTimeouts, EngineOptions } from "../engine.ts";
import { ParsedResponse, ResponseReader } from "./http1/response-reader.ts";
import { ForwardingCache } from "./http1/request-writer.ts";
import { ParsedRequest } from "./http1/parsed-request.ts";
import { maxHeadBytes } from "./http1/bytes.ts";
import type { Sockets } from "./sockets.ts";
import type { TimerEntry, TimerWheel } from "./timer-wheel.ts";
import type { Random } from "../../lib/random.ts";

/** What a plane runs on, so that a test can give it other ones. */
export interface WireDependencies {
  readonly sockets: Sockets;
  readonly wheel: TimerWheel;
  readonly random: Random;
}

/** A connection that a drain closes between two requests. */
export interface Closable {
  closeIfIdle(): void;
}

/** A client's connection, which also closes with a request in flight. */
export interface ClosableClient extends Closable {
  /** @param abruptly with RST */
  closeForGood(abruptly: boolean): void;
}

/** Up to this size a piece of a response body is copied behind its head, so that both leave in one write. */
export const smallPieceBytes = 65_536;

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
  readonly clients = new Set<ClosableClient>();
  /** Every connection to an upstream that is open. */
  readonly upstreams = new Set<Closable>();
  readonly #rejected = new Set<ClosableClient>();
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

  /** Whether one more client is served, is told that there are too many, or not even that. */
  admitClient(client: ClosableClient): "served" | "away" | "none" {
    const isFull = this.clients.size >= (this.setting.maxClients ?? Infinity);
    if (isFull && this.#rejected.size >= maxTurnedAway) return "none";
    (isFull ? this.#rejected : this.clients).add(client);
    return isFull ? "away" : "served";
  }

  clientClosed(client: ClosableClient): void {
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

// Objects that are used again instead of made anew: those used last come first, since they are still in the processor's cache.

/** So many wait; more are left to the collector. */
const most = 1_024;

export class FreeList<Thing> {
  readonly #create: () => Thing;
  readonly #free: Thing[] = [];

  constructor(make: () => Thing) {
    this.#create = make;
  }

  acquire(): Thing {
    return this.#free.pop() ?? this.#create();
  }

  release(thing: Thing): void {
    if (this.#free.length < most) this.#free.push(thing);
  }
}

// For how long clients are waited for, and for what: one set of limits for all connections of a listener.

/** How long we wait for a client to notice our FIN before we close (RFC 9112 section 9.6). */
const lingerMs = 2_000;

/** Each client is waited for one thing at a time; what it is comes with the last call. */
export class ClientTimeoutTimers {
  readonly #wheel: TimerWheel;
  readonly #limits: ClientTimeouts;

  constructor(wheel: TimerWheel, limits: ClientTimeouts) {
    this.#wheel = wheel;
    this.#limits = limits;
  }

  /** The next request may begin. */
  forRequest(client: TimerEntry): void {
    this.#wheel.arm(client, this.#limits.keepAliveMs);
  }

  /** A head has begun to come, or should on a new connection: whoever says nothing there takes a place from others. */
  forHead(client: TimerEntry): void {
    this.#wheel.arm(client, this.#limits.headMs);
  }

  /** More of a request's body has to come, unless it was told to wait itself. */
  forBody(client: TimerEntry & { readonly isPaused: boolean }): void {
    if (client.isPaused) this.forNothing(client);
    else this.#wheel.arm(client, this.#limits.bodyIdleMs);
  }

  /** It takes no more bytes for now; it has this long to take one. */
  forReader(client: TimerEntry): void {
    this.#wheel.arm(client, this.#limits.bodyIdleMs);
  }

  /** It has been told that this was all. */
  forLingeringClose(client: TimerEntry): void {
    this.#wheel.arm(client, lingerMs);
  }

  /** It is not its turn. */
  forNothing(client: TimerEntry): void {
    this.#wheel.disarm(client);
  }
}
