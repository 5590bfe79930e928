/** Writes the head that an upstream gets: the client's bytes without what ends at this hop, and with our fields. */

import { latin1, slash } from "./bytes.ts";
import { headerStride } from "./head-parser.ts";
import { isHopByHop, knownHeaders } from "./header-names.ts";
import { methodNumber, type ParsedRequest } from "./parsed-request.ts";
import type { ReplayBuffer } from "./request-buffer.ts";
import type { WrittenHead } from "./request-view.ts";
import {
  forwardingHeaders,
  type ForwardingHeaders,
  type ForwardingOptions,
  viaName,
} from "../../../proxy/forwarding.ts";
import type { RequestHead } from "../../../proxy/request-head.ts";
import { formatTraceparent, type TraceContext } from "../../../proxy/trace-context.ts";

const version = latin1(" HTTP/1.1\r\n");
const beforeTrace = latin1("\r\ntraceparent: ");
const beforeId = latin1("\r\nX-Request-Id: ");
const headEnd = latin1("\r\n\r\n");
const upgradeHeader = latin1("\r\nConnection: Upgrade");

/**
 * TE speaks of one hop (RFC 9110 section 10.1.4), and this one takes trailers where the client does: servers of gRPC insist on
 * hearing that. So HAProxy and Envoy do it. Other codings that the client takes would come to us.
 */
const trailersHeader = latin1("\r\nTE: trailers");
const trailersOption = latin1("\r\nConnection: TE");
const bothOptions = latin1("\r\nConnection: Upgrade, TE");

/** A request that is about to be written. */
export interface OutgoingHead {
  /** Empty yet. */
  readonly bytes: ReplayBuffer;
  readonly id: string;
  /** What upstreams go on with; undefined where the client's own field passes. */
  readonly trace: TraceContext | undefined;
  /** The request as the rules see it, for the cases that the prefix does not cover. */
  readonly view: RequestHead;
  /** Gets the places that a view of the written head needs. */
  readonly written: WrittenHead;
}

/** Room for the fields of {@link ClientForwarding}, the longest address and request id included. */
const addedHeaderBytes = 512;

/** Writes the whole head, the empty line included. */
export function writeRequestHead(
  outgoing: OutgoingHead,
  head: ParsedRequest,
  forwarding: ClientForwarding,
): void {
  const request = outgoing.bytes;
  const { parser, bytes } = head;
  request.reserve(parser.end - parser.methodStart + (head.hostEnd - head.hostStart) + addedHeaderBytes);
  const rewritesForwarding = forwarding.isTrusted || head.hasVia;
  appendKept(request, head, {
    from: appendStart(outgoing, head),
    dropsVia: rewritesForwarding,
    dropsForwarded: !forwarding.isTrusted,
    dropsTrace: outgoing.trace !== undefined,
  });
  if (rewritesForwarding) appendHeaders(request, forwardingHeaders(outgoing.view, forwarding.options));
  else {
    request.append(forwarding.prefix, 0, forwarding.prefix.length);
    request.append(bytes, head.hostStart, head.hostEnd);
  }
  request.append(beforeId, 0, beforeId.length);
  request.appendText(outgoing.id);
  if (outgoing.trace) {
    request.append(beforeTrace, 0, beforeTrace.length);
    request.appendText(formatTraceparent(outgoing.trace));
  }
  if (head.takesTrailers) request.append(trailersHeader, 0, trailersHeader.length);
  const options = optionsOf(head);
  if (options) request.append(options, 0, options.length);
  outgoing.written.headersEnd = request.length + 2;
  request.append(headEnd, 0, headEnd.length);
}

function optionsOf({ upgrades, takesTrailers }: ParsedRequest): Buffer | undefined {
  if (upgrades) return takesTrailers ? bothOptions : upgradeHeader;
  return takesTrailers ? trailersOption : undefined;
}

/** Writes the start line if it must change; returns the offset in the source from which bytes are still to be kept. */
function appendStart({ bytes: request, written }: OutgoingHead, head: ParsedRequest): number {
  const { parser, bytes } = head;
  const wasAbsolute = head.targetStart !== parser.targetStart;
  if (!wasAbsolute && parser.version === 11) {
    written.targetEnd = parser.targetEnd - parser.methodStart;
    written.headersStart = parser.headersStart - parser.methodStart;
    return parser.methodStart;
  }
  request.append(bytes, parser.methodStart, parser.methodEnd + 1);
  if (wasAbsolute && bytes[head.targetStart] !== slash) request.appendText(rootOf(head));
  request.append(bytes, head.targetStart, parser.targetEnd);
  written.targetEnd = request.length;
  request.append(version, 0, version.length);
  written.headersStart = request.length;
  return parser.headersStart;
}

