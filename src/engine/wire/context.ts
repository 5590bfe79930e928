/** What all connections of one engine share: options, sockets, timers, scratch buffers and the sets that a drain closes. */

import type { Random } from "../../lib/random.ts";
import type { ClientTimeouts, EngineOptions } from "../engine.ts";
import { UpstreamSessions } from "./http2/upstream-sessions.ts";
import { ByteWriter } from "./http1/byte-writer.ts";
import { requestLimits, responseLimits } from "./http1/head-limits.ts";
import { ParsedRequest } from "./http1/parsed-request.ts";
import { ParsedResponse, ResponseReader } from "./http1/response-reader.ts";
import { maxAddedBytes } from "./http1/response-writer.ts";
import type { Sockets } from "./sockets.ts";
import type { TimerEntry, TimerWheel } from "../../lib/timer-wheel.ts";

/** What the engine runs on; tests replace it. */
export interface WireDependencies {
  readonly sockets: Sockets;
  readonly wheel: TimerWheel;
  readonly random: Random;
}

/** A connection that a drain closes between two requests. */
export interface Closable {
  closeIfIdle(): void;
}

/** Up to this size a piece of a response body is copied behind its head, so that both leave in one write. */
export const smallPieceBytes = 65_536;

export class WireContext {
  readonly options: EngineOptions;
  readonly sockets: Sockets;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly clientTimers: ClientTimeoutTimers;
  /** Where heads are written; valid until the next head. */
  readonly scratch: Buffer;
  /** For heads that a route changes. */
  readonly editedHead: ByteWriter;
  /** Parse heads that arrive in one piece. Valid during one event. */
  readonly requestHead: ParsedRequest;
  readonly responseHead: ParsedResponse;
  /** Open upstream connections. */
  readonly upstreamConnections = new Set<Closable>();
  /** For connections that await or receive a response; an idle connection has no reader. */
  readonly readers = new FreeList(() => new ResponseReader(this.responseHead));
  #upstreamSessions: UpstreamSessions | undefined;
  #active = 0;
  #drainHolds = 0;
  readonly #onIdle: Array<() => void> = [];
  isDraining = false;

  constructor(options: EngineOptions, { sockets, wheel, random }: WireDependencies) {
    this.options = options;
    this.sockets = sockets;
    this.wheel = wheel;
    this.random = random;
    this.requestHead = new ParsedRequest(requestLimits(options.limits));
    this.responseHead = new ParsedResponse(responseLimits(options.limits));
    const { responseHeadBytes, responseFields } = options.limits;
    this.scratch = Buffer.allocUnsafeSlow(
      responseHeadBytes + maxAddedBytes(responseFields) + smallPieceBytes,
    );
    this.editedHead = new ByteWriter(this.scratch.length);
    this.clientTimers = new ClientTimeoutTimers(wheel, options.clientTimeouts);
  }

  /** The HTTP/2 connections to upstreams. */
  get upstreamSessions(): UpstreamSessions {
    return (this.#upstreamSessions ??= new UpstreamSessions(this, this.options.limits));
  }

  /** Number of open exchanges and tunnels. One counts until its last bytes have left. */
  get active(): number {
    return this.#active;
  }

  requestStarted(): void {
    this.#active += 1;
  }

  requestEnded(): void {
    this.#active -= 1;
    this.#resolveIfIdle();
  }

  /** A drain waits for `releaseDrain` too: a connection without a request has something to send. */
  holdDrain(): void {
    this.#drainHolds += 1;
  }

  releaseDrain(): void {
    this.#drainHolds -= 1;
    this.#resolveIfIdle();
  }

  #resolveIfIdle(): void {
    if (this.#onIdle.length === 0 || this.#active + this.#drainHolds > 0) return;
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  /** Resolves when nothing is active. */
  whenIdle(): Promise<void> {
    if (this.#active + this.#drainHolds === 0) return Promise.resolve();
    return new Promise((resolve) => void this.#onIdle.push(resolve));
  }

  /** Closes idle upstream connections. */
  closeIdle(): void {
    for (const connection of [...this.upstreamConnections]) connection.closeIfIdle();
  }
}

/** How long we wait after our FIN for the client's before we close (RFC 9112 section 9.6). */
const lingerMs = 2_000;

/** Timeouts of client connections. One timeout runs per connection: each call replaces the previous one. */
class ClientTimeoutTimers {
  readonly #wheel: TimerWheel;
  readonly #timeouts: ClientTimeouts;

  constructor(wheel: TimerWheel, timeouts: ClientTimeouts) {
    this.#wheel = wheel;
    this.#timeouts = timeouts;
  }

  /** Until the next request begins. */
  forRequest(client: TimerEntry): void {
    this.#wheel.arm(client, this.#timeouts.keepAliveMs);
  }

  /** Until a head is complete. Also on a new connection, since a silent client occupies the place of another one. */
  forHead(client: TimerEntry): void {
    this.#wheel.arm(client, this.#timeouts.headMs);
  }

  /** Until more of the request body arrives; never while we have paused the client ourselves. */
  forBody(client: TimerEntry & { readonly isPaused: boolean }): void {
    if (client.isPaused) this.disarm(client);
    else this.#wheel.arm(client, this.#timeouts.bodyIdleMs);
  }

  /** Until a client whose send queue is not empty takes another byte. */
  forSend(client: TimerEntry): void {
    this.#wheel.arm(client, this.#timeouts.bodyIdleMs);
  }

  /** Until the client closes its side after our FIN. */
  forLingeringClose(client: TimerEntry): void {
    this.#wheel.arm(client, lingerMs);
  }

  /** Nothing is expected from the client. */
  disarm(client: TimerEntry): void {
    this.#wheel.disarm(client);
  }
}

/** Items in one free list; more are left to the garbage collector. */
const maxFree = 1_024;

/** Objects for reuse, the last one released first: it is most likely still in the processor's cache. */
export class FreeList<Item> {
  readonly #create: () => Item;
  readonly #free: Item[] = [];

  constructor(create: () => Item) {
    this.#create = create;
  }

  acquire(): Item {
    return this.#free.pop() ?? this.#create();
  }

  release(item: Item): void {
    if (this.#free.length < maxFree) this.#free.push(item);
  }
}
