/** What the wire engine knows at the end of an exchange: read from the relay when asked, so that most ends make nothing. */

import type { ExchangeSummary } from "../../proxy/record.ts";
import type { ClientConnection } from "./client-connection.ts";
import type { ForwardedResponse } from "./forwarded-response.ts";
import type { ForwardedRequest } from "./forwarded-request.ts";
import type { Tunnel } from "./tunnel.ts";

/** What becomes of the client's connection after an exchange; `last`: it closes, and the client said that it sends no more. */
export type ConnectionFate = "keep" | "last" | "close" | "reset" | "gone";

/** After a whole answer. @param keepsAlive whether the connection may serve another request */
export function connectionFateOf(request: ForwardedRequest, keepsAlive: boolean): ConnectionFate {
  if (!request.isComplete) return "close";
  if (!request.keepsAlive) return "last";
  return keepsAlive ? "keep" : "close";
}

/** One for each relay, written anew for each of its exchanges. */
export class ForwarderSummary implements ExchangeSummary {
  readonly #request: ForwardedRequest;
  readonly #response: ForwardedResponse;
  #client: ClientConnection | undefined;
  #tunnelBytes = 0;
  isClientGone = false;

  constructor(request: ForwardedRequest, response: ForwardedResponse) {
    this.#request = request;
    this.#response = response;
  }

  of(client: ClientConnection, tunnel: Tunnel | undefined, isClientGone: boolean): this {
    this.#client = client;
    this.#tunnelBytes = tunnel?.receivedBytes ?? 0;
    this.isClientGone = isClientGone;
    return this;
  }

  get requestId(): string {
    return this.#request.id;
  }

  get clientAddress(): string {
    return this.#client?.forwarding.address ?? "";
  }

  get scheme(): "http" | "https" {
    return this.#client?.scheme ?? "http";
  }

  get status(): number {
    return this.#response.status;
  }

  get bytesIn(): number {
    return this.#request.receivedBytes + this.#tunnelBytes;
  }

  get bytesOut(): number {
    return (this.#client?.writtenBytes ?? 0) - this.#response.writtenBefore;
  }
}
