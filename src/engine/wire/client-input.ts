/** What a client sent and nobody has taken yet: the pieces of a head, and what came behind the present request. */

import type { ProtocolViolation } from "../../proxy/refusal.ts";
import { ByteAccumulator } from "./http1/bytes.ts";
import { isWhole, needsMore } from "./http1/head-parser.ts";
import { ParsedRequest } from "./http1/parsed-request.ts";

/** What a client may send ahead of its answers before it is made to wait. */
const maxAheadBytes = 65_536;

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
  #gathered: ByteAccumulator<ParsedRequest> | undefined;
  #ahead: ByteAccumulator<undefined> | undefined;
  /** What `takeAhead` gave away last, and what came back of it. */
  #taken: Buffer | undefined;
  #rest: Buffer | undefined;

  /** @param shared reads the heads that come whole; nobody holds on to it between two events */
  constructor(shared: ParsedRequest) {
    this.#shared = shared;
  }

  /** Whether a head has begun to come. */
  get isGathering(): boolean {
    return this.#gathered !== undefined;
  }

  /** Whether anything came that nobody has taken. */
  get hasPipelined(): boolean {
    return this.#ahead !== undefined || this.#rest !== undefined;
  }

  /** Whether the client should wait. */
  get isFull(): boolean {
    return (this.#ahead?.length ?? this.#rest?.length ?? 0) > maxAheadBytes;
  }

  /** Puts bytes[from..to) behind what is there; copies them unless they are a part of what was taken before. */
  buffer(bytes: Buffer, from: number, to: number): void {
    if (from >= to) return;
    if (this.#ahead) this.#ahead.append(bytes, from, to);
    else if (bytes === this.#taken) this.#rest = bytes.subarray(from, to);
    else this.#begin(bytes, from, to);
  }

  #begin(bytes: Buffer, from: number, to: number): void {
    const rest = this.#rest;
    this.#rest = undefined;
    this.#ahead = new ByteAccumulator(undefined, rest ?? bytes, rest ? 0 : from, rest ? rest.length : to);
    if (rest) this.#ahead.append(bytes, from, to);
  }

  /** What was kept, once. */
  takePipelined(): Buffer | undefined {
    const ahead = this.#ahead?.bytes.subarray(0, this.#ahead.length) ?? this.#rest;
    this.#ahead = undefined;
    this.#rest = undefined;
    this.#taken = ahead;
    return ahead;
  }

  clear(): void {
    this.#gathered = undefined;
    this.#ahead = undefined;
    this.#rest = undefined;
    this.#taken = undefined;
  }

  /**
   * Reads one head that begins at bytes[from], or goes on with one whose first pieces came before; keeps what is
   * behind the request.
   * @returns false if more of the head must come, else `taker` has heard of it
   */
  readHead(bytes: Buffer, from: number, sink: RequestSink): boolean {
    const gathered = this.#gathered?.append(bytes, from, bytes.length);
    const head = gathered?.head ?? this.#shared;
    const source = gathered?.bytes ?? bytes;
    const to = gathered?.length ?? bytes.length;
    if (!gathered) head.reader.beginRequest(from);
    const verdict = head.reader.read(source, to);
    if (verdict === needsMore) {
      if (!gathered) this.#gather(bytes, from);
      return false;
    }
    this.#gathered = undefined;
    const next = sink.headRead(head, to, verdict === isWhole ? head.validate(source) : head.reader.violation);
    this.buffer(source, next, to);
    return true;
  }

  #gather(bytes: Buffer, from: number): void {
    const head = new ParsedRequest();
    head.reader.beginRequest(0);
    this.#gathered = new ByteAccumulator(head, bytes, from, bytes.length);
    head.reader.read(this.#gathered.bytes, this.#gathered.length);
  }
}
