/** The HTTP/2 connections to all upstreams: requests to one server share them, in as few as the server allows. */

import type { Address } from "../../../net/address.ts";
import type { MessageLimits } from "../../engine.ts";
import type { ConnectHandler, Sockets } from "../sockets.ts";
import { UpstreamHttp2Context } from "./context.ts";
import { Http1Connect, type Http1ConnectOwner } from "./http1-connect.ts";
import { type SessionGroup, UpstreamSession, type UpstreamSessionContext } from "./upstream-session.ts";

export interface UpstreamSessionsContext extends UpstreamSessionContext {
  readonly sockets: Pick<Sockets, "connect">;
}

export class UpstreamSessions {
  readonly #context: UpstreamSessionsContext;
  readonly #http2: UpstreamHttp2Context;
  /** By address and host. An address that the upstream no longer has takes its connections along. */
  readonly #groups = new WeakMap<Address, Map<string, ServerSessions>>();

  constructor(context: UpstreamSessionsContext, limits: MessageLimits) {
    this.#context = context;
    this.#http2 = new UpstreamHttp2Context(limits);
  }

  /**
   * Gives the handler a socket on a shared connection, as `Sockets.connect` gives it one of its own.
   * @param maxAgeMs after which a connection that is opened now takes no new requests
   */
  connect(address: Address, host: string, handler: ConnectHandler, maxAgeMs: number): void {
    const hosts = this.#groups.get(address) ?? new Map<string, ServerSessions>();
    this.#groups.set(address, hosts);
    let group = hosts.get(host);
    if (!group) {
      if (hosts.size >= maxUnused) for (const [name, other] of hosts) if (other.isUnused) hosts.delete(name);
      group = new ServerSessions(this.#context, this.#http2, { address, host });
      hosts.set(host, group);
    }
    group.maxAgeMs = maxAgeMs;
    group.connect(handler);
  }
}

/** Timed-out connects to one server that the system still works on: a black hole must not use up all sockets. */
const maxAbandoned = 8;

/** From this many servers behind one name on, those without a connection are forgotten. */
const maxUnused = 16;

/** The connections to one server. */
class ServerSessions implements SessionGroup, Http1ConnectOwner {
  readonly #context: UpstreamSessionsContext;
  readonly #http2: UpstreamHttp2Context;
  readonly #server: { readonly address: Address; readonly host: string };
  readonly #sessions = new Set<UpstreamSession>();
  maxAgeMs = Infinity;
  #abandoned = 0;

  constructor(
    context: UpstreamSessionsContext,
    http2: UpstreamHttp2Context,
    server: { readonly address: Address; readonly host: string },
  ) {
    this.#context = context;
    this.#http2 = http2;
    this.#server = server;
  }

  get scheme(): "http" | "https" {
    return this.#server.address.protocol;
  }

  connect(handler: ConnectHandler): void {
    if (handler.needsWebSocket && this.#refusesTunnels) this.#connectOverHttp1(handler);
    else this.#share(handler);
  }

  /** Whether a connection is open that carries no WebSocket: another one would not either. */
  get #refusesTunnels(): boolean {
    for (const session of this.#sessions) if (session.isOpen && !session.takesTunnels) return true;
    return false;
  }

  /** As browsers do it for a WebSocket. */
  #connectOverHttp1(handler: ConnectHandler): void {
    if (this.#isBlackHole) return refuseLater(handler);
    const { address, host } = this.#server;
    const connect = new Http1Connect(handler, this);
    this.#context.sockets.connect(address, host, connect, { protocol: "http/1.1" });
  }

  /** The server gets a request that opens no WebSocket, and its response is the refusal. */
  handshakeFailed(handler: ConnectHandler): void {
    handler.needsWebSocket = false;
    this.#share(handler);
  }

  #share(handler: ConnectHandler): void {
    const session = this.#leastLoaded();
    if (session) return session.add(handler);
    if (this.#isBlackHole) return refuseLater(handler);
    const created = new UpstreamSession(this.#context, {
      http2: this.#http2,
      group: this,
      maxAgeMs: this.maxAgeMs,
    });
    this.#sessions.add(created);
    created.add(handler);
    this.#context.sockets.connect(this.#server.address, this.#server.host, created);
  }

  get #isBlackHole(): boolean {
    return this.#abandoned >= maxAbandoned;
  }

  /** Of the connections below their limit, the one with the fewest requests; one that is not open yet only if there is no other. */
  #leastLoaded(): UpstreamSession | undefined {
    let best: UpstreamSession | undefined;
    for (const session of this.#sessions) {
      if (!session.hasCapacity) continue;
      const isBetter = !best || (session.isOpen === best.isOpen ? session.load < best.load : session.isOpen);
      if (isBetter) best = session;
    }
    return best;
  }

  removed(session: UpstreamSession): void {
    this.#sessions.delete(session);
  }

  get isUnused(): boolean {
    return this.#sessions.size === 0 && this.#abandoned === 0;
  }

  connectAbandoned(): void {
    this.#abandoned += 1;
  }

  abandonedConnectEnded(): void {
    this.#abandoned -= 1;
  }
}

function refuseLater(handler: ConnectHandler): void {
  // Not before the caller has returned.
  queueMicrotask(() => handler.refused("ETIMEDOUT"));
}
