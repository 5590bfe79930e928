/** Writes request heads for upstreams: the client's bytes without hop-by-hop headers, and with our own headers. */

import {
  forwardingHeaders,
  type ForwardingHeaders,
  type ForwardingOptions,
} from "../../../proxy/forwarding.ts";
import type { RequestHead } from "../../../proxy/request-head.ts";
import type { ClientIdentity } from "../../../tls/client-certificate.ts";
import { formatTraceparent, type TraceContext } from "../../../proxy/trace-context.ts";
import { framing } from "./body.ts";
import { latin1, slash } from "./bytes.ts";
import { headerStride } from "./head-parser.ts";
import { isHopByHop, knownHeaders } from "./header-names.ts";
import { methodNumber, type ParsedRequest } from "./parsed-request.ts";
import type { ReplayBuffer } from "./request-buffer.ts";
import type { WrittenHead } from "./request-view.ts";

const version = latin1(" HTTP/1.1\r\n");
const minorVersionOffset = version.indexOf(".") + 1;
const one = 0x31;
const hostName = latin1("Host: ");
const lineEnd = latin1("\r\n");
const chunkedHeader = "Transfer-Encoding: chunked\r\n";
const beforeTrace = latin1("\r\ntraceparent: ");
const beforeId = latin1("\r\nX-Request-Id: ");
const headEnd = latin1("\r\n\r\n");
const upgradeHeader = latin1("\r\nConnection: Upgrade");

/**
 * TE is hop-by-hop (RFC 9110 section 10.1.4). We accept trailers if the client does, because gRPC servers require it;
 * HAProxy and Envoy do the same. Other codings of the client's TE are dropped, since we would receive them.
 */
const trailersHeader = latin1("\r\nTE: trailers");
const trailersOption = latin1("\r\nConnection: TE");
const bothOptions = latin1("\r\nConnection: Upgrade, TE");

/** A request head to be written, and where it is written to. */
export interface OutgoingHead {
  /** The target, empty at first. */
  readonly replay: ReplayBuffer;
  readonly id: string;
  /** Our trace context; undefined if the client's traceparent passes unchanged. */
  readonly trace: TraceContext | undefined;
  /** The received head, from which forwarding headers are computed if the cached prefix does not fit. */
  readonly view: RequestHead;
  /** Receives the offsets of the written head. */
  readonly written: WrittenHead;
}

/** Room for the headers of {@link ClientForwarding}, with the longest address and request id. */
const addedHeaderBytes = 512;

