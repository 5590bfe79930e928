/** The wire engine over a runtime's sockets: listens, and assembles the parts that serve its connections. */

import { sleep, systemClock, systemSchedule } from "../../lib/clock.ts";
import { systemRandom } from "../../lib/random.ts";
import { plainAddress } from "../../net/address.ts";
import type { ListeningSocket } from "../../net/listening-sockets.ts";
import { abortAttempts } from "../../pool/attempt-control.ts";
import {
  type Engine,
  type EngineListener,
  type EngineOptions,
  failedListener,
  guardedLog,
  listenError,
  openAll,
} from "../engine.ts";
import { ClientConnection } from "./client-connection.ts";
import type { ConnectionTls } from "../../tls/connection-tls.ts";
import { ClientListener } from "./client-listener.ts";
import { FreeList, WireContext } from "./context.ts";
import { RequestForwarder } from "./request-forwarder.ts";
import { Http2Context } from "./http2/context.ts";
import { ServerSession } from "./http2/server-session.ts";
import { ProtocolDetector } from "./client-protocol.ts";
import { ProxyHeaderReader } from "./proxy-header-reader.ts";
import type { ClientSocketHandler, ListenOptions, Sockets, WireListener } from "./sockets.ts";
import { TimerWheel } from "../../lib/timer-wheel.ts";

export function wireEngineOver(sockets: Sockets): Engine {
  return { name: "wire", listen: (options) => listen(options, sockets) };
}

async function listen(requested: EngineOptions, sockets: Sockets): Promise<EngineListener> {
  const options = { ...requested, log: guardedLog(requested.log) };
  const wheel = new TimerWheel(systemClock, systemSchedule);
  const context = new WireContext(options, { sockets, wheel, random: systemRandom });
  const forwarders = new FreeList(() => new RequestForwarder(context, options.exchange()));
  const count = { open: 0, max: options.maxClients ?? Infinity };
  const listeners = options.listeners.map((own) => new ClientListener(own, options, count));
  const adoptions = listeners.flatMap((listener) => adoptionsOf(listener));
  const openedEach = await openAll(
    adoptions,
    ({ listener, socket }) =>
      sockets.listen({
        ...(socket && { socket }),
        hostname: listener.options.hostname,
        port: listener.options.port,
        sharesPort: options.sharesPort,
        ...(listener.options.tls && { tls: listener.options.tls }),
        ...(listener.options.tls && listener.options.proxyProtocol && { startsPlain: true }),
        protocols: listener.options.http2 ? ["h2", "http/1.1"] : ["http/1.1"],
        handshakeMs: options.clientTimeouts.headMs,
        handshakeRefused: (why) => listener.handshakeRefused(why),
        accept: acceptWith(context, listener, forwarders),
      }),
    stopAll,
  ).catch((error: unknown) => {
    // The position among all sockets is not the one among the listeners.
    const failed = adoptions[failedListener(error)]?.listener;
    throw listenError(error, failed ? listeners.indexOf(failed) : 0);
  });
  const openedBy = listeners.map((listener) =>
    openedEach.filter((_, index) => adoptions[index]?.listener === listener),
  );
  for (const [index, listener] of listeners.entries()) {
    const [first] = openedBy[index] ?? [];
    if (first) listener.opened(first.port, first.hostname);
  }
  let isRetired = false;
  const stop = () => {
    context.isDraining = true;
    if (!isRetired) stopAll(openedEach);
  };
  return {
    ports: listeners.map(({ port }) => port),
    sockets: () => socketsOf(openedBy),
    retire() {
      stop();
      isRetired = true;
      for (const listener of listeners) listener.announceEnd();
    },
    active: () => context.active,
    clients: () => count.open,
    abortAttempts,
    // Of upstreams only: the number of clients has its own limit, which leaves room.
    releaseIdle: () => context.closeIdle(),
    async drain() {
      stop();
      if (isRetired) await closeServed(listeners);
      for (const listener of listeners) listener.closeIdle();
      context.closeIdle();
      await context.whenIdle();
    },
    close() {
      stop();
      for (const listener of listeners) listener.close();
      context.closeIdle();
      wheel.stop();
    },
  };
}

/** A listener, and one of the sockets that it adopts. Without sockets it opens one. */
interface Adoption {
  readonly listener: ClientListener;
  readonly socket: ListeningSocket | undefined;
}

function adoptionsOf(listener: ClientListener): readonly Adoption[] {
  const { sockets = [] } = listener.options;
  return (sockets.length > 0 ? sockets : [undefined]).map((socket) => ({ listener, socket }));
}

/** Undefined if the descriptor of one is unknown. */
function socketsOf(
  openedBy: readonly (readonly WireListener[])[],
): readonly (readonly ListeningSocket[])[] | undefined {
  const sockets = openedBy.map((opened) =>
    opened.flatMap(({ fd, port }) => (fd === undefined ? [] : [{ fd, port }])),
  );
  return sockets.every(({ length }, index) => length === openedBy[index]?.length) ? sockets : undefined;
}

/** How long a connection that another process will not serve waits for its first request. */
const freshMs = 5_000;
const freshCheckMs = 50;

/** Closes idle connections that have had a response. Waits for the others: their clients would see a failed connect. */
async function closeServed(listeners: readonly ClientListener[]): Promise<void> {
  const until = systemClock() + freshMs;
  do {
    // After a blocked turn, requests that have arrived already are read first.
    await sleep(freshCheckMs);
    for (const listener of listeners) listener.closeIdle("fresh");
  } while (listeners.some(({ hasFresh }) => hasFresh) && systemClock() < until);
}

function stopAll(listeners: readonly WireListener[]): void {
  for (const listener of listeners) listener.stop();
}

function acceptWith(
  context: WireContext,
  listener: ClientListener,
  forwarders: FreeList<RequestForwarder>,
): ListenOptions["accept"] {
  const connect = protocolsOf(context, listener, forwarders);
  const { proxyProtocol } = listener.options;
  if (!proxyProtocol) return (peer) => connect(plainAddress(peer), plainAddress(peer));
  return (given) => {
    const peer = plainAddress(given);
    const isProxy = proxyProtocol.isFrom(peer);
    // Over TLS someone must start the handshake of the others too.
    if (!isProxy && !listener.options.tls) return connect(peer, peer);
    const next = (address: string) => connect(address, peer);
    return new ProxyHeaderReader(context, {
      listener,
      peer,
      next,
      ...(isProxy && { timeoutMs: proxyProtocol.timeoutMs }),
    });
  };
}

/** @returns creates the handler of a client's connection, by the client's address and the peer's */
function protocolsOf(
  context: WireContext,
  listener: ClientListener,
  forwarders: FreeList<RequestForwarder>,
): (address: string, peerAddress: string) => ClientSocketHandler {
  const http1 = (address: string, peerAddress: string, tls?: ConnectionTls) =>
    new ClientConnection(context, forwarders, { listener, address, peerAddress, tls });
  if (!listener.options.http2 && !listener.options.tls) return http1;
  const { requestHead, responseHead } = context;
  const http2 = new Http2Context(requestHead.parser.limits, responseHead.parser.limits);
  // Over TLS it waits for the end of the handshake, whatever the protocols are.
  return (address, peerAddress) =>
    new ProtocolDetector(context, listener, {
      http1: (tls) => http1(address, peerAddress, tls),
      http2: (tls) => new ServerSession(context, { http2, forwarders, listener, address, peerAddress, tls }),
    });
}
