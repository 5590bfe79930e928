/** The wire engine on Bun's sockets. */

import { freezeClock, thawClock } from "../../lib/clock.ts";
import { type Address, certifiedName, tlsClientOptions } from "../../net/address.ts";
import type { Engine } from "../engine.ts";
import { handshakeCode } from "./http2/protocol.ts";
import { bunTlsOf, worksOnThisBun } from "./tls-bun.ts";
import { answerPlainHttp } from "./tls-node.ts";
import { wireEngineOver } from "./listener.ts";
import { nodeSockets } from "./node.ts";
import { bunSendLast } from "./last-write-bun.ts";
import { BunUpstreamSocket } from "./upstream-socket-bun.ts";
import type {
  ClientSocketHandler,
  ConnectHandler,
  ConnectOptions,
  ListenOptions,
  SocketHandler,
  Sockets,
  WireListener,
} from "./sockets.ts";

/** One table of callbacks for all connections. The handler is the socket's `data`. */
const handlers: Bun.SocketHandler<SocketHandler> = {
  data(socket, chunk) {
    freezeClock();
    try {
      socket.data.received(chunk);
    } finally {
      thawClock();
    }
  },
  drain: (socket) => socket.data.drained(),
  end: (socket) => socket.data.ended(),
  close: (socket, error) => socket.data.closed(error),
  error(socket, error) {
    // An alert of the peer after the handshake, such as for a certificate that we lack, comes here too. `close` follows.
    if (codeOf(error) !== "EPROTO") socket.data.handlerThrew(error);
  },
};

/** For plain connections to upstreams. */
const plainHandlers: Bun.SocketHandler<BunUpstreamSocket> = {
  open: (socket) => socket.data.opened(socket),
  data(socket, chunk) {
    freezeClock();
    try {
      socket.data.received(chunk);
    } finally {
      thawClock();
    }
  },
  drain: (socket) => socket.data.data.drained(),
  end: (socket) => socket.data.data.ended(),
  close: (socket, error) => socket.data.closed(error),
  error: (socket, error) => socket.data.data.handlerThrew(error),
  connectError: (socket, error) => socket.data.data.refused(codeOf(error)),
};

/** Calls `opened` after the certificate was verified: no byte of a request may reach an impostor. */
const verifiedTlsHandlers: Bun.SocketHandler<ConnectHandler> = {
  ...(handlers as Bun.SocketHandler<ConnectHandler>),
  connectError: (socket, error) => socket.data.refused(codeOf(error)),
  // The TCP connection is open, and the handshake begins. Its peer may never answer.
  open: (socket) => socket.data.pending(socket),
  handshake(socket, isAuthorized, error) {
    if (isAuthorized) return socket.data.opened(socket);
    socket.data.refused(error ? handshakeCode(error) : "certificate rejected");
    socket.terminate();
  },
};

/** What Bun reports, in place of a fault of the certificate, for a handshake that failed: no TLS, or closed. */
const failedHandshake: ReadonlySet<string> = new Set(["EPROTO", "ECONNRESET"]);

const unverifiedTlsHandlers: Bun.SocketHandler<ConnectHandler> = {
  ...verifiedTlsHandlers,
  handshake(socket, isAuthorized, error) {
    const hasFailed = !isAuthorized && error !== null && failedHandshake.has(codeOf(error));
    if (hasFailed) verifiedTlsHandlers.handshake?.(socket, isAuthorized, error);
    else socket.data.opened(socket);
  },
};

/** Bun takes the wire form of a list of protocols. */
const onlyProtocol = {
  h2: Buffer.from("\x02h2", "latin1"),
  "http/1.1": Buffer.from("\x08http/1.1", "latin1"),
};

/** For listeners. */
const clientHandlers: Bun.SocketHandler<ClientSocketHandler> = {
  ...(handlers as Bun.SocketHandler<ClientSocketHandler>),
  // Without this callback Bun calls `open` only after the handshake, which a client may never finish.
  handshake(socket, isSecure, error) {
    if (isSecure)
      return socket.data.secured(socket.alpnProtocol || "", {
        serverName: socket.getServername() || undefined,
        version: socket.getTLSVersion() || undefined,
      });
    const why = error ? `${codeOf(error)} ${error.message}` : "";
    answerPlainHttp(socket, why);
    socket.data.insecure?.(why);
  },
};

/** @param hasBunTls whether Bun's own sockets can serve TLS; otherwise node's do, which cost more CPU time and memory */
export function bunSockets(hasBunTls: () => Promise<boolean> = worksOnThisBun): Sockets {
  return { listen: (options) => listen(options, hasBunTls), connect, sendLast: bunSendLast };
}

async function listen(options: ListenOptions, hasBunTls: () => Promise<boolean>): Promise<WireListener> {
  const { hostname, port, sharesPort, tls, protocols, accept, socket: given } = options;
  // Certificates of clients, and bytes before the handshake, need the documented way.
  if (tls && (tls.clientCertificates || tls.answersChallenges || options.startsPlain || !(await hasBunTls())))
    return nodeSockets.listen(options);
  const secure = tls && bunTlsOf(tls, protocols);
  const listener = Bun.listen<ClientSocketHandler>({
    // Bun's types lack the descriptor, in options and listener.
    ...(given ? ({ fd: given.fd } as unknown as { hostname: string; port: number }) : { hostname, port }),
    ...(sharesPort && !given && { reusePort: true }),
    allowHalfOpen: true,
    ...(secure && { tls: secure.options }),
    socket: {
      ...clientHandlers,
      ...(secure && { serverName: secure.serverName }),
      open(socket) {
        // Undefined if the client has reset the connection already, although the type says otherwise.
        const handler = accept((socket.remoteAddress as string | undefined) ?? "");
        socket.data = handler;
        handler.opened(socket);
      },
    },
  });
  const unfollow = secure?.follow(listener);
  return {
    hostname: given ? hostname : listener.hostname,
    port: given ? given.port : listener.port,
    fd: given ? given.fd : (listener as { readonly fd?: number }).fd,
    stop() {
      unfollow?.();
      listener.stop();
    },
  };
}

function connect(address: Address, host: string, handler: ConnectHandler, given: ConnectOptions = {}): void {
  // Bytes before the handshake need the documented way.
  if (given.greeting) return nodeSockets.connect(address, host, handler, given);
  const { protocol, port, tls = { verify: true } } = address;
  const options = { hostname: host, port, allowHalfOpen: true };
  const connecting =
    protocol === "https"
      ? Bun.connect<ConnectHandler>({
          ...options,
          data: handler,
          tls: bunTls(address, given),
          socket: tls.verify ? verifiedTlsHandlers : unverifiedTlsHandlers,
        })
      : Bun.connect<BunUpstreamSocket>({
          ...options,
          data: new BunUpstreamSocket(handler),
          socket: plainHandlers,
        });
  // `connectError` reports the same error to the handler.
  connecting.catch(() => {});
}

function bunTls(
  address: Address,
  { protocol = address.http2 ? "h2" : undefined }: ConnectOptions,
): Bun.TLSOptions {
  return {
    serverName: certifiedName(address),
    ...tlsClientOptions(address.tls),
    ...(protocol && { ALPNProtocols: onlyProtocol[protocol] }),
  };
}

function codeOf(error: Error): string {
  return "code" in error ? String(error.code) : error.message;
}

export const wireEngine: Engine = wireEngineOver(bunSockets());
