/** A request's head as routes, keys and logs may ask about it: strings made from the bytes, and only when asked. */

import type { RequestHead } from "../../../proxy/request-head.ts";
import { colon, equalsAnyCase, latin1, lf, space, tab } from "./bytes.ts";
import { methods, type ParsedRequest } from "./parsed-request.ts";

/** Offsets in a head that begins at 0. */
export interface WrittenHead {
  targetEnd: number;
  headersStart: number;
  headersEnd: number;
}

const empty: Buffer = Buffer.alloc(0);

/** By name. Those come from our rules and the configuration: there are few. */
const literals = new Map<string, Buffer>();

function literalOf(name: string): Buffer {
  let literal = literals.get(name);
  if (!literal) literals.set(name, (literal = latin1(name)));
  return literal;
}

/** Looks at the received bytes while they are valid, and later at those that went to the upstream. */
export class LazyRequestHead implements RequestHead {
  clientAddress = "";
  scheme: "http" | "https" = "http";
  #bytes: Buffer = empty;
  #methodNumber = 0;
  #methodStart = 0;
  #methodEnd = 0;
  #targetStart = 0;
  #targetEnd = 0;
  #headersStart = 0;
  #headersEnd = 0;
  #hasTraceparent = false;

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
  }

  /** The same head where it was written to: it begins with the method. */
  moveTo(bytes: Buffer, position: WrittenHead): void {
    this.#bytes = bytes;
    this.#methodEnd -= this.#methodStart;
    this.#methodStart = 0;
    this.#targetStart = this.#methodEnd + 1;
    this.#targetEnd = position.targetEnd;
    this.#headersStart = position.headersStart;
    this.#headersEnd = position.headersEnd;
  }

  /** There is no head to look at. */
  clear(): void {
    this.#bytes = empty;
    this.#headersStart = 0;
    this.#headersEnd = 0;
  }

  get method(): string {
    return this.#methodNumber > 0
      ? (methods[this.#methodNumber] as string)
      : this.#bytes.toString("latin1", this.#methodStart, this.#methodEnd);
  }

  get target(): string {
    const target = this.#bytes.toString("latin1", this.#targetStart, this.#targetEnd);
    return target.startsWith("/") || target === "*" ? target : `/${target}`;
  }

  get host(): string {
    return this.header("host") ?? "";
  }

  header(name: string): string | undefined {
    // Traces and the access log ask for it with each request, and few have it.
    if (name === "traceparent" && !this.#hasTraceparent) return undefined;
    const literal = literalOf(name);
    const bytes = this.#bytes;
    let joined: string | undefined;
    let start = this.#headersStart;
    while (start < this.#headersEnd) {
      const lineEnd = bytes.indexOf(lf, start) - 1;
      const nameEnd = bytes.indexOf(colon, start);
      if (equalsAnyCase(bytes, start, nameEnd, literal)) {
        const value = this.#value(nameEnd + 1, lineEnd);
        joined = joined === undefined ? value : `${joined}, ${value}`;
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
