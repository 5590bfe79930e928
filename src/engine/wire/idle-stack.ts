/** Idle connections, the most recently used on top: a list through the connections themselves, so that keeping one touches nothing else. */

import type { UpstreamConnection } from "./upstream-connection.ts";

export class IdleConnections {
  #top: UpstreamConnection | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(connection: UpstreamConnection): void {
    connection.below = this.#top;
    if (this.#top) this.#top.above = connection;
    this.#top = connection;
    this.#size += 1;
  }

  pop(): UpstreamConnection | undefined {
    const top = this.#top;
    if (top) this.remove(top);
    return top;
  }

  /** Nothing happens to one that is not there. */
  remove(connection: UpstreamConnection): void {
    const { above, below } = connection;
    if (connection !== this.#top && !above) return;
    if (above) above.below = below;
    else this.#top = below;
    if (below) below.above = above;
    connection.above = undefined;
    connection.below = undefined;
    this.#size -= 1;
  }
}
