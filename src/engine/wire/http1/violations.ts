/** The rules of HTTP/1.1 that a message can break, each with a fixed text and the status of the refusal. */

import {
  bodyTimeout,
  duplicateHost,
  methodNotServed,
  type ProtocolViolation,
} from "../../../proxy/refusal.ts";
import { cr, lf, space, tab } from "./bytes.ts";

const malformed = (text: string): ProtocolViolation => ({ status: 400, text });

/** RFC 9112 sections 2.2, 3, 5, 6 and 7.1. The texts stand in the log, the request record and the response. */
export const violations = {
  lineEnd: malformed("a line does not end with CR LF"),
  method: malformed("missing or malformed method"),
  methodCase: malformed("method must be upper case"),
  methodNotServed,
  target: malformed("request target is empty or contains an unencoded character"),
  targetForm: malformed("request target must be a path or an absolute http URL"),
  targetAuthority: malformed("invalid host in the request target"),
  notHttp: malformed("the response does not begin with HTTP/"),
  version: malformed("missing or malformed HTTP version"),
  versionUnsupported: { status: 505, text: "unsupported HTTP version" },
  status: malformed("invalid status code"),
  headerName: malformed("empty or invalid header name"),
  headerNameWhitespace: malformed("whitespace before the colon of a header"),
  headerColon: malformed("a header has no colon"),
  headerFolded: malformed("obsolete line folding in a header (RFC 9112 5.2)"),
  headerValue: malformed("control character in a header value"),
  noHost: malformed("missing Host header"),
  multipleHosts: duplicateHost,
  host: malformed("invalid Host header"),
  contentLength: malformed("invalid Content-Length"),
  transferEncoding: malformed("Transfer-Encoding must be chunked"),
  transferCodingUnsupported: { status: 501, text: "unsupported Transfer-Encoding" },
  contentLengths: malformed("Content-Length fields that differ"),
  multipleFramings: malformed("more than one Content-Length or Transfer-Encoding"),
  http10Chunked: malformed("Transfer-Encoding is not allowed in HTTP/1.0"),
  chunkSize: malformed("malformed or too large chunk size"),
  chunkExtension: malformed("malformed or too long chunk extension"),
  chunkData: malformed("chunk data does not end where its size says"),
  trailer: malformed("malformed trailer, or too many bytes of trailers"),
  headTimeout: { status: 408, text: "request headers timed out" },
  bodyTimeout,
} as const satisfies Readonly<Record<string, ProtocolViolation>>;

/** @param byte the first one that may not stand in a request target */
export function targetViolation(byte: number): ProtocolViolation {
  return byte === cr || byte === lf ? violations.version : violations.target;
}

/** @param byte stands where a header name must start */
export function nameStartViolation(byte: number): ProtocolViolation {
  if (byte === lf) return violations.lineEnd;
  return byte === space || byte === tab ? violations.headerFolded : violations.headerName;
}

/** @param byte the first one that may not stand in a header name */
export function nameViolation(byte: number): ProtocolViolation {
  if (byte === space || byte === tab) return violations.headerNameWhitespace;
  return byte === cr || byte === lf ? violations.headerColon : violations.headerName;
}

/** @param byte the first one that may not stand in a header value */
export function valueViolation(byte: number): ProtocolViolation {
  return byte === lf ? violations.lineEnd : violations.headerValue;
}
