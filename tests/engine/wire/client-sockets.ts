/** Node's sockets, where a test wraps those of clients, for example to limit what they take. */

import { nodeSockets } from "../../../src/engine/wire/node.ts";
import type { ClientSocketHandler, Sockets, WireSocket } from "../../../src/engine/wire/sockets.ts";

/** @param wrap returns the socket that the handler gets instead; may also wrap the handler's methods */
export function clientSockets(
  wrap: (socket: WireSocket, handler: ClientSocketHandler) => WireSocket,
): Sockets {
  return {
    ...nodeSockets,
    listen: (options) =>
      nodeSockets.listen({
        ...options,
        accept(address) {
          const handler = options.accept(address);
          const opened = handler.opened.bind(handler);
          handler.opened = (socket) => opened(wrap(socket, handler));
          return handler;
        },
      }),
  };
}
