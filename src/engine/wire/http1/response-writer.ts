/** Writes response heads for clients: the upstream's bytes without hop-by-hop headers; and the balancer's own responses. */

import { HttpDate } from "../../../lib/http-date.ts";
import { grpcFields, isGrpc } from "../../../proxy/grpc-reply.ts";
import type { RefusalNegotiation, RenderedRefusal } from "../../../proxy/refusal.ts";
import { cr, latin1 } from "./bytes.ts";
import { headerStride } from "./head-parser.ts";
import { isHopByHop, knownHeaders } from "./header-names.ts";
import { reasonPhrases } from "./reason-phrases.ts";
import type { ParsedResponse } from "./response-reader.ts";

const version = latin1("HTTP/1.1 ");
const closeHeader = latin1("Connection: close\r\n");
const keepHeader = latin1("Connection: keep-alive\r\n");
const upgradeHeader = latin1("Connection: Upgrade\r\n");
const chunkedHeader = latin1("Transfer-Encoding: chunked\r\n");
const lineEnd = latin1("\r\n");
const colonSpace = latin1(": ");

/** How a response head changes for the client. */
export interface ResponseRewrite {
  /** The client's connection closes after the response. */
  readonly closes: boolean;
  /** An HTTP/1.0 client needs `Connection: keep-alive` to keep its connection, and cannot read chunks. */
  readonly isHttp10: boolean;
  /** The response is a 101. */
  readonly upgrades: boolean;
  /** The body is sent in another coding, and so in chunks. */
  readonly recodes?: boolean;
  /** Headers of the listener; without them the upstream's of these names pass. */
  readonly listenerHeaders?: ListenerHeaders | undefined;
}

/** Header lines that a listener adds to every response, in place of the upstream's. */
export interface ListenerHeaders {
  readonly lines: Buffer;
  readonly hasHsts: boolean;
  readonly hasAltSvc: boolean;
}

/** @returns undefined if there are none */
export function listenerHeaders(
  hsts: string | undefined,
  altSvc: string | undefined,
): ListenerHeaders | undefined {
  const hstsLine = hsts === undefined ? "" : `Strict-Transport-Security: ${hsts}\r\n`;
  const altSvcLine = altSvc === undefined ? "" : `Alt-Svc: ${altSvc}\r\n`;
  const lines = latin1(hstsLine + altSvcLine);
  if (lines.length === 0) return undefined;
  return { lines, hasHsts: hsts !== undefined, hasAltSvc: altSvc !== undefined };
}

/** Bytes that {@link writeResponseHead} may add to a head of so many fields. */
export function maxAddedBytes(fields: number): number {
  // Date, Connection, Transfer-Encoding and the listener's headers; and in rewritten lines a space and CR.
  return 320 + 2 * fields;
}

/** Writes the head to `target` from offset 0. @returns its length, at most `maxAddedBytes` more than the upstream's */
export function writeResponseHead(target: Buffer, head: ParsedResponse, rewrite: ResponseRewrite): number {
  version.copy(target, 0);
  let length = head.needsRewrite ? writeUsualForm(target, head, rewrite) : copyKept(target, head, rewrite);
  if (rewrite.upgrades || head.offersUpgrade) length += upgradeHeader.copy(target, length);
  if (!rewrite.upgrades && !head.isInterim) {
    if (rewrite.listenerHeaders) length += rewrite.listenerHeaders.lines.copy(target, length);
    if (rewrite.recodes) length += chunkedHeader.copy(target, length);
    if (!head.hasDate) length += dateHeader().copy(target, length);
    if (rewrite.closes) length += closeHeader.copy(target, length);
    else if (rewrite.isHttp10) length += keepHeader.copy(target, length);
  }
  return length + lineEnd.copy(target, length);
}

const date = new HttpDate();
let dateText = "";
let dateBytes: Buffer = latin1("");

/** A Date header with the current time: a response without one gets it (RFC 9110 section 6.6.1). */
function dateHeader(): Buffer {
  const { text } = date;
  if (text !== dateText) {
    dateText = text;
    dateBytes = latin1(`Date: ${text}\r\n`);
  }
  return dateBytes;
}

/** Copies status line and headers, in runs that are as long as possible. @returns the offset after them */
function copyKept(target: Buffer, head: ParsedResponse, rewrite: ResponseRewrite): number {
  const { bytes } = head;
  const { headers, count, headersEnd, statusStart } = head.parser;
  let length = version.length;
  let from = statusStart;
  for (let position = 0; position < count * headerStride; position += headerStride) {
    const number = headers[position + 4] as number;
    if (number === knownHeaders.other || isKept(number, head, rewrite)) continue;
    const lineStart = headers[position] as number;
    if (lineStart > from) length += bytes.copy(target, length, from, lineStart);
    const isLast = position + headerStride === count * headerStride;
    from = isLast ? headersEnd : (headers[position + headerStride] as number);
  }
  if (headersEnd > from) length += bytes.copy(target, length, from, headersEnd);
  return length;
}

