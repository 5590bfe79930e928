/** The connections that have frames to send. They send them after the events that are ready now: many responses in one write. */

import { afterEvents } from "../../../lib/clock.ts";
import { toError } from "../../../lib/bugs.ts";

export interface Flushable {
  /** Sends what has been collected. */
  flushCollected(): void;
  /** `flushCollected` threw, which is a bug. It must not affect other connections. */
  handlerThrew(error: Error): void;
}

let waiting: Flushable[] = [];
/** Empty: takes the place of `waiting` while that is flushed. */
let spare: Flushable[] = [];

/** @param connection that is not in the queue */
export function flushLater(connection: Flushable): void {
  if (waiting.push(connection) === 1) afterEvents(flushAll);
}

function flushAll(): void {
  const connections = waiting;
  waiting = spare;
  for (const connection of connections) {
    try {
      connection.flushCollected();
    } catch (error) {
      connection.handlerThrew(toError(error));
    }
  }
  connections.length = 0;
  spare = connections;
}