/** Writes the head with its empty line. */
export function writeRequestHead(
  outgoing: OutgoingHead,
  head: ParsedRequest,
  forwarding: ClientForwarding,
): void {
  const request = outgoing.replay;
  const { parser } = head;
  const ownBytes = addedHeaderBytes + forwarding.fields.length;
  request.reserve(parser.end - parser.methodStart + (head.hostEnd - head.hostStart) + ownBytes);
  const rewritesForwarding = forwarding.isTrusted || head.hasVia;
  appendKept(request, head, {
    from: appendStart(outgoing, head, forwarding),
    dropsVia: rewritesForwarding,
    dropsForwarded: !forwarding.isTrusted,
    dropsHost: head.rewritesHost,
    dropsFraming: head.rewritesFraming,
    dropsTrace: outgoing.trace !== undefined,
  });
  if (rewritesForwarding) {
    const headers = forwardingHeaders(outgoing.view, forwarding.options);
    const host = headers["X-Forwarded-Host"] || forwarding.defaultHost;
    if (forwarding.fields) request.appendText(forwarding.fields);
    appendHeaders(request, { ...headers, "X-Forwarded-Host": host });
  } else {
    request.append(forwarding.prefix, 0, forwarding.prefix.length);
    appendHost(request, head, forwarding);
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

/**
 * Writes the start line, and the headers that frame and route the request, if they must change.
 * @returns the offset in the source of the first byte that is still to be copied
 */
function appendStart(
  { replay: request, written }: OutgoingHead,
  head: ParsedRequest,
  forwarding: ClientForwarding,
): number {
  const { parser, bytes } = head;
  const wasAbsolute = head.targetStart !== parser.targetStart;
  const isHttp11 = bytes[parser.targetEnd + minorVersionOffset] === one;
  if (!wasAbsolute && isHttp11 && !head.rewritesHost && !head.rewritesFraming) {
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
  if (head.rewritesHost) {
    request.append(hostName, 0, hostName.length);
    appendHost(request, head, forwarding);
    request.append(lineEnd, 0, lineEnd.length);
  }
  if (head.rewritesFraming) {
    const isChunked = head.framing === framing.chunked;
    request.appendText(isChunked ? chunkedHeader : `Content-Length: ${head.contentLength}\r\n`);
  }
  return parser.headersStart;
}

/** The authority of the request. An HTTP/1.0 request without one gets ours (RFC 9112 section 3.3). */
function appendHost(request: ReplayBuffer, head: ParsedRequest, { defaultHost }: ClientForwarding): void {
  if (head.hostEnd > head.hostStart) request.append(head.bytes, head.hostStart, head.hostEnd);
  else request.appendText(defaultHost);
}

/** The path of an absolute target without one (RFC 9112 section 3.2.4). */
function rootOf({ method, targetStart, parser }: ParsedRequest): string {
  return method === methodNumber.options && targetStart === parser.targetEnd ? "*" : "/";
}

/** Copies the headers that pass, in runs that are as long as possible. */
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

/** End-to-end headers that do not pass in this request. */
interface Dropped {
  readonly dropsVia: boolean;
  readonly dropsForwarded: boolean;
  readonly dropsTrace: boolean;
  /** These two are written in front of the others instead. */
  readonly dropsHost: boolean;
  readonly dropsFraming: boolean;
}

function isKept(
  number: number,
  upgrades: boolean,
  { dropsVia, dropsForwarded, dropsTrace, dropsHost, dropsFraming }: Dropped,
): boolean {
  if (number === knownHeaders.host) return !dropsHost;
  if (number < knownHeaders.connection) return !dropsFraming;
  if (number === knownHeaders.connection || isHopByHop(number)) return false;
  if (number === knownHeaders.upgrade) return upgrades;
  if (number === knownHeaders.via) return !dropsVia;
  if (number === knownHeaders.traceparent) return !dropsTrace;
  if (number === knownHeaders.forwarded) return !dropsForwarded;
  if (number === knownHeaders.trailer || number >= knownHeaders.date) return true;
  return number < knownHeaders.forwardedFor;
}

/** Appends header lines without the end of the last line. */
function appendHeaders(request: ReplayBuffer, headers: ForwardingHeaders): void {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  request.appendText(lines.join("\r\n"));
}

/** Whether a listener's name is none that a client can connect to. */
function isUnspecified(hostname: string): boolean {
  return hostname === "" || hostname === "0.0.0.0" || hostname === "::";
}

/** What a client address adds to each of its requests. */
export interface ClientForwarding {
  readonly address: string;
  /** All forwarding headers up to the name of the last one, whose value is the request's Host. */
  readonly prefix: Buffer;
  /** Whether the peer is a trusted proxy: then its forwarding headers are extended, which each request computes. */
  readonly isTrusted: boolean;
  /** Lines about the client's certificate. */
  readonly fields: string;
  readonly options: ForwardingOptions;
  /** The authority of a request that names none. */
  readonly defaultHost: string;
}

/** Maximum cached addresses. */
const maxCached = 1_024;

/** Creates the {@link ClientForwarding} of an address once for all its connections, and caches those of recent addresses. */
export class ForwardingCache {
  readonly scheme: RequestHead["scheme"];
  readonly #options: Omit<ForwardingOptions, "listenPort"> & { listenPort: number };
  /** In insertion order: the oldest one is evicted first. */
  readonly #cached = new Map<string, ClientForwarding>();
  #defaultHost = "localhost";

  constructor(scheme: RequestHead["scheme"], options: Omit<ForwardingOptions, "listenPort">) {
    this.scheme = scheme;
    this.#options = { isTrustedProxy: options.isTrustedProxy, viaName: options.viaName, listenPort: 0 };
  }

  /** Sets where clients connect to. Called before the first client is accepted. */
  setListenPort(port: number, hostname = ""): void {
    this.#options.listenPort = port;
    const name = isUnspecified(hostname) ? "localhost" : hostname;
    const isDefaultPort = port === (this.scheme === "https" ? 443 : 80);
    this.#defaultHost = `${name.includes(":") ? `[${name}]` : name}${isDefaultPort ? "" : `:${port}`}`;
  }

  /** Checks each time whether the address is trusted, because trusted proxies may change at run time. */
  for(address: string, client?: ClientIdentity): ClientForwarding {
    if (client) return this.#forwardingOf(address, this.#options.isTrustedProxy(address), client);
    const isTrusted = this.#options.isTrustedProxy(address);
    const cached = this.#cached.get(address);
    if (cached?.isTrusted === isTrusted) return cached;
    const created = this.#forwardingOf(address, isTrusted);
    const first = this.#cached.size >= maxCached ? this.#cached.keys().next().value : undefined;
    if (first !== undefined) this.#cached.delete(first);
    this.#cached.set(address, created);
    return created;
  }

  #forwardingOf(address: string, isTrusted: boolean, client?: ClientIdentity): ClientForwarding {
    const fields = (client?.fields ?? []).map(([name, value]) => `${name}: ${value}\r\n`).join("");
    const prefix = this.#prefixOf(address, fields);
    return { address, prefix, isTrusted, fields, options: this.#options, defaultHost: this.#defaultHost };
  }

  #prefixOf(address: string, fields: string): Buffer {
    const headers = [
      `X-Forwarded-For: ${address}`,
      `X-Forwarded-Proto: ${this.scheme}`,
      `X-Forwarded-Port: ${this.#options.listenPort}`,
      `Via: 1.1 ${this.#options.viaName}`,
      "X-Forwarded-Host: ",
    ];
    return latin1(fields + headers.join("\r\n"));
  }
}
