/** What every step of a request needs on this engine: context, head adapter, byte counts, closing the exchange. */

import {
  duplicateHost,
  headTooLarge,
  methodNotServed,
  type ProtocolViolation,
  type Refusal,
  refusalForViolation,
  targetTooLong,
  tooManyFields,
} from "../../proxy/refusal.ts";
import { clientAddressBehind } from "../../proxy/client-address.ts";
import { type RequestHead } from "../../proxy/request-head.ts";
import { plainAddress } from "../../net/address.ts";
import type { EngineOptions, MessageLimits } from "../engine.ts";
import { headSizeOf, type SendRequest } from "./forward.ts";
import type { WebSocketBuffers } from "./websocket-buffers.ts";
import type { Exchange } from "../../proxy/exchange.ts";

export interface FetchEngineContext extends EngineOptions {
  readonly forward: SendRequest;
  /** What all tunnels buffer. */
  readonly buffers: WebSocketBuffers;
  /** The port that the listener has. */
  readonly listenPort: () => number;
  /** Called before a response starts. @param idleMs idle timeout of the client's connection from now on */
  readonly setIdleTimeout: (request: Request, idleMs: number) => void;
  /** Open requests and tunnels, the current one included. */
  readonly active: () => number;
  /** Whether responses close the client's connection. */
  readonly isDraining: () => boolean;
}

/** One request in progress. */
export interface RequestContext {
  readonly request: Request;
  readonly head: RequestHead;
  readonly exchange: Exchange;
  readonly requestId: string;
  /** Idle timeout of the client's connection once the response starts, milliseconds. */
  idleMs: number;
  readonly byteCounts: ByteCounts;
}

/** @param peer the peer's IP address as the listener reports it */
export function headOfRequest(
  request: Request,
  peer: string,
  isTrustedProxy: EngineOptions["isTrustedProxy"],
): RequestHead {
  const { url } = request;
  const isSecure = url.startsWith("https:");
  const pathStart = url.startsWith("/") ? 0 : url.indexOf("/", url.indexOf("://") + 3);
  return {
    method: request.method,
    target: pathStart < 0 ? "/" : url.slice(pathStart),
    host: request.headers.get("host") ?? (isSecure ? authorityIn(url) : ""),
    peerAddress: plainAddress(peer),
    get clientAddress() {
      return isTrustedProxy(this.peerAddress) ? clientAddressBehind(this, isTrustedProxy) : this.peerAddress;
    },
    scheme: isSecure ? "https" : "http",
    header: (name) => request.headers.get(name) ?? undefined,
  };
}

/** Deno's listener speaks HTTP/2 over TLS, where the host is no header (RFC 9113 section 8.3.1). */
function authorityIn(url: string): string {
  return /^https:\/\/([^/?#]*)/.exec(url)?.[1] ?? "";
}

const refusedMethods: ReadonlySet<string> = new Set(["CONNECT", "TRACE"]);

/**
 * The refusal of an invalid head. Listeners with a fetch handler join repeated Host headers with a comma, which no host name
 * contains; two hosts are a request-smuggling tool (RFC 9112 section 3.2).
 */
export function refusalForHead(
  head: RequestHead,
  headers: Headers,
  limits: MessageLimits,
): Refusal | undefined {
  const violation = refusedMethods.has(head.method) ? methodNotServed : sizeViolation(head, headers, limits);
  if (violation) return refusalForViolation(violation);
  return head.host.includes(",") ? refusalForViolation(duplicateHost) : undefined;
}

/** The listener has limits of its own, which may be lower. */
function sizeViolation(
  { method, target }: RequestHead,
  headers: Headers,
  limits: MessageLimits,
): ProtocolViolation | undefined {
  if (target.length > limits.requestTargetBytes) return targetTooLong(limits.requestTargetBytes);
  const { fields, bytes } = headSizeOf(headers);
  if (fields > limits.requestFields) return tooManyFields(limits.requestFields);
  const all = method.length + target.length + bytes;
  return all > limits.requestHeadBytes ? headTooLarge(limits.requestHeadBytes) : undefined;
}

/** Bytes of bodies; this engine never sees heads. */
export interface ByteCounts {
  bytesIn: number;
  bytesOut: number;
  /** Status of a streamed response, with whose end the exchange ends; else 0. */
  streamedStatus: number;
}

export function newByteCounts(): ByteCounts {
  return { bytesIn: 0, bytesOut: 0, streamedStatus: 0 };
}

/** Closes the exchange of a complete response. Status 499 means that the client left. */
export function closeWithResponse(context: RequestContext, response: Response): Response {
  const isClientGone = response.status === 499 && context.request.signal.aborted;
  closeExchange(context, isClientGone ? 0 : response.status, isClientGone);
  return response;
}

export function closeExchange(context: RequestContext, status: number, isClientGone: boolean): void {
  const { exchange, requestId, head, byteCounts } = context;
  const { bytesIn, bytesOut } = byteCounts;
  const { peerAddress, scheme } = head;
  exchange.close({
    requestId,
    get clientAddress() {
      return head.clientAddress;
    },
    peerAddress,
    scheme,
    status,
    bytesIn,
    bytesOut,
    isClientGone,
  });
}
