/** WebSockets on raw sockets, of a client and of a server: they send any frame and read only when they are told to. */

import { createHash } from "node:crypto";
import type { Socket } from "node:net";

import { type Origin, startOrigin } from "./origin.ts";
import { RawClient } from "./raw-client.ts";
import { until } from "./wait.ts";

const opcodes = { continuation: 0, text: 1, binary: 2, close: 8 } as const;

export interface FrameOptions {
  readonly opcode?: keyof typeof opcodes;
  /** Whether it is the last frame of its message. */
  readonly isLast?: boolean;
  /** The length in its header, where that is not the payload's. */
  readonly claims?: number;
  /** Clients mask their frames (RFC 6455 section 5.3); with zeros, so that the payload stays readable. */
  readonly masked?: boolean;
}

/** One frame (RFC 6455 section 5.2). */
export function frame(
  payload: Buffer | string,
  { opcode = "binary", isLast = true, claims, masked = false }: FrameOptions = {},
): Buffer {
  const bytes = Buffer.from(payload as string);
  const length = claims ?? bytes.length;
  const first = (isLast ? 0x80 : 0) | opcodes[opcode];
  const mask = masked ? Buffer.alloc(4) : Buffer.alloc(0);
  const flag = masked ? 0x80 : 0;
  if (length < 126) return Buffer.concat([Buffer.from([first, flag | length]), mask, bytes]);
  const head = Buffer.alloc(10);
  head[0] = first;
  head[1] = flag | 127;
  head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, mask, bytes]);
}

/** The frames in the bytes, unmasked: opcode and payload of each whole one. */
export function framesIn(bytes: Buffer): { readonly opcode: number; readonly payload: Buffer }[] {
  const frames: { opcode: number; payload: Buffer }[] = [];
  let at = 0;
  while (at + 2 <= bytes.length) {
    const [first = 0, second = 0] = [bytes[at], bytes[at + 1]];
    let length = second & 0x7f;
    let from = at + 2;
    if (length >= 126) {
      const size = length === 126 ? 2 : 8;
      if (from + size > bytes.length) break;
      length = size === 2 ? bytes.readUInt16BE(from) : Number(bytes.readBigUInt64BE(from));
      from += size;
    }
    const mask = second >= 0x80 ? bytes.subarray(from, (from += 4)) : undefined;
    if (from + length > bytes.length) break;
    const payload = Buffer.from(bytes.subarray(from, from + length));
    if (mask) payload.forEach((byte, index) => (payload[index] = byte ^ (mask[index % 4] ?? 0)));
    frames.push({ opcode: first & 0x0f, payload });
    at = from + length;
  }
  return frames;
}

/** The code of the first close frame; undefined if there is none yet. */
export function closeCodeIn(bytes: Buffer): number | undefined {
  const close = framesIn(bytes).find(({ opcode }) => opcode === opcodes.close);
  return close && (close.payload.length < 2 ? 1005 : close.payload.readUInt16BE(0));
}

/** A client's request for a WebSocket. */
export const webSocketRequest = [
  "GET / HTTP/1.1",
  "Host: a",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  `Sec-WebSocket-Key: ${btoa("0123456789abcdef")}`,
  "\r\n",
].join("\r\n");

/** Opens a WebSocket through the balancer. What arrived after the 101 is in `received`. */
export async function openRawWebSocket(port: number): Promise<RawClient> {
  const client = await RawClient.connect(port);
  const { status } = await client.send(webSocketRequest).readResponse();
  if (status !== 101) throw new Error(`Cannot open a WebSocket: received ${status}`);
  return client;
}

/** The server's side of one tunnel. */
export interface ServerSide {
  readonly socket: Socket;
  /** What arrived after the handshake. */
  received(): Buffer;
  receivedBytes(): number;
}

export interface WebSocketOrigin {
  readonly origin: Origin;
  readonly sides: readonly ServerSide[];
  /** The side of the tunnel that was opened as number `index`, counted from 0. */
  side(index: number): Promise<ServerSide>;
}

/** A server that accepts every WebSocket and does nothing else. */
export async function startWebSocketOrigin(): Promise<WebSocketOrigin> {
  const sides: ServerSide[] = [];
  const origin = await startOrigin({
    respond() {},
    onHead(request, socket) {
      const key = request.header("sec-websocket-key") ?? "";
      const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
      const chunks: Buffer[] = [];
      let bytes = 0;
      socket.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        bytes += chunk.length;
      });
      const headers = ["Upgrade: websocket", "Connection: Upgrade", `Sec-WebSocket-Accept: ${accept}`];
      socket.write(["HTTP/1.1 101 Switching Protocols", ...headers, "", ""].join("\r\n"));
      sides.push({ socket, received: () => Buffer.concat(chunks), receivedBytes: () => bytes });
      return true;
    },
  });
  return {
    origin,
    sides,
    async side(index) {
      await until(() => sides.length > index, "the upstream to accept the WebSocket");
      return sides[index] as ServerSide;
    },
  };
}

/**
 * Writes the piece again and again, until `totalBytes` are written or the socket closes.
 * @returns reads how many bytes were written so far
 */
export function pour(socket: Socket, piece: Buffer, totalBytes: number): () => number {
  let written = 0;
  const more = (): void => {
    while (written < totalBytes && !socket.destroyed) {
      written += piece.length;
      if (!socket.write(piece)) return void socket.once("drain", more);
    }
  };
  more();
  return () => written;
}

/** Resolves when the number has not changed for a while. */
export async function untilStill(read: () => number, what: string): Promise<void> {
  let before = -1;
  let since = performance.now();
  await until(
    () => {
      const now = read();
      if (now !== before) [before, since] = [now, performance.now()];
      return before > 0 && performance.now() - since > 400;
    },
    what,
    15_000,
  );
}
