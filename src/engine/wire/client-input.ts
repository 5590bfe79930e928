/** A client's bytes that are not processed yet: a partial head, and pipelined requests behind the current one. */

import type { ProtocolViolation } from "../../proxy/refusal.ts";
import { ByteAccumulator } from "./http1/bytes.ts";
import { isWhole, needsMore } from "./http1/head-parser.ts";
import { ParsedRequest } from "./http1/parsed-request.ts";

/** Maximum pipelined bytes before the client's connection is paused. */
const maxPipelinedBytes = 65_536;

/** Receives request heads. */
export interface RequestSink {
  /**
   * @param to offset after the last byte that has arrived
   * @param violation the rule that the head breaks; undefined if it is valid
   * @returns the offset after the last byte that belongs to the request
   */
  headRead(head: ParsedRequest, to: number, violation: ProtocolViolation | undefined): number;
}

export class ClientInput {
  readonly #shared: ParsedRequest;
  #partialHead: ByteAccumulator<ParsedRequest> | undefined;
  #pipelined: ByteAccumulator<undefined> | undefined;
  /** The last result of `takePipelined`, and the part of it that was put back. */
  #taken: Buffer | undefined;
  #rest: Buffer | undefined;

  /** @param shared parses heads that arrive in one piece; valid during one event */
  constructor(shared: ParsedRequest) {
    this.#shared = shared;
  }

  /** Whether a part of a head has arrived. Empty lines before it do not count. */
  get hasPartialHead(): boolean {
    return this.#partialHead?.head.parser.hasBegun === true;
  }

  get hasPipelined(): boolean {
    return this.#pipelined !== undefined || this.#rest !== undefined;
  }

  /** Whether the client's connection should be paused. */
  get isFull(): boolean {
    return (this.#pipelined?.length ?? this.#rest?.length ?? 0) > maxPipelinedBytes;
  }

  /** Appends bytes[from..to). Copies them, unless they are a part of the last result of `takePipelined`. */
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

  /** Removes and returns all pipelined bytes. */
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
   * Reads one head that begins at bytes[from], or continues a partial one, and calls `sink` when the head is complete or
   * malformed. Buffers what follows the request.
   * @returns false if the head is still partial
   */
  readHead(bytes: Buffer, from: number, sink: RequestSink): boolean {
    const partial = this.#partialHead?.append(bytes, from, bytes.length);
    const head = partial?.head ?? this.#shared;
    const source = partial?.bytes ?? bytes;
    const to = partial?.length ?? bytes.length;
    if (!partial) head.parser.beginRequest(from);
    const result = head.parser.parse(source, to);
    if (result === needsMore) {
      if (head.parser.isBlank) this.#partialHead = undefined;
      else if (!partial) this.#startPartialHead(bytes, from);
      return false;
    }
    this.#partialHead = undefined;
    const next = sink.headRead(head, to, result === isWhole ? head.validate(source) : head.parser.violation);
    this.buffer(source, next, to);
    return true;
  }

  #startPartialHead(bytes: Buffer, from: number): void {
    const head = new ParsedRequest(this.#shared.parser.limits);
    head.parser.beginRequest(0);
    this.#partialHead = new ByteAccumulator(head, bytes, from, bytes.length);
    head.parser.parse(this.#partialHead.bytes, this.#partialHead.length);
  }
}
