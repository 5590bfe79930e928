/** The listening sockets of workers. The first process holds them and accepts nothing, so that they outlive a worker. */

import type { ListenerConfig } from "../config/config.ts";
import { openAll } from "../engine/engine.ts";
import type { InheritedSocket } from "../handover/inherited-sockets.ts";
import type { ListeningSocket } from "../net/listening-sockets.ts";

export interface SocketHolder {
  /** Resolves with the port, or with a free one for 0. Rejects with the system's code if another process listens on it. */
  readonly claimPort: (hostname: string, port: number) => Promise<number>;
  /** Listens without accepting; several times on one port, where the runtime can. Undefined where the system cannot. */
  readonly hold: (hostname: string, port: number) => Promise<ListeningSocket | undefined>;
  readonly close: (fd: number) => void;
}

type Listener = Pick<ListenerConfig, "name" | "hostname" | "port">;

interface Held {
  readonly listener: Listener;
  readonly port: number;
  /** One for each worker, so that the kernel spreads connections evenly. Fewer are shared; none if they cannot be held. */
  readonly sockets: ListeningSocket[];
}

/**
 * Connections wait in the queue of a socket while its worker restarts. A worker that cannot start gives up its socket, so
 * that the kernel sends new connections to the others.
 */
export class WorkerSockets {
  readonly #holder: SocketHolder;
  readonly #workers: number;
  #held: readonly Held[] = [];

  constructor(holder: SocketHolder, workers: number) {
    this.#holder = holder;
    this.#workers = workers;
  }

  /**
   * Rejects with the system's error code if a port is not available.
   * @param inherited the sockets of a listener, by its position, where another process has opened them
   * @returns the ports
   */
  async open(
    listeners: readonly Listener[],
    inherited: (index: number) => readonly ListeningSocket[],
  ): Promise<readonly number[]> {
    let index = 0;
    this.#held = await openAll(listeners, (listener) => this.#open(listener, inherited(index++)));
    return this.#held.map(({ port }) => port);
  }

  async #open(listener: Listener, inherited: readonly ListeningSocket[]): Promise<Held> {
    const { hostname } = listener;
    const [first] = inherited;
    const port = first?.port ?? (await this.#holder.claimPort(hostname, listener.port));
    const held = { listener, port, sockets: [...inherited] };
    while (held.sockets.length < this.#workers && (await this.#add(held)));
    return held;
  }

  /** A socket that was not opened for sharing stays the only one of its port. */
  async #add({ listener: { hostname }, port, sockets }: Held): Promise<boolean> {
    try {
      const socket = await this.#holder.hold(hostname, port);
      if (socket) sockets.push(socket);
      return socket !== undefined;
    } catch {
      return false;
    }
  }

  /** The ones that a worker accepts from. */
  of(worker: number): readonly InheritedSocket[] {
    return this.#held.flatMap(({ listener: { name, hostname }, port, sockets }) =>
      this.#share(sockets, worker).map((socket) => {
        return { ...socket, name, hostname, configuredPort: port, isNamed: false };
      }),
    );
  }

  /** Surplus sockets of a process with more workers are accepted from too. */
  #share(sockets: readonly ListeningSocket[], worker: number): readonly ListeningSocket[] {
    if (sockets.length >= this.#workers)
      return sockets.filter((_, index) => index % this.#workers === worker);
    const shared = sockets[worker % sockets.length];
    return shared ? [shared] : [];
  }

  /** Replaces the sockets of a worker, unless it shares them. What waits in their queues is lost. */
  async renew(worker: number): Promise<void> {
    for (const held of this.#held) {
      const { sockets } = held;
      if (sockets.length < this.#workers) continue;
      const own = this.#share(sockets, worker);
      for (const { fd } of own) this.#holder.close(fd);
      const kept = sockets.filter((socket) => !own.includes(socket));
      const renewed: ListeningSocket[] = [];
      await this.#add({ ...held, sockets: renewed });
      sockets.splice(0, sockets.length, ...withAt(kept, worker, renewed));
    }
  }

  /** The sockets of each listener; undefined if they are not held. */
  get all(): readonly (readonly ListeningSocket[])[] | undefined {
    const all = this.#held.map(({ sockets }) => sockets);
    return all.every(({ length }) => length > 0) ? all : undefined;
  }

  /** From now on only workers have them. */
  close(): void {
    for (const { fd } of this.#held.flatMap(({ sockets }) => sockets)) this.#holder.close(fd);
    this.#held = [];
  }
}

function withAt<T>(list: readonly T[], index: number, added: readonly T[]): readonly T[] {
  return [...list.slice(0, index), ...added, ...list.slice(index)];
}
