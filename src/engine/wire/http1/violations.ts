/** What can be wrong with a head or a request: the rule that it breaks, in words for log, record and answer, and its status. */

import {
  type ProtocolViolation,
  bodyTimeout,
  methodNotServed,
  duplicateHost,
} from "../../../proxy/refusal.ts";
import { cr, lf, maxHeadBytes, maxHeaders, maxTargetBytes, space, tab } from "./bytes.ts";

const malformed = (text: string): ProtocolViolation => ({ status: 400, text });

/** By what is wrong. RFC 9112 sections 2.2, 3, 5, 6 and 7.1. */
export const violations = {
  lineEnd: malformed("a line that does not end in CR LF"),
  method: malformed("it does not begin with a method"),
  methodCase: malformed("a known method that is not in capitals"),
  methodRefused: methodNotServed,
  target: malformed("the target is empty, or has a byte that must be encoded"),
  targetForm: malformed("the target is neither a path nor an absolute URL of http"),
  targetHost: malformed("the target names another host than the Host field"),
  targetLong: { status: 414, text: `the target is longer than ${maxTargetBytes} bytes` },
  version: malformed("no HTTP version where it belongs"),
  versionUnknown: { status: 505, text: "unknown version of HTTP" },
  status: malformed("the status is no number from 100 to 599"),
  fieldName: malformed("a field name that is empty or has a byte that no name has"),
  fieldNameBlank: malformed("white space before the colon of a field"),
  fieldColon: malformed("a field without a colon"),
  fieldFolded: malformed("a field that is folded, or begins with white space"),
  fieldValue: malformed("a control character in the value of a field"),
  headLarge: { status: 431, text: `the head is larger than ${maxHeadBytes} bytes` },
  headFields: { status: 431, text: `the head has more than ${maxHeaders} fields` },
  noHost: malformed("no Host field"),
  hosts: duplicateHost,
  host: malformed("the Host field is not a name or address, with a port or without"),
  contentLength: malformed("Content-Length is no number"),
  transferEncoding: malformed("Transfer-Encoding is not chunked"),
  transferCodings: { status: 501, text: "a Transfer-Encoding besides chunked" },
  framingBlank: malformed("unusual white space around Content-Length or Transfer-Encoding"),
  framings: malformed("more than one Content-Length or Transfer-Encoding"),
  oldChunks: malformed("chunks on HTTP/1.0"),
  connection: malformed("Connection names too many fields"),
  chunkSize: malformed("a malformed or too large chunk size"),
  chunkExtension: malformed("a malformed or too long chunk extension"),
  chunkData: malformed("the data of a chunk does not end where its size says"),
  trailer: malformed("a malformed trailer, or one that only a head may have"),
  headTime: { status: 408, text: "the head did not come in time" },
  bodyTime: bodyTimeout,
} as const satisfies Readonly<Record<string, ProtocolViolation>>;

/** @param byte what stands there in its place */
export function targetViolation(byte: number): ProtocolViolation {
  return byte === cr || byte === lf ? violations.version : violations.target;
}

export function nameStartViolation(byte: number): ProtocolViolation {
  if (byte === lf) return violations.lineEnd;
  return byte === space || byte === tab ? violations.fieldFolded : violations.fieldName;
}

export function nameViolation(byte: number): ProtocolViolation {
  if (byte === space || byte === tab) return violations.fieldNameBlank;
  return byte === cr || byte === lf ? violations.fieldColon : violations.fieldName;
}

export function valueViolation(byte: number): ProtocolViolation {
  return byte === lf ? violations.lineEnd : violations.fieldValue;
}
