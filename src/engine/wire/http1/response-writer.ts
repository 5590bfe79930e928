/** Writes response heads for clients: the upstream's bytes without hop-by-hop headers; and the balancer's own responses. */

import type { RenderedRefusal } from "../../../proxy/refusal.ts";
import { latin1 } from "./bytes.ts";
import { headerStride } from "./head-parser.ts";
import { isHopByHop, knownHeaders } from "./header-names.ts";
import type { ParsedResponse } from "./response-reader.ts";

const version = latin1("HTTP/1.1 ");
const closeHeader = latin1("Connection: close\r\n");
const keepHeader = latin1("Connection: keep-alive\r\n");
const upgradeHeader = latin1("Connection: Upgrade\r\n");
const lineEnd = latin1("\r\n");

/** How a response head changes for the client. */
export interface ResponseRewrite {
  /** The client's connection closes after the response. */
  readonly closes: boolean;
  /** An HTTP/1.0 client needs `Connection: keep-alive` to keep its connection, and cannot read chunks. */
  readonly isHttp10: boolean;
  /** The response is a 101. */
  readonly upgrades: boolean;
}

/** Writes the head to `target` from offset 0. @returns its length, at most 32 bytes more than the upstream's */
export function writeResponseHead(target: Buffer, head: ParsedResponse, rewrite: ResponseRewrite): number {
  const { bytes } = head;
  const { headers, count, headersEnd, statusStart } = head.parser;
  version.copy(target, 0);
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
  if (rewrite.upgrades) length += upgradeHeader.copy(target, length);
  else if (head.isInterim) length += 0;
  else if (rewrite.closes) length += closeHeader.copy(target, length);
  else if (rewrite.isHttp10) length += keepHeader.copy(target, length);
  return length + lineEnd.copy(target, length);
}

/**
 * Rewrites the head in place by moving what is kept over what is dropped, so that the body behind it need not be copied.
 * The parsed head is invalid afterwards.
 * @returns the offset of the new head; -1, with nothing changed, if a header must be added: then it must be written out
 */
export function trimResponseInPlace(head: ParsedResponse, rewrite: ResponseRewrite): number {
  if (rewrite.closes || rewrite.isHttp10 || rewrite.upgrades || head.isInterim) return -1;
  const { bytes } = head;
  const { headers, count, headersEnd, statusStart } = head.parser;
  let start = headersEnd;
  let keptEnd = headersEnd;
  let lineEnd = headersEnd;
  for (let position = (count - 1) * headerStride; position >= 0; position -= headerStride) {
    const number = headers[position + 4] as number;
    const lineStart = headers[position] as number;
    if (number !== knownHeaders.other && !isKept(number, head, rewrite)) {
      start = moveBefore(bytes, start, lineEnd, keptEnd);
      keptEnd = lineStart;
    }
    lineEnd = lineStart;
  }
  start = moveBefore(bytes, start, statusStart - version.length, keptEnd);
  bytes[start + version.length - 2] = 0x31;
  return start;
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
      return rewrite.upgrades || head.parser.status === 426;
    case knownHeaders.contentLength:
      return !head.dropsFraming;
    case knownHeaders.transferEncoding:
      return !head.dropsFraming && !rewrite.isHttp10;
    default:
      return !isHopByHop(number);
  }
}

const reasons: Readonly<Record<number, string>> = {
  400: "Bad Request",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  413: "Content Too Large",
  414: "URI Too Long",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
};

/** The response to a request that met a bug. */
export function internalErrorResponse(requestId: string): RenderedRefusal {
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
  }: { readonly closes: boolean; readonly isHttp10: boolean; readonly isHead: boolean },
): Buffer {
  const body = Buffer.from(response.body);
  const lines = [
    `HTTP/1.1 ${response.status} ${reasons[response.status] ?? "Error"}`,
    ...response.headers.map(([name, value]) => `${name}: ${value}`),
    `Content-Length: ${body.length}`,
    ...(closes ? ["Connection: close"] : isHttp10 ? ["Connection: keep-alive"] : []),
  ];
  const head = latin1(`${lines.join("\r\n")}\r\n\r\n`);
  return isHead ? head : Buffer.concat([head, body]);
}
