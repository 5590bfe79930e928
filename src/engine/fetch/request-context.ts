/** What every step of a request needs on this engine: context, byte counts, closing the exchange. */

import type { TimerWheel } from "../../lib/timer-wheel.ts";
import type { RequestHead } from "../../proxy/request-head.ts";
import type { EngineLog, EngineOptions, ListenerOptions } from "../engine.ts";
import type { SendRequest } from "./forward.ts";
import type { WebSocketBuffers } from "./websocket-buffers.ts";
import type { Exchange } from "../../proxy/exchange.ts";

/** What the listeners of one engine share. */
export type SharedFetchContext = Pick<
  FetchEngineContext,
  keyof EngineOptions | "exchanges" | "forward" | "buffers" | "wheel" | "isDraining"
>;

/** As many as are kept: some hundred bytes each, and enough for the requests that a process serves at a time. */
const maxSpareExchanges = 256;

/** Exchanges for requests. One that has ended serves again: a new one costs more than all it does for a request. */
export class Exchanges {
  readonly #create: () => Exchange;
  readonly #spare: Exchange[] = [];

  constructor(create: () => Exchange) {
    this.#create = create;
  }

  take(): Exchange {
    return this.#spare.pop() ?? this.#create();
  }

  /** Call it once, after `close`, where nothing of the request goes on that could still call the exchange. */
  giveBack(exchange: Exchange): void {
    if (this.#spare.length < maxSpareExchanges) this.#spare.push(exchange);
  }
}

export type WholeBody = ArrayBuffer | Uint8Array<ArrayBuffer>;

/** One for each listener. */
export interface FetchEngineContext extends EngineOptions {
  readonly listener: ListenerOptions;
  /** Null where the runtime's server does not tell it. */
  readonly protocol: "h3" | null;
  readonly exchanges: Exchanges;
  readonly forward: SendRequest;
  /** All timeouts of upstreams. */
  readonly wheel: TimerWheel;
  /** What all tunnels buffer. */
  readonly buffers: WebSocketBuffers;
  /** Whether every body has a Content-Length or Transfer-Encoding: the server speaks HTTP/1.1 alone. */
  readonly framesBodies: boolean;
  /** Whether a request's URL has the authority of an absolute target; else that of Host. */
  readonly showsTargetAuthority: boolean;
  /** The port that the listener has. */
  readonly listenPort: () => number;
  /** What a response is made of whose whole body is known. @param headers of the response */
  readonly wholeBody: (bytes: WholeBody, headers: Headers) => WholeBody | ReadableStream<Uint8Array>;
  /** @param idleMs idle timeout of the client's connection from now on; 0 for none */
  readonly setIdleTimeout: (request: Request, idleMs: number) => void;
  /** Open requests and tunnels of the listener, the current one included. */
  readonly active: () => number;
  /** Whether responses close the client's connection. */
  readonly isDraining: () => boolean;
}

/** What the engine reads of a request's headers in one pass. */
export interface RequestFields {
  readonly count: number;
  /** Names and values, about as they were sent. */
  readonly bytes: number;
  readonly via: string | undefined;
  /** Whether a field announces a body that may not be empty. */
  readonly announcesBody: boolean;
  /** Whether credentials authenticate the connection that they are sent on. */
  readonly authenticatesConnection: boolean;
  /** Lower-case names of the ones that are never forwarded. */
  readonly dropped: readonly string[];
  /** Names of the ones that pass from a trusted proxy only. */
  readonly untrusted: readonly string[];
}

/** One request in progress. */
export interface RequestContext {
  readonly request: Request;
  readonly head: RequestHead;
  readonly fields: RequestFields;
  readonly exchange: Exchange;
  readonly listener: ListenerOptions;
  readonly protocol: "h3" | null;
  readonly requestId: string;
  readonly log: EngineLog;
  /** Whether the client's connection has no idle timeout until the response starts. */
  isClientHeld: boolean;
  /** Idle timeout of the client's connection once the response starts, milliseconds. */
  idleMs: number;
  readonly byteCounts: ByteCounts;
  /** Whether nothing can call the exchange after its end: no other attempt, no rest of the request's body. */
  hasSettled: boolean;
}

/** Call it before a wait: the connection may be silent for longer than between two requests. Waits have their own timeouts. */
export function holdClient(
  { setIdleTimeout }: Pick<FetchEngineContext, "setIdleTimeout">,
  context: RequestContext,
): void {
  if (context.isClientHeld) return;
  context.isClientHeld = true;
  setIdleTimeout(context.request, 0);
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
  const { exchange, requestId, log, head, byteCounts, listener, protocol } = context;
  const { bytesIn, bytesOut } = byteCounts;
  const { peerAddress, scheme } = head;
  const summary = {
    requestId,
    get clientAddress() {
      return head.clientAddress;
    },
    peerAddress,
    scheme,
    listener: listener.name,
    protocol,
    status,
    bytesIn,
    bytesOut,
    isClientGone,
  };
  try {
    exchange.close(summary);
  } catch (bug) {
    log.bug(bug, requestId);
  }
}
