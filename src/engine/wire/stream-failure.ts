/** How a stream of a connection that requests share can end, where a socket of its own could not. */

/**
 * - `refused`: the upstream did nothing for the request, and says so (REFUSED_STREAM, RFC 9113 section 8.7)
 * - `moved`: the connection takes no new requests, and nothing was done for this one (GOAWAY)
 * - `invalid`: the response breaks a rule; the message names it
 */
export type StreamFailureKind = "refused" | "moved" | "invalid";

/** Given to `SocketHandler.closed`. */
export class StreamFailure extends Error {
  readonly kind: StreamFailureKind;

  constructor(kind: StreamFailureKind, message: string) {
    super(message);
    this.kind = kind;
  }
}
