/** The listeners of this process, with the ports that they have: no upstream may be one of them. */

import type { ListenerKey } from "../config/cross-checks.ts";
import type { Address } from "../net/address.ts";
import { reachesListener } from "../net/own-addresses.ts";

export interface OwnListener {
  readonly key: ListenerKey;
  /** The address that it is bound to. */
  readonly hostname: string;
  readonly port: number;
}

export class OwnListeners {
  readonly #listeners: OwnListener[] = [];

  add(listener: OwnListener): void {
    this.#listeners.push(listener);
  }

  /** The listener that connects to this address would reach, as far as its text says. */
  at({ hostname, port }: Pick<Address, "hostname" | "port">): OwnListener | undefined {
    return this.#listeners.find(
      (listener) => listener.port === port && reachesListener(hostname, listener.hostname),
    );
  }
}
