/** A client connection without sockets: segments in, and out come verdicts and the bytes an upstream would get. */

import { ClientInput } from "../../../../src/engine/wire/client-input.ts";
import { ForwardedRequest } from "../../../../src/engine/wire/forwarded-request.ts";
import { ParsedRequest } from "../../../../src/engine/wire/http1/parsed-request.ts";
import type { ProtocolViolation } from "../../../../src/proxy/refusal.ts";
import { ForwardingCache } from "../../../../src/engine/wire/http1/request-writer.ts";

export interface Reading {
  /** 0 for each request that passes, at last the status of the one that was refused. */
  readonly verdicts: number[];
  /** What upstreams would get, one entry a request; one that was refused within its body is cut short. */
  readonly passed: Buffer[];
  /** Why the last one was refused; empty if it was not. */
  complaint: string;
  /** Whether the last request is still incomplete. */
  isPending: boolean;
}

const forwardings = new ForwardingCache("http", () => false);
forwardings.listenOn(8080);
const forwarding = forwardings.for("192.0.2.1");

/** Reads a stream of requests that arrives in these segments, as a client's connection does, answering each at once. */
export function readStream(segments: readonly Buffer[]): Reading {
  const reading: Reading = { verdicts: [], passed: [], complaint: "", isPending: false };
  const inbox = new ClientInput(new ParsedRequest());
  let open: ForwardedRequest | undefined;
  let refused = false;
  const refuse = ({ status, text }: ProtocolViolation) => {
    refused = true;
    reading.complaint = text;
    return status;
  };
  const headRead = (head: ParsedRequest, to: number, violation: ProtocolViolation | undefined): number => {
    const request = new ForwardedRequest();
    const stop = violation ? -1 : request.begin(head, to);
    reading.verdicts.push(stop < 0 ? refuse(violation ?? request.bodyViolation) : 0);
    if (stop < 0) {
      return to;
    }
    request.id = "id";
    request.write(head, stop, forwarding);
    reading.passed.push(Buffer.from(request.bytes.bytes.subarray(0, request.bytes.length)));
    if (!request.isComplete) open = request;
    return stop;
  };
  for (const segment of segments) {
    let bytes: Buffer | undefined = segment;
    while (bytes !== undefined && bytes.length > 0 && !refused) {
      if (open) {
        const stop = open.receiveBody(bytes, 0, bytes.length);
        if (stop < 0) {
          reading.verdicts[reading.verdicts.length - 1] = refuse(open.bodyViolation);
          break;
        }
        const last = reading.passed.length - 1;
        reading.passed[last] = Buffer.concat([reading.passed[last] as Buffer, bytes.subarray(0, stop)]);
        if (open.isComplete) open = undefined;
        inbox.buffer(bytes, stop, bytes.length);
      } else if (!inbox.readHead(bytes, 0, { headRead })) break;
      bytes = inbox.takePipelined();
    }
    if (refused) break;
  }
  reading.isPending = !refused && (open !== undefined || inbox.hasPartialHead);
  return reading;
}

export const bytesOf = (text: string): Buffer => Buffer.from(text, "latin1");

/** The same bytes one by one. */
export function oneByOne(bytes: Buffer): Buffer[] {
  return Array.from(bytes, (byte) => Buffer.from([byte]));
}
