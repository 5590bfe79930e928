/** What an exchange reads of its forwarder at its end, and what then happens to the client's connection. */

import type { ExchangeSummary, HttpVersion } from "../../proxy/record.ts";
import type { ForwardedRequest } from "./forwarded-request.ts";
import type { ForwardedResponse } from "./forwarded-response.ts";
import type { Tunnel } from "./tunnel.ts";

/** The connection of the client, as far as a summary reads it. */
interface SummarizedClient {
  readonly scheme: "http" | "https";
  readonly writtenBytes: number;
  readonly listener: { readonly options: { readonly name: string } };
  readonly isStream: boolean;
  readonly peerAddress: string;
}

/** Reused for each request, and read in place without a copy. */
export class ForwarderSummary implements ExchangeSummary {
  readonly #request: ForwardedRequest;
  readonly #response: ForwardedResponse;
  #client: SummarizedClient | undefined;
  #tunnelBytes = 0;
  isClientGone = false;

  constructor(request: ForwardedRequest, response: ForwardedResponse) {
    this.#request = request;
    this.#response = response;
  }

  update(client: SummarizedClient, tunnel: Tunnel | undefined, isClientGone: boolean): this {
    this.#client = client;
    this.#tunnelBytes = tunnel?.receivedBytes ?? 0;
    this.isClientGone = isClientGone;
    return this;
  }

  get requestId(): string {
    return this.#request.id;
  }

  get clientAddress(): string {
    return this.#request.view.clientAddress;
  }

  get peerAddress(): string {
    return this.#client?.peerAddress ?? "";
  }

  get scheme(): "http" | "https" {
    return this.#client?.scheme ?? "http";
  }

  get listener(): string {
    return this.#client?.listener.options.name ?? "";
  }

  get protocol(): HttpVersion {
    if (this.#client?.isStream) return "h2";
    return this.#request.isHttp10 ? "http/1.0" : "http/1.1";
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

/**
 * What happens to the client's connection after a request. `last`: it closes, as the client announced. `close`: it closes,
 * and the client may still send. `gone`: the client has left.
 */
export type ConnectionFate = "keep" | "last" | "close" | "reset" | "gone";

/** The fate of the client's connection after a whole response. @param keepsAlive whether it may serve another request */
export function connectionFateOf(request: ForwardedRequest, keepsAlive: boolean): ConnectionFate {
  if (!request.isComplete) return "close";
  if (!request.keepsAlive) return "last";
  return keepsAlive ? "keep" : "close";
}
