/** A request head for routes, hash keys and logs: creates strings from the bytes, and only when they are read. */

import { clientAddressBehind } from "../../../proxy/client-address.ts";
import type { ConnectionTls } from "../../../tls/connection-tls.ts";
import type { RequestHead } from "../../../proxy/request-head.ts";
import { colon, isNamed, lf, space, tab } from "./bytes.ts";
import { methods, type ParsedRequest } from "./parsed-request.ts";

/** Offsets in a written head that begins at 0. */
export interface WrittenHead {
  targetEnd: number;
  headersStart: number;
  headersEnd: number;
}

/** What is known of a client's connection. */
export interface PeerView {
  readonly address: string;
  /** Whether it is a trusted proxy, whose word about the client counts. */
  readonly isTrusted: boolean;
  readonly options: { readonly isTrustedProxy: (address: string) => boolean };
}

const noPeer: PeerView = { address: "", isTrusted: false, options: { isTrustedProxy: () => false } };

const empty: Buffer = Buffer.alloc(0);

/** Reads from the received bytes while they are valid, and later from those written for the upstream. */
export class LazyRequestHead implements RequestHead {
  peer = noPeer;
  scheme: "http" | "https" = "http";
  listener = "";
  tls: ConnectionTls | undefined;
  #bytes: Buffer = empty;
  #methodNumber = 0;
  #methodStart = 0;
  #methodEnd = 0;
  #targetStart = 0;
  #targetEnd = 0;
  #headersStart = 0;
  #headersEnd = 0;
  #hasTraceparent = false;
  /** The authority in received bytes, which an absolute target may have instead of the Host header; empty in written ones. */
  #hostStart = 0;
  #hostEnd = 0;
  /** Whether the bytes are those written for the upstream. */
  #isWritten = false;
  /** Made when it is first read. */
  #target: string | undefined;
  /** Computed when it is first read, and only behind a trusted proxy. */
  #clientAddress: string | undefined;

  pointTo(head: ParsedRequest): void {
    const { parser } = head;
    this.#bytes = head.bytes;
    this.#methodNumber = head.method;
    this.#methodStart = parser.methodStart;
    this.#methodEnd = parser.methodEnd;
    this.#targetStart = head.targetStart;
    this.#targetEnd = parser.targetEnd;
    this.#headersStart = parser.headersStart;
    this.#headersEnd = parser.headersEnd;
    this.#hasTraceparent = head.hasTraceparent;
    this.#hostStart = head.hostStart;
    this.#hostEnd = head.hostEnd;
    this.#isWritten = false;
    this.#target = this.#clientAddress = undefined;
  }

  /** Reads from the written head, which begins with the method. */
  moveTo(bytes: Buffer, position: WrittenHead): void {
    this.#bytes = bytes;
    this.#isWritten = true;
    this.#hostEnd = 0;
    this.#methodEnd -= this.#methodStart;
    this.#methodStart = 0;
    this.#targetStart = this.#methodEnd + 1;
    this.#targetEnd = position.targetEnd;
    this.#headersStart = position.headersStart;
    this.#headersEnd = position.headersEnd;
  }

  clear(): void {
    this.#bytes = empty;
    this.#isWritten = false;
    this.#hostEnd = 0;
    this.#target = this.#clientAddress = undefined;
    this.#headersStart = 0;
    this.#headersEnd = 0;
  }

  get peerAddress(): string {
    return this.peer.address;
  }

  get isPeerTrusted(): boolean {
    return this.peer.isTrusted;
  }

  get clientAddress(): string {
    if (!this.peer.isTrusted) return this.peer.address;
    return (this.#clientAddress ??= clientAddressBehind(
      { peerAddress: this.peer.address, header: (name) => this.#receivedHeader(name) },
      this.peer.options.isTrustedProxy,
    ));
  }

  /** The written X-Forwarded-For ends with the peer, which the client's proxy did not write. */
  #receivedHeader(name: string): string | undefined {
    const value = this.header(name);
    if (!this.#isWritten || name !== "x-forwarded-for") return value;
    return value?.slice(0, Math.max(0, value.length - this.peer.address.length - ", ".length));
  }

  get method(): string {
    return this.#methodNumber > 0
      ? (methods[this.#methodNumber] as string)
      : this.#bytes.toString("latin1", this.#methodStart, this.#methodEnd);
  }

  get target(): string {
    return (this.#target ??= this.#readTarget());
  }

  #readTarget(): string {
    const target = this.#bytes.toString("latin1", this.#targetStart, this.#targetEnd);
    return target.startsWith("/") || target === "*" ? target : `/${target}`;
  }

  get host(): string {
    return this.header("host") ?? "";
  }

  header(name: string): string | undefined {
    // Tracing and the access log read it for every request, and few requests have it.
    if (name === "traceparent" && !this.#hasTraceparent) return undefined;
    if (name === "host" && this.#hostEnd > 0)
      return this.#bytes.toString("latin1", this.#hostStart, this.#hostEnd);
    const bytes = this.#bytes;
    let joined: string | undefined;
    let start = this.#headersStart;
    while (start < this.#headersEnd) {
      const lineEnd = bytes.indexOf(lf, start) - 1;
      const nameEnd = start + name.length;
      if (bytes[nameEnd] === colon && isNamed(bytes, start, nameEnd, name)) {
        const value = this.#value(nameEnd + 1, lineEnd);
        // Cookies are joined as in RFC 9113 section 8.2.3: no other separator would keep them apart.
        joined = joined === undefined ? value : joined + (name === "cookie" ? "; " : ", ") + value;
      }
      start = lineEnd + 2;
    }
    return joined;
  }

  #value(from: number, to: number): string {
    let [start, end] = [from, to];
    while (start < end && (this.#bytes[start] === space || this.#bytes[start] === tab)) start += 1;
    while (end > start && (this.#bytes[end - 1] === space || this.#bytes[end - 1] === tab)) end -= 1;
    return this.#bytes.toString("latin1", start, end);
  }
}
