/** What a client sent and nobody has taken yet: the pieces of a head, and what came behind the present request. */

import type { ProtocolViolation } from "../../proxy/refusal.ts";
import { ByteAccumulator } from "./http1/bytes.ts";
import { isWhole, needsMore } from "./http1/head-parser.ts";
import { ParsedRequest } from "./http1/parsed-request.ts";

/** What a client may send ahead of its answers before it is made to wait. */
const maxPipelinedBytes = 65_536;

/** Hears of a head that was read. */
export interface RequestSink {
  /**
   * @param to behind the last byte that has come
   * @param violation what it is refused for, if it may not pass
   * @returns the offset behind what belongs to the request
   */
  headRead(head: ParsedRequest, to: number, violation: ProtocolViolation | undefined): number;
}

export class ClientInput {
  readonly #shared: ParsedRequest;
  #partialHead: ByteAccumulator<ParsedRequest> | undefined;
  #pipelined: ByteAccumulator<undefined> | undefined;
  /** What `takeAhead` gave away last, and what came back of it. */
  #taken: Buffer | undefined;
  #rest: Buffer | undefined;

  /** @param shared reads the heads that come whole; nobody holds on to it between two events */
  constructor(shared: ParsedRequest) {
    this.#shared = shared;
  }

  /** Whether a head has begun to come. */
  get hasPartialHead(): boolean {
    return this.#partialHead !== undefined;
  }

  /** Whether anything came that nobody has taken. */
  get hasPipelined(): boolean {
    return this.#pipelined !== undefined || this.#rest !== undefined;
  }

  /** Whether the client should wait. */
  get isFull(): boolean {
    return (this.#pipelined?.length ?? this.#rest?.length ?? 0) > maxPipelinedBytes;
  }

  /** Puts bytes[from..to) behind what is there; copies them unless they are a part of what was taken before. */
  buffer(bytes: Buffer, from: number, to: number): void {
    if (from >= to) return;
    if (this.#pipelined) this.#pipelined.append(bytes, from, to);
    else if (bytes === this.#taken) this.#rest = bytes.subarray(from, to);
    else this.#startPipelined(bytes, from, to);
  }

  #startPipelined(bytes: Buffer, from: number, to: number): void {
    const rest = this.#rest;
    this.#rest = undefined;
    this.#pipelined = new ByteAccumulator(undefined, rest ?? bytes, rest ? 0 : from, rest ? rest.length : to);
    if (rest) this.#pipelined.append(bytes, from, to);
  }

  /** What was kept, once. */
  takePipelined(): Buffer | undefined {
    const pipelined = this.#pipelined?.bytes.subarray(0, this.#pipelined.length) ?? this.#rest;
    this.#pipelined = undefined;
    this.#rest = undefined;
    this.#taken = pipelined;
    return pipelined;
  }

  clear(): void {
    this.#partialHead = undefined;
    this.#pipelined = undefined;
    this.#rest = undefined;
    this.#taken = undefined;
  }

  /**
   * Reads one head that begins at bytes[from], or goes on with one whose first pieces came before; keeps what is
   * behind the request.
   * @returns false if more of the head must come, else `taker` has heard of it
   */
  readHead(bytes: Buffer, from: number, sink: RequestSink): boolean {
    const partial = this.#partialHead?.append(bytes, from, bytes.length);
    const head = partial?.head ?? this.#shared;
    const source = partial?.bytes ?? bytes;
    const to = partial?.length ?? bytes.length;
    if (!partial) head.parser.beginRequest(from);
    const result = head.parser.parse(source, to);
    if (result === needsMore) {
      if (!partial) this.#startPartialHead(bytes, from);
      return false;
    }
    this.#partialHead = undefined;
    const next = sink.headRead(head, to, result === isWhole ? head.validate(source) : head.parser.violation);
    this.buffer(source, next, to);
    return true;
  }

  #startPartialHead(bytes: Buffer, from: number): void {
    const head = new ParsedRequest();
    head.parser.beginRequest(0);
    this.#partialHead = new ByteAccumulator(head, bytes, from, bytes.length);
    head.parser.parse(this.#partialHead.bytes, this.#partialHead.length);
  }
}
