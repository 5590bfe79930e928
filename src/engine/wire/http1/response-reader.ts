/** Reads one answer after another out of an upstream's bytes; what it finds goes to whoever waits for it. */

import { ParsedResponse, type ResponseExpectation } from "../answer-head.ts";
import { BodyFraming } from "./body.ts";
import { ByteAccumulator } from "../gathered.ts";
import { isWhole, needsMore } from "./head-parser.ts";

/** Far more than anybody needs: 1xx heads without end would keep a core busy for as long as a head may take. */
const maxInterims = 100;

/** Who waits for an answer. Bytes are only valid during the call. */
export interface ResponseSink {
  readonly request: ResponseExpectation;
  /** 1xx: another head follows. */
  interim(head: ParsedResponse): void;
  /** The final head, and the body up to the offset `stop`; `isWhole` if that is all of it. */
  responseHead(head: ParsedResponse, stop: number, isWhole: boolean): void;
  responseBody(piece: Buffer): void;
  /** 101: what is behind the head, up to the offset `to`, belongs to the new protocol. */
  switchProtocols(head: ParsedResponse, to: number): void;
}

/** What a piece of an answer led to; `headInvalid`: nothing of it was passed on, `bodyInvalid`: a part was. */
export type Progress = "more" | "complete" | "switched" | "headInvalid" | "bodyInvalid";

/**
 * ```
 *          ┌─1xx─┐
 *          ▼     │
 *  begin ─▶ head ┴──▶ body ──▶ complete ──▶ begin
 *            └──101──▶ switched
 * ```
 */
export class ResponseReader {
  readonly #shared: ParsedResponse;
  readonly #body = new BodyFraming();
  #gathered: ByteAccumulator<ParsedResponse> | undefined;
  /** Whether any byte of the present answer has come. */
  hasStarted = false;
  /** Whether its final head has come. */
  inBody = false;
  /** Whether the connection may serve another request after this answer. */
  keepsAlive = false;
  /** From `Keep-Alive: timeout`; -1 if it says nothing. */
  keepAliveSeconds = -1;
  /** What is wrong with an invalid head, for the log. */
  violation = "";
  #interims = 0;

  /** @param shared reads the heads that come whole; nobody holds on to it between two events */
  constructor(shared: ParsedResponse) {
    this.#shared = shared;
  }

  begin(): void {
    this.hasStarted = false;
    this.inBody = false;
    this.#interims = 0;
    this.#gathered = undefined;
  }

  read(sink: ResponseSink, chunk: Buffer): Progress {
    this.hasStarted = true;
    return this.inBody ? this.#readBody(sink, chunk) : this.#readHeads(sink, chunk);
  }

  /** The connection ended cleanly; true if that is the proper end of the present answer. */
  ended(): boolean {
    return this.inBody && this.#body.ended();
  }

  #readHeads(sink: ResponseSink, chunk: Buffer): Progress {
    const gathered = this.#gathered?.append(chunk, 0, chunk.length);
    const head = gathered?.head ?? this.#shared;
    const bytes = gathered?.bytes ?? chunk;
    const to = gathered?.length ?? chunk.length;
    let from = 0;
    let goesOn = gathered !== undefined;
    while (from < to) {
      if (!goesOn) head.reader.beginResponse(from);
      const verdict = head.reader.read(bytes, to);
      if (verdict === needsMore) {
        if (!goesOn) this.#gather(bytes, from, to);
        return "more";
      }
      goesOn = false;
      const violation = verdict === isWhole ? head.validate(bytes, sink.request) : head.reader.violation.text;
      if (violation !== "") return this.#refuse(violation);
      from = head.reader.end;
      if (!head.isInterim) return this.#begin(sink, head, to);
      if (++this.#interims > maxInterims) return this.#refuse("too many interim answers");
      sink.interim(head);
    }
    this.#gathered = undefined;
    return "more";
  }

  /** Keeps what came of a head and goes on with a reader of its own. */
  #gather(bytes: Buffer, from: number, to: number): void {
    const head = new ParsedResponse();
    head.reader.beginResponse(0);
    this.#gathered = new ByteAccumulator(head, bytes, from, to);
    head.reader.read(this.#gathered.bytes, this.#gathered.length);
  }

  #begin(sink: ResponseSink, head: ParsedResponse, to: number): Progress {
    this.#gathered = undefined;
    if (head.reader.status === 101) {
      sink.switchProtocols(head, to);
      return "switched";
    }
    this.#body.begin(head.framing, head.contentLength);
    const stop = this.#body.decode(head.bytes, head.reader.end, to);
    if (stop < 0) return this.#refuse("malformed chunk");
    this.inBody = true;
    // Bytes behind an answer that nobody asked for must never become part of the next one.
    this.keepsAlive = head.keepsAlive && stop === to;
    this.keepAliveSeconds = head.keepAliveSeconds;
    sink.responseHead(head, stop, this.#body.isComplete);
    return this.#body.isComplete ? "complete" : "more";
  }

  #refuse(violation: string): Progress {
    this.violation = violation;
    return "headInvalid";
  }

  #readBody(sink: ResponseSink, bytes: Buffer): Progress {
    const stop = this.#body.decode(bytes, 0, bytes.length);
    if (stop < 0) return "bodyInvalid";
    if (stop === bytes.length) sink.responseBody(bytes);
    else {
      this.keepsAlive = false;
      sink.responseBody(bytes.subarray(0, stop));
    }
    return this.#body.isComplete ? "complete" : "more";
  }
}
