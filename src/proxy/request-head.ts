/** What the proxy may ask of a request's head; each engine answers it from what it has, and only when asked. */

export interface RequestHead {
  readonly method: string;
  /** Path and query as received (origin-form), never decoded. */
  readonly target: string;
  /** The Host field: name and port as the client wrote them. */
  readonly host: string;
  /** The peer's IP address, IPv4-mapped IPv6 already shortened to IPv4. */
  readonly clientAddress: string;
  readonly scheme: "http" | "https";
  /** A field's value by its lower-case name, repeated ones joined with ", "; undefined if absent. */
  header(name: string): string | undefined;
}

/** The path without the query. */
export function pathOf(head: RequestHead): string {
  const query = head.target.indexOf("?");
  return query < 0 ? head.target : head.target.slice(0, query);
}

/** "::ffff:192.0.2.1" → "192.0.2.1": listeners on both families report IPv4 peers as IPv4-mapped IPv6 (RFC 4291). */
export function plainAddress(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}
