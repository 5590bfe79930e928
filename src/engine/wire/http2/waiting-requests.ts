/** Requests that wait until an upstream's connection has a socket for them. */

import { toError } from "../../../lib/bugs.ts";
import type { ConnectHandler } from "../sockets.ts";

/** Calls a request's handler. A bug in one request must not reach the others of the connection. */
export function guarded(handler: ConnectHandler, step: () => void): void {
  try {
    step();
  } catch (error) {
    handler.handlerThrew(toError(error));
  }
}

export class WaitingRequests {
  #handlers: ConnectHandler[] = [];

  get count(): number {
    return this.#handlers.length;
  }

  /** @param onLeave called if the request gives up */
  add(handler: ConnectHandler, onLeave: () => void): void {
    this.#handlers.push(handler);
    handler.pending({
      terminate: () => {
        this.#handlers = this.#handlers.filter((other) => other !== handler);
        onLeave();
      },
    });
  }

  /** Takes all out. */
  takeAll(): readonly ConnectHandler[] {
    const handlers = this.#handlers;
    this.#handlers = [];
    return handlers;
  }

  /** @param code the system's error code, or what stands in its place */
  refuseAll(code: string): void {
    for (const handler of this.takeAll()) guarded(handler, () => handler.refused(code));
  }
}
