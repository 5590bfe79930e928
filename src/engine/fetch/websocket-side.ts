/** The two sides of a WebSocket tunnel, as the runtimes offer them. */

export type WebSocketMessage = string | Uint8Array<ArrayBuffer>;

/** One peer's connection. */
export interface WebSocketSide {
  send(message: WebSocketMessage): void;
  close(code?: number, reason?: string): void;
  /** Terminates the connection without a closing handshake. */
  terminate(): void;
  /** Bytes not sent yet. */
  bufferedAmount(): number;
  /** Stops reading, so that the peer stops sending. Missing where the runtime cannot. */
  pause?(): void;
  resume?(): void;
}

/** Receives the events of a tunnel's upstream. */
export interface UpstreamSideEvents {
  upstreamOpened(): void;
  /** The handshake failed, or the upstream broke the protocol; `upstreamClosed` follows. */
  upstreamFailed(error: Error): void;
  fromUpstream(message: WebSocketMessage): void;
  upstreamClosed(code: number, reason: string): void;
  /** A message was sent to the end. */
  upstreamDrained(): void;
}

export interface UpstreamSide extends WebSocketSide {
  /** The subprotocol that the upstream chose; empty if none. */
  readonly protocol: string;
  readonly isOpen: boolean;
  /** Sets the receiver of its events, once, right after it was created. */
  follow(events: UpstreamSideEvents): void;
}

/** The part of the standard WebSocket that its listeners need. */
export interface WebSocketEvents {
  addEventListener(type: "open", listener: () => void): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: "error", listener: (event: object) => void): void;
  addEventListener(
    type: "close",
    listener: (event: { readonly code: number; readonly reason: string }) => void,
  ): void;
}

/** Passes on the events of a socket whose binary messages arrive as ArrayBuffers. */
export function followSocket(socket: WebSocketEvents, events: UpstreamSideEvents): void {
  socket.addEventListener("open", () => events.upstreamOpened());
  socket.addEventListener("message", ({ data }) =>
    events.fromUpstream(typeof data === "string" ? data : new Uint8Array(data as ArrayBuffer)),
  );
  socket.addEventListener("error", (event) => events.upstreamFailed(webSocketErrorOf(event)));
  // Deno reports 0 for a connection that broke off, and would send it on.
  socket.addEventListener("close", ({ code, reason }) =>
    events.upstreamClosed(code === 0 ? closeCodes.abnormal : code, reason),
  );
}

function webSocketErrorOf(event: object): Error {
  if ("error" in event && isSystemError(event.error)) return event.error;
  const message = "message" in event ? String(event.message) : "";
  const refused = /connect|refused/i.test(message);
  const code = /certificate/i.test(message)
    ? { code: "CERT_NOT_ACCEPTED" }
    : refused
      ? { code: "ECONNREFUSED" }
      : {};
  return Object.assign(new Error(message || "the handshake failed"), code);
}

/** Whether the code is a system's: a DOM exception's code is a number. */
function isSystemError(error: unknown): error is Error {
  return error instanceof Error && "code" in error && typeof error.code === "string";
}

export function sizeOfMessage(message: WebSocketMessage): number {
  return typeof message === "string" ? Buffer.byteLength(message) : message.byteLength;
}

/** Close codes of RFC 6455 section 7.4.1. `abnormal` and `noStatus` are only reported, never sent. */
export const closeCodes = {
  goingAway: 1001,
  noStatus: 1005,
  abnormal: 1006,
  tooBig: 1009,
  internalError: 1011,
} as const;

/** Codes that a program must not send become a close without a code, or 1000 where even that is not allowed. */
export function closeWebSocket(side: WebSocketSide, code: number, reason: string): void {
  if (code === closeCodes.noStatus || code === closeCodes.abnormal) return side.close();
  try {
    side.close(code, reason);
  } catch {
    side.close(1000, reason);
  }
}
