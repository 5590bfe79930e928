/** A request's head as routes, hash keys and logs read it, and request ids. Each engine implements it lazily. */

import type { ConnectionTls } from "../tls/connection-tls.ts";
import { type Random, randomIndex } from "../lib/random.ts";

export interface RequestHead {
  readonly method: string;
  /** Path and query as received (origin-form), never decoded. */
  readonly target: string;
  /** The Host header: name and port as the client wrote them. */
  readonly host: string;
  /** The IP address of the peer, or what its PROXY header names; IPv4-mapped IPv6 is shortened to IPv4. */
  readonly peerAddress: string;
  /** The client's IP address: the peer's, or what trusted proxies say. Engines compute it when it is read. */
  readonly clientAddress: string;
  readonly scheme: "http" | "https";
  /** Name of the listener that it came to. */
  readonly listener: string;
  /** Whether the peer is a trusted proxy, whose fields about the client count. */
  readonly isPeerTrusted?: boolean;
  /** Present where the engine knows of the TLS handshake. */
  readonly tls?: ConnectionTls | undefined;
  /** A header's value by its lower-case name, repeated ones joined with ", ", cookies with "; "; undefined if absent. */
  header(name: string): string | undefined;
}

/** The scheme that an X-Forwarded-Proto field names first; undefined if there is none. */
export function forwardedScheme(proto: string | undefined): "http" | "https" | undefined {
  const word = /^\s*(https?)\s*(?:,|$)/i.exec(proto ?? "")?.[1]?.toLowerCase();
  return word === "http" || word === "https" ? word : undefined;
}

/** Whether the client uses TLS, as far as the listener or a trusted proxy knows. */
export function isSecureClient(head: RequestHead): boolean {
  const given = head.isPeerTrusted ? forwardedScheme(head.header("x-forwarded-proto")) : undefined;
  return (given ?? head.scheme) === "https";
}

/** The path without the query. */
export function pathOf({ target }: Pick<RequestHead, "target">): string {
  const query = target.indexOf("?");
  return query < 0 ? target : target.slice(0, query);
}

/** A client's own id is kept if it is short and plain: anything else could forge log lines. */
const acceptable = /^[\w.:/+=@-]{1,128}$/;

/** The last two digits of every count, so that an id needs no arithmetic; few enough to stay in the processor's cache. */
const lastDigits: readonly string[] = Array.from({ length: 256 }, (_, count) => hex(count, 2));

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}

/** Creates request ids for log, response and upstream: eight random hex digits for this run, then a count. */
export function requestIds(random: Random): (given: string | undefined) => string {
  const run = hex(randomIndex(random, 2 ** 32), 8);
  let count = 0;
  let prefix = "";
  return (given) => {
    if (given !== undefined && acceptable.test(given)) return given;
    count += 1;
    const index = count % lastDigits.length;
    if (index === 0 || count === 1) {
      prefix = `${run}-${hex(Math.floor(count / lastDigits.length), 4)}`;
    }
    return prefix + (lastDigits[index] as string);
  };
}