/** Writes status line and headers in their usual form, which the upstream's lines do not have. @returns the offset after them */
function writeUsualForm(target: Buffer, head: ParsedResponse, rewrite: ResponseRewrite): number {
  const { bytes, parser } = head;
  const { headers, count } = parser;
  let statusLineEnd = parser.headersStart - 1;
  if (bytes[statusLineEnd - 1] === cr) statusLineEnd -= 1;
  let length = version.length;
  length += bytes.copy(target, length, parser.statusStart, statusLineEnd);
  length += lineEnd.copy(target, length);
  for (let position = 0; position < count * headerStride; position += headerStride) {
    if (!isKept(headers[position + 4] as number, head, rewrite)) continue;
    length += bytes.copy(target, length, headers[position], headers[position + 1]);
    length += colonSpace.copy(target, length);
    length += bytes.copy(target, length, headers[position + 2], headers[position + 3]);
    length += lineEnd.copy(target, length);
  }
  return length;
}

/**
 * Rewrites the head in place by moving what is kept over what is dropped, so that the body behind it need not be copied.
 * The parsed head is invalid afterwards.
 * @returns the offset of the new head; -1, with nothing changed, if a header must be added: then it must be written out
 */
export function trimResponseInPlace(head: ParsedResponse, rewrite: ResponseRewrite): number {
  if (rewrite.isHttp10 || rewrite.upgrades || rewrite.recodes || rewrite.listenerHeaders) return -1;
  if (head.isInterim) return -1;
  if (!head.hasDate || head.needsRewrite || head.offersUpgrade) return -1;
  const { bytes } = head;
  const { headers, count, headersEnd, statusStart } = head.parser;
  const closeLine = rewrite.closes ? lineForClose(head) : -1;
  if (rewrite.closes && closeLine < 0) return -1;
  let start = headersEnd;
  let keptEnd = headersEnd;
  let lineEnd = headersEnd;
  for (let position = (count - 1) * headerStride; position >= 0; position -= headerStride) {
    const number = headers[position + 4] as number;
    const lineStart = headers[position] as number;
    if (number !== knownHeaders.other && !isKept(number, head, rewrite)) {
      start = moveBefore(bytes, start, lineEnd, keptEnd);
      if (lineStart === closeLine) start -= closeHeader.copy(bytes, start - closeHeader.length);
      keptEnd = lineStart;
    }
    lineEnd = lineStart;
  }
  start = moveBefore(bytes, start, statusStart - version.length, keptEnd);
  bytes[start + version.length - 2] = 0x31;
  return start;
}

/** Offset of a Connection line that has room for "Connection: close"; -1 without one. */
function lineForClose({ parser }: ParsedResponse): number {
  const { headers, count, headersEnd } = parser;
  let lineEnd = headersEnd;
  for (let position = (count - 1) * headerStride; position >= 0; position -= headerStride) {
    const lineStart = headers[position] as number;
    const isConnection = headers[position + 4] === knownHeaders.connection;
    if (isConnection && lineEnd - lineStart >= closeHeader.length) return lineStart;
    lineEnd = lineStart;
  }
  return -1;
}

/** Moves bytes[from..to) to the place that ends at the offset `end`. @returns their new offset */
function moveBefore(bytes: Buffer, end: number, from: number, to: number): number {
  const start = end - (to - from);
  if (start !== from && to > from) bytes.copyWithin(start, from, to);
  return start;
}

function isKept(number: number, head: ParsedResponse, rewrite: ResponseRewrite): boolean {
  switch (number) {
    case knownHeaders.connection:
      return false;
    case knownHeaders.upgrade:
      return rewrite.upgrades || head.offersUpgrade;
    case knownHeaders.contentLength:
      return !head.dropsFraming && !rewrite.recodes;
    case knownHeaders.transferEncoding:
      return !head.dropsFraming && !rewrite.isHttp10 && !rewrite.recodes;
    case knownHeaders.strictTransportSecurity:
      return rewrite.listenerHeaders?.hasHsts !== true;
    case knownHeaders.altSvc:
      return rewrite.listenerHeaders?.hasAltSvc !== true;
    default:
      return !isHopByHop(number);
  }
}

/** The response to a request that met a bug. */
export function internalErrorResponse(
  requestId: string,
  { contentType }: RefusalNegotiation,
): RenderedRefusal {
  if (isGrpc(contentType)) {
    const fields = grpcFields({ reason: "internal_error", status: 500 }, "Internal error of the balancer.");
    return { status: 200, headers: [...fields, ["X-Request-Id", requestId]], body: "" };
  }
  return {
    status: 500,
    headers: [
      ["Content-Type", "text/plain; charset=utf-8"],
      ["X-Request-Id", requestId],
    ],
    body: `500 internal_error: internal error of the balancer (request ${requestId})\n`,
  };
}

/** The bytes of a response that the balancer makes itself. */
export function localResponse(
  response: RenderedRefusal,
  {
    closes,
    isHttp10,
    isHead,
    listenerHeaders,
  }: Omit<ResponseRewrite, "upgrades"> & { readonly isHead: boolean },
): Buffer {
  const body = Buffer.from(response.body);
  // RFC 9110 section 8.6.
  const hasNoLength = response.status === 204 || response.status === 304;
  const lines = [
    `HTTP/1.1 ${response.status} ${reasonPhrases[response.status] ?? "Error"}`,
    ...response.headers.map(([name, value]) => `${name}: ${value}`),
    `Date: ${date.text}`,
    ...(hasNoLength ? [] : [`Content-Length: ${body.length}`]),
    ...(closes ? ["Connection: close"] : isHttp10 ? ["Connection: keep-alive"] : []),
  ];
  const head = latin1(`${lines.join("\r\n")}\r\n`);
  return Buffer.concat([
    head,
    ...(listenerHeaders ? [listenerHeaders.lines] : []),
    lineEnd,
    ...(isHead ? [] : [body]),
  ]);
}
