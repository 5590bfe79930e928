/** Reads the HTTP/1.1 request that the engine writes and passes it on as the parts of an HTTP/2 request. */

import { createHash } from "node:crypto";

import { equals, equalsAnyCase, latin1 } from "../http1/bytes.ts";
import { headerStride, isWhole } from "../http1/head-parser.ts";
import { knownHeaders } from "../http1/header-names.ts";
import { contentLength } from "../http1/message.ts";
import { at, MessageTranslator, type HeadTools, endsAtHop, type MessageParts } from "./message-translator.ts";

/** Indices in the static table (RFC 7541 appendix A). */
const authorityIndex = 1;
const methodIndex = 2;
const postIndex = 3;
const pathIndex = 4;
const schemeIndices = { http: 6, https: 7 } as const;

const methods = {
  get: latin1("GET"),
  post: latin1("POST"),
  head: latin1("HEAD"),
  connect: latin1("CONNECT"),
};
const keyName = latin1("sec-websocket-key");
const protocolName = latin1(":protocol");
const websocket = latin1("websocket");

/** RFC 6455 section 1.3. */
const acceptSuffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const none = -1;

export class RequestTranslator extends MessageTranslator {
  readonly #schemeIndex: number;
  #mayTunnel = false;
  isHead = false;
  /** For a WebSocket (RFC 8441): what the upgrade's response must have in Sec-WebSocket-Accept. Empty for other requests. */
  accept = "";

  constructor(parts: MessageParts, tools: HeadTools, scheme: "http" | "https") {
    super(parts, tools);
    this.#schemeIndex = schemeIndices[scheme];
  }

  /** @param mayTunnel whether the peer takes WebSockets */
  begin(mayTunnel: boolean): void {
    this.beginHead();
    this.#mayTunnel = mayTunnel;
    this.accept = "";
  }

  protected override readHead(bytes: Buffer, from: number, to: number): number {
    const { parser, block } = this;
    parser.beginRequest(from);
    if (parser.parse(bytes, to) !== isWhole)
      throw new Error(`Cannot send a request: the engine wrote an invalid head (${parser.violation.text})`);
    const { headers, methodStart, methodEnd, targetStart, targetEnd } = parser;
    this.isHead = equals(bytes, methodStart, methodEnd, methods.head);
    const key =
      this.#mayTunnel && equals(bytes, methodStart, methodEnd, methods.get) ? this.#tunnelKey(bytes) : none;
    if (key !== none) this.accept = acceptOf(bytes.toString("latin1", headers[key + 2], headers[key + 3]));
    const isTunnel = key !== none;
    block.begin();
    if (isTunnel) block.addValue(methodIndex, methods.connect, 0, methods.connect.length);
    else this.#addMethod(bytes, methodStart, methodEnd);
    block.addIndexed(this.#schemeIndex);
    block.addValue(pathIndex, bytes, targetStart, targetEnd);
    const host = this.#find(knownHeaders.host);
    if (host !== none)
      block.addValue(authorityIndex, bytes, headers[host + 2] as number, headers[host + 3] as number);
    if (isTunnel)
      block.add(
        protocolBytes,
        { from: 0, to: protocolName.length },
        protocolName.length,
        protocolBytes.length,
      );
    this.#addFields(bytes, key);
    return parser.end;
  }

  /** Position of the first header with this number. */
  #find(number: number): number {
    const { headers, count } = this.parser;
    for (let position = 0; position < count * headerStride; position += headerStride)
      if (headers[position + 4] === number) return position;
    return none;
  }

  /** Position of Sec-WebSocket-Key in a request that upgrades to a WebSocket. */
  #tunnelKey(bytes: Buffer): number {
    const { headers, count } = this.parser;
    const upgrade = this.#find(knownHeaders.upgrade);
    if (upgrade === none) return none;
    if (!equalsAnyCase(bytes, headers[upgrade + 2] as number, headers[upgrade + 3] as number, websocket))
      return none;
    for (let position = 0; position < count * headerStride; position += headerStride)
      if (equalsAnyCase(bytes, headers[position] as number, headers[position + 1] as number, keyName))
        return position;
    return none;
  }

  #addMethod(bytes: Buffer, from: number, to: number): void {
    if (equals(bytes, from, to, methods.get)) this.block.addIndexed(methodIndex);
    else if (equals(bytes, from, to, methods.post)) this.block.addIndexed(postIndex);
    else this.block.addValue(methodIndex, bytes, from, to);
  }

  /** @param key position of a header that does not pass */
  #addFields(bytes: Buffer, key: number): void {
    const { headers, count } = this.parser;
    let length = -1;
    let isChunked = false;
    for (let position = 0; position < count * headerStride; position += headerStride) {
      const [from, to] = [headers[position] as number, headers[position + 1] as number];
      const [valueFrom, valueTo] = [headers[position + 2] as number, headers[position + 3] as number];
      const number = headers[position + 4] as number;
      if (number === knownHeaders.contentLength) length = contentLength(bytes, valueFrom, valueTo);
      if (number === knownHeaders.transferEncoding) isChunked = true;
      // The engine writes no other TE than "trailers", the one that HTTP/2 has (RFC 9113 section 8.2.2).
      const isDropped =
        number === knownHeaders.host || position === key || (number !== knownHeaders.te && endsAtHop(number));
      if (!isDropped) this.block.add(bytes, { from, to }, valueFrom, valueTo);
    }
    const phase = key !== none ? at.untilClose : isChunked ? at.chunkSize : length > 0 ? at.length : at.done;
    this.beginBody(phase, length);
    this.parts.passHeaders(this.blockBytes, phase === at.done);
  }
}

const protocolBytes = Buffer.concat([protocolName, websocket]);

function acceptOf(key: string): string {
  return createHash("sha1")
    .update(key + acceptSuffix)
    .digest("base64");
}
