/** What clients' addresses add to their requests: made once for all connections from one, and kept for those that came last. */

import type { RequestHead } from "../../proxy/request-head.ts";
import { type ForwardingOptions, viaName } from "../../proxy/forwarding.ts";
import { latin1 } from "./http1/bytes.ts";

/** Addresses that are remembered: a proxy's before us, or somebody's many connections. */
const maxKnown = 1_024;

/** What one address adds to each of its requests. */
export interface ClientForwarding {
  readonly address: string;
  /** All forwarding fields up to the name of the last one, whose value is the request's Host. */
  readonly prefix: Buffer;
  /** Whether the peer's own forwarding fields are believed: then each request is worked out anew. */
  readonly isTrusted: boolean;
  readonly setting: ForwardingOptions;
}

export class ForwardingCache {
  readonly scheme: RequestHead["scheme"];
  readonly #options: { readonly isTrustedProxy: ForwardingOptions["isTrustedProxy"]; listenPort: number };
  /** In the order in which they came. */
  readonly #known = new Map<string, ClientForwarding>();

  constructor(scheme: RequestHead["scheme"], isTrustedProxy: ForwardingOptions["isTrustedProxy"]) {
    this.scheme = scheme;
    this.#options = { isTrustedProxy, listenPort: 0 };
  }

  /** Before anybody connects: the port that clients reach us on. */
  listenOn(port: number): void {
    this.#options.listenPort = port;
  }

  /** As its address is judged now: whom we trust may change while others stay connected. */
  of(address: string): ClientForwarding {
    const isTrusted = this.#options.isTrustedProxy(address);
    const known = this.#known.get(address);
    if (known?.isTrusted === isTrusted) return known;
    const made = { address, prefix: this.#prefixOf(address), isTrusted, setting: this.#options };
    const first = this.#known.size >= maxKnown ? this.#known.keys().next().value : undefined;
    if (first !== undefined) this.#known.delete(first);
    this.#known.set(address, made);
    return made;
  }

  #prefixOf(address: string): Buffer {
    const headers = [
      `X-Forwarded-For: ${address}`,
      `X-Forwarded-Proto: ${this.scheme}`,
      `X-Forwarded-Port: ${this.#options.listenPort}`,
      `Via: ${viaName}`,
      "X-Forwarded-Host: ",
    ];
    return latin1(headers.join("\r\n"));
  }
}
