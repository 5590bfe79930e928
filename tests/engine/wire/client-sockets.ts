/** Node's sockets, with those of clients in a test's hands: to hold back what they take. */

import { nodeSockets } from "../../../src/engine/wire/node.ts";
import type { ClientSocketHandler, Sockets, WireSocket } from "../../../src/engine/wire/sockets.ts";

/** @param wrap what a client's owner is given in place of its socket; may also change what the owner hears */
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
