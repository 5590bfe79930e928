/** A client connection without sockets: reads segments and returns statuses and the bytes for upstreams. */

import { ClientInput } from "../../../../src/engine/wire/client-input.ts";
import { ForwardedRequest } from "../../../../src/engine/wire/forwarded-request.ts";
import { ParsedRequest } from "../../../../src/engine/wire/http1/parsed-request.ts";
import type { ProtocolViolation } from "../../../../src/proxy/refusal.ts";
import { ForwardingCache } from "../../../../src/engine/wire/http1/request-writer.ts";
import { requestLimits } from "./limits.ts";

export interface ParseResult {
  /** 0 for each request that passes, then the status of the one that was refused. */
  readonly statuses: number[];
  /** The bytes for upstreams, one entry per request; one that was refused within its body is truncated. */
  readonly passed: Buffer[];
  /** The hosts by which the requests are routed, and by which they are logged later. */
  readonly hosts: Array<readonly [routed: string, logged: string]>;
  /** Why the last request was refused; empty if it was not. */
  violation: string;
  /** Whether the last request is still incomplete. */
  isPending: boolean;
}

const forwardings = new ForwardingCache("http", { isTrustedProxy: () => false, viaName: "evenkeel-1" });
forwardings.setListenPort(8080);
const forwarding = forwardings.for("192.0.2.1");

/** Reads a stream of requests that arrives in these segments, as a client's connection does. Each finishes at once. */
export function readStream(segments: readonly Buffer[]): ParseResult {
  const reading: ParseResult = {
    statuses: [],
    passed: [],
    hosts: [],
    violation: "",
    isPending: false,
  };
  const input = new ClientInput(new ParsedRequest(requestLimits));
  let open: ForwardedRequest | undefined;
  let refused = false;
  const refuse = ({ status, text }: ProtocolViolation) => {
    refused = true;
    reading.violation = text;
    return status;
  };
  const headRead = (head: ParsedRequest, to: number, violation: ProtocolViolation | undefined): number => {
    const request = new ForwardedRequest();
    const stop = violation ? -1 : request.begin(head, to);
    reading.statuses.push(stop < 0 ? refuse(violation ?? request.bodyViolation) : 0);
    if (stop < 0) {
      return to;
    }
    request.id = "id";
    const routed = request.view.host;
    request.write(head, stop, forwarding);
    reading.hosts.push([routed, request.view.host]);
    reading.passed.push(Buffer.from(request.replay.bytes.subarray(0, request.replay.length)));
    if (!request.isComplete) open = request;
    return stop;
  };
  for (const segment of segments) {
    let bytes: Buffer | undefined = segment;
    while (bytes !== undefined && bytes.length > 0 && !refused) {
      if (open) {
        const stop = open.receiveBody(bytes, 0, bytes.length);
        if (stop < 0) {
          reading.statuses[reading.statuses.length - 1] = refuse(open.bodyViolation);
          break;
        }
        const last = reading.passed.length - 1;
        const piece = open.rewrittenBody ?? bytes.subarray(0, stop);
        reading.passed[last] = Buffer.concat([reading.passed[last] as Buffer, piece]);
        if (open.isComplete) open = undefined;
        input.buffer(bytes, stop, bytes.length);
      } else if (!input.readHead(bytes, 0, { headRead })) break;
      bytes = input.takePipelined();
    }
    if (refused) break;
  }
  reading.isPending = !refused && (open !== undefined || input.hasPartialHead);
  return reading;
}

export const bytesOf = (text: string): Buffer => Buffer.from(text, "latin1");

/** The same bytes, one per segment. */
export function oneByOne(bytes: Buffer): Buffer[] {
  return Array.from(bytes, (byte) => Buffer.from([byte]));
}
