/** The wire engine on Bun's sockets. */

import { freezeClock, thawClock } from "../../lib/clock.ts";
import { certifiedName } from "../../net/address.ts";
import { type Address } from "../../net/address.ts";
import type { Engine } from "../engine.ts";
import { wireEngineOver } from "./listener.ts";
import type { ClientSocketHandler, ConnectHandler, Sockets, SocketHandler } from "./sockets.ts";

/** One table of handlers for all connections: the owner rides on the socket. */
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
  error: (socket, error) => socket.data.handlerThrew(error),
};

const connectHandlers: Bun.SocketHandler<ConnectHandler> = {
  ...(handlers as Bun.SocketHandler<ConnectHandler>),
  open: (socket) => socket.data.opened(socket),
  connectError: (socket, error) => socket.data.refused(codeOf(error)),
};

/** Open only when the certificate was accepted: no byte of a request may reach an impostor. */
const verifiedTlsHandlers: Bun.SocketHandler<ConnectHandler> = {
  ...connectHandlers,
  open() {},
  handshake(socket, isAuthorized, error) {
    if (isAuthorized) return socket.data.opened(socket);
    socket.data.refused(error?.message ?? "certificate not accepted");
    socket.terminate();
  },
};

const unverifiedTlsHandlers: Bun.SocketHandler<ConnectHandler> = {
  ...connectHandlers,
  open() {},
  handshake: (socket) => socket.data.opened(socket),
};

const bunSockets: Sockets = {
  listen({ hostname, port, sharesPort, tls, accept }) {
    return new Promise((resolve) => {
      const listener = Bun.listen<ClientSocketHandler>({
        hostname,
        port,
        ...(sharesPort && { reusePort: true }),
        allowHalfOpen: true,
        ...(tls && { tls }),
        socket: {
          ...(handlers as Bun.SocketHandler<ClientSocketHandler>),
          // Without this one Bun would tell of a connection only when its handshake is done, if that is ever.
          handshake: (socket, isSecure) => void (isSecure && socket.data.secured()),
          open(socket) {
            // Who has reset already has no address any more, whatever the types say.
            const handler = accept((socket.remoteAddress as string | undefined) ?? "");
            socket.data = handler;
            handler.opened(socket);
          },
        },
      });
      resolve({ hostname: listener.hostname, port: listener.port, stop: () => listener.stop() });
    });
  },

  connect(address, handler) {
    const { protocol, hostname, port, tls = { verify: true } } = address;
    const options = { hostname, port, allowHalfOpen: true, data: handler };
    const connecting =
      protocol === "https"
        ? Bun.connect<ConnectHandler>({
            ...options,
            tls: bunTls(address),
            socket: tls.verify ? verifiedTlsHandlers : unverifiedTlsHandlers,
          })
        : Bun.connect<ConnectHandler>({ ...options, socket: connectHandlers });
    // `connectError` has told the owner what the rejection says.
    connecting.catch(() => {});
  },
};

function bunTls(address: Address): Bun.TLSOptions {
  const { ca, verify } = address.tls ?? { verify: true };
  return { serverName: certifiedName(address), rejectUnauthorized: verify, ...(ca !== undefined && { ca }) };
}

function codeOf(error: Error): string {
  return "code" in error ? String(error.code) : error.message;
}

export const wireEngine: Engine = wireEngineOver(bunSockets);
