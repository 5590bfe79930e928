/** A request's head as the proxy sees it, answered from a standard `Request`. */

import { duplicateHost, methodNotServed, type Refusal, refusalForViolation } from "../../proxy/refusal.ts";
import { type RequestHead } from "../../proxy/request-head.ts";
import { plainAddress } from "../../net/address.ts";
import type { EngineOptions } from "../engine.ts";
import type { Forward } from "./forward.ts";
import type { Exchange } from "../../proxy/exchange.ts";

export interface FetchEngineContext extends EngineOptions {
  readonly forward: Forward;
  /** The port that the listener really has. */
  readonly listenPort: () => number;
  /** Told right before an answer begins how long its client's connection may be idle from here on, milliseconds. */
  readonly responding: (request: Request, idleMs: number) => void;
  /** Requests and tunnels under way, the present one among them. */
  readonly clients: () => number;
  /** Whether clients are to be told to open no further requests on their connections. */
  readonly isDraining: () => boolean;
}

/** One request on its way: what every step of it needs. */
export interface RequestContext {
  readonly request: Request;
  readonly head: RequestHead;
  readonly exchange: Exchange;
  readonly requestId: string;
  /** How long the client's connection may be idle once the answer begins, milliseconds. */
  idleMs: number;
  readonly byteCounts: ByteCounts;
}

/** @param clientAddress the peer's IP address as the listener reports it */
export function headOfRequest(request: Request, clientAddress: string): RequestHead {
  const { url } = request;
  const isSecure = url.startsWith("https:");
  const pathStart = url.startsWith("/") ? 0 : url.indexOf("/", url.indexOf("://") + 3);
  return {
    method: request.method,
    target: pathStart < 0 ? "/" : url.slice(pathStart),
    host: request.headers.get("host") ?? (isSecure ? authorityIn(url) : ""),
    clientAddress: plainAddress(clientAddress),
    scheme: isSecure ? "https" : "http",
    header: (name) => request.headers.get(name) ?? undefined,
  };
}

/** Deno's listener speaks HTTP/2 with clients that come over TLS: their host is no field there (RFC 9113 section 8.3.1). */
function authorityIn(url: string): string {
  return /^https:\/\/([^/?#]*)/.exec(url)?.[1] ?? "";
}

const refusedMethods: ReadonlySet<string> = new Set(["CONNECT", "TRACE"]);

/**
 * What a head is refused with, if it is. Listeners with a fetch handler join repeated Host fields with a comma, which no
 * host name contains; two hosts are a request-smuggling tool (RFC 9112 section 3.2).
 */
export function refusalForHead(head: RequestHead): Refusal | undefined {
  if (refusedMethods.has(head.method)) return refusalForViolation(methodNotServed);
  return head.host.includes(",") ? refusalForViolation(duplicateHost) : undefined;
}

// The end of an exchange as the fetch engine sees it: at once with a whole response, or with the end of its stream.

/** Bytes of bodies: this engine never sees heads. */
export interface ByteCounts {
  bytesIn: number;
  bytesOut: number;
  /** Status of an answer whose body is passed on piece by piece: the exchange ends with it; else 0. */
  streamed: number;
}

export function newByteCounts(): ByteCounts {
  return { bytesIn: 0, bytesOut: 0, streamed: 0 };
}

/** The whole answer is known; 499 is ours for a client that has left. */
export function closeWithResponse(context: RequestContext, response: Response): Response {
  const isClientGone = response.status === 499 && context.request.signal.aborted;
  closeExchange(context, isClientGone ? 0 : response.status, isClientGone);
  return response;
}

export function closeExchange(context: RequestContext, status: number, isClientGone: boolean): void {
  const { exchange, requestId, head, byteCounts } = context;
  const { bytesIn, bytesOut } = byteCounts;
  const { clientAddress, scheme } = head;
  exchange.close({ requestId, clientAddress, scheme, status, bytesIn, bytesOut, isClientGone });
}
