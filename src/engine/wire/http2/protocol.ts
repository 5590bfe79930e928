/** Numbers of HTTP/2: frame types, flags, settings and error codes (RFC 9113 sections 6, 7 and 11). */

export const frameType = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const frameFlag = { endStream: 0x1, ack: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

export const setting = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
  /** RFC 8441. */
  enableConnectProtocol: 8,
} as const;

export const errorCode = {
  none: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  settingsTimeout: 4,
  streamClosed: 5,
  frameSize: 6,
  refusedStream: 7,
  cancel: 8,
  compression: 9,
  connect: 10,
  enhanceYourCalm: 11,
} as const;

export const frameHeaderBytes = 9;

/** The protocol's default and minimum, and the largest that we accept and send. */
export const maxFrameBytes = 16_384;

export const defaultWindowBytes = 65_535;
export const maxWindowBytes = 2 ** 31 - 1;
export const maxStreamId = 2 ** 31 - 1;

/** What a client sends first (RFC 9113 section 3.4). */
export const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

const http1Start = Buffer.from("HTTP/", "latin1");

/** Whether a server's first bytes are a response of HTTP/1.1: it does not speak HTTP/2. */
export function startsHttp1(bytes: Buffer): boolean {
  return bytes.subarray(0, http1Start.length).equals(http1Start);
}

/** Names of error codes, for the log. */
export function errorName(code: number): string {
  const known = Object.entries(errorCode).find(([, number]) => number === code);
  return known ? known[0] : `error ${code}`;
}

/** What stands in place of the system's error code for a handshake that failed. */
export function handshakeCode({ message }: Error): string {
  return message.includes("NO_APPLICATION_PROTOCOL") ? noHttp2Code : message;
}

/** In place of the system's error code: the server of an HTTP/2 upstream selected another protocol. */
export const noHttp2Code = "the server does not speak HTTP/2";

/** A violation that ends the connection. It is thrown by what reads frames, and caught where bytes arrive. */
export class ConnectionError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}