/** What an absolute target without a path asks for (RFC 9112 section 3.2.4). */
function rootOf({ method, targetStart, parser }: ParsedRequest): string {
  return method === methodNumber.options && targetStart === parser.targetEnd ? "*" : "/";
}

/** All that is neither dropped nor written anew, in runs that are as long as possible. */
function appendKept(
  request: ReplayBuffer,
  { bytes, parser, upgrades }: ParsedRequest,
  start: Dropped & { readonly from: number },
): void {
  const { headers, count, headersEnd } = parser;
  let { from } = start;
  for (let position = 0; position < count * headerStride; position += headerStride) {
    const number = headers[position + 4] as number;
    if (number === knownHeaders.other || isKept(number, upgrades, start)) continue;
    const lineStart = headers[position] as number;
    if (lineStart > from) request.append(bytes, from, lineStart);
    const isLast = position + headerStride === count * headerStride;
    from = isLast ? headersEnd : (headers[position + headerStride] as number);
  }
  request.append(bytes, from, headersEnd);
}

/** Which of the fields that may pass do not, this time. */
interface Dropped {
  readonly dropsVia: boolean;
  readonly dropsForwarded: boolean;
  readonly dropsTrace: boolean;
}

function isKept(
  number: number,
  upgrades: boolean,
  { dropsVia, dropsForwarded, dropsTrace }: Dropped,
): boolean {
  if (number === knownHeaders.connection || isHopByHop(number)) return false;
  if (number === knownHeaders.upgrade) return upgrades;
  if (number === knownHeaders.via) return !dropsVia;
  if (number === knownHeaders.traceparent) return !dropsTrace;
  if (number === knownHeaders.forwarded) return !dropsForwarded;
  return number < knownHeaders.forwardedFor || number === knownHeaders.trailer;
}

/** Each on its line, without the end of the last one. */
function appendHeaders(request: ReplayBuffer, headers: ForwardingHeaders): void {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  request.appendText(lines.join("\r\n"));
}

// What clients' addresses add to their requests: made once for all connections from one, and kept for those that came last.

/** Addresses that are remembered: a proxy's before us, or somebody's many connections. */
const maxCached = 1_024;

/** What one address adds to each of its requests. */
export interface ClientForwarding {
  readonly address: string;
  /** All forwarding fields up to the name of the last one, whose value is the request's Host. */
  readonly prefix: Buffer;
  /** Whether the peer's own forwarding fields are believed: then each request is worked out anew. */
  readonly isTrusted: boolean;
  readonly options: ForwardingOptions;
}

export class ForwardingCache {
  readonly scheme: RequestHead["scheme"];
  readonly #options: { readonly isTrustedProxy: ForwardingOptions["isTrustedProxy"]; listenPort: number };
  /** In the order in which they came. */
  readonly #cached = new Map<string, ClientForwarding>();

  constructor(scheme: RequestHead["scheme"], isTrustedProxy: ForwardingOptions["isTrustedProxy"]) {
    this.scheme = scheme;
    this.#options = { isTrustedProxy, listenPort: 0 };
  }

  /** Before anybody connects: the port that clients reach us on. */
  listenOn(port: number): void {
    this.#options.listenPort = port;
  }

  /** As its address is judged now: whom we trust may change while others stay connected. */
  for(address: string): ClientForwarding {
    const isTrusted = this.#options.isTrustedProxy(address);
    const cached = this.#cached.get(address);
    if (cached?.isTrusted === isTrusted) return cached;
    const created = { address, prefix: this.#prefixOf(address), isTrusted, options: this.#options };
    const first = this.#cached.size >= maxCached ? this.#cached.keys().next().value : undefined;
    if (first !== undefined) this.#cached.delete(first);
    this.#cached.set(address, created);
    return created;
  }

  #prefixOf(address: string): Buffer {
    const headers = [
      `X-Forwarded-For: ${address}`,
      `X-Forwarded-Proto: ${this.scheme}`,
      `X-Forwarded-Port: ${this.#options.listenPort}`,
      `Via: ${viaName}`,
      "X-Forwarded-Host: ",
    ];
    return latin1(headers.join("\r\n"));
  }
}
