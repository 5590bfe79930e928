/** The request side of a relay: what the client asked, how far its body has come, and the bytes as the upstream gets them. */

import { type ProtocolViolation, type Refusal, renderRefusal } from "../../proxy/refusal.ts";
import type { TraceContext } from "../../proxy/trace-context.ts";
import { BodyFraming, framing } from "./http1/body.ts";
import { type ClientForwarding, type OutgoingHead, writeRequestHead } from "./http1/request-writer.ts";
import { ReplayBuffer } from "./http1/request-buffer.ts";
import { methodNumber, type ParsedRequest } from "./http1/parsed-request.ts";
import { LazyRequestHead, type WrittenHead } from "./http1/request-view.ts";
import { internalErrorResponse, localResponse } from "./http1/response-writer.ts";

export class ForwardedRequest implements OutgoingHead {
  readonly view = new LazyRequestHead();
  readonly bytes = new ReplayBuffer();
  readonly written: WrittenHead = { targetEnd: 0, headersStart: 0, headersEnd: 0 };
  readonly #body = new BodyFraming();
  /** HTTP/1.0: such a client never gets chunks or interim answers. */
  isHttp10 = false;
  /** Whether the client wants to keep its connection. */
  keepsAlive = false;
  isHead = false;
  #upgrades = false;
  /** Names it in log, answer and upstream. */
  id = "";
  trace: TraceContext | undefined;
  /** Bytes of head and body so far. */
  receivedBytes = 0;

  /** Whether all of it has come. */
  get isComplete(): boolean {
    return this.#body.isComplete;
  }

  /** Whether the upstream may switch protocols now: what is left of a body would be read as the new one by one side only. */
  get upgrades(): boolean {
    return this.#upgrades && this.isComplete;
  }

  /** Bytes of the body so far, where its length was not announced; else 0. */
  get unannouncedBytes(): number {
    return this.#body.unannouncedBytes;
  }

  /** What is wrong with the body's framing, once that is malformed. */
  get bodyViolation(): ProtocolViolation {
    return this.#body.violation;
  }

  /**
   * Takes the facts of a head that may pass, and of the body what came with it, up to the offset `to`.
   * @returns the offset behind what belongs to this request; -1 if the body's framing is malformed
   */
  begin(head: ParsedRequest, to: number): number {
    const { parser } = head;
    this.isHttp10 = parser.version === 10;
    this.keepsAlive = head.keepsAlive;
    this.isHead = head.method === methodNumber.head;
    this.#upgrades = head.upgrades;
    this.view.pointTo(head);
    this.#body.begin(head.framing, head.contentLength);
    const stop = this.#body.decode(head.bytes, parser.end, to);
    this.receivedBytes = Math.max(stop, parser.end) - parser.methodStart;
    return stop;
  }

  /** A request whose head could not be understood: nothing is known of it. */
  beginUnknown(id: string): void {
    this.isHttp10 = false;
    this.keepsAlive = false;
    this.isHead = false;
    this.#upgrades = false;
    this.id = id;
    this.receivedBytes = 0;
    this.view.clear();
    this.#body.begin(framing.none, 0);
  }

  /** The request is over: nothing of it stays, and no room that only a few need. */
  release(): void {
    this.bytes.begin();
    this.view.clear();
  }

  /** Makes the bytes for the upstream from the head and the body up to `stop`; the view looks at them from now on. */
  write(head: ParsedRequest, stop: number, forwarding: ClientForwarding): void {
    this.bytes.begin();
    writeRequestHead(this, head, forwarding);
    this.bytes.append(head.bytes, head.parser.end, stop);
    this.view.moveTo(this.bytes.bytes, this.written);
  }

  /** All of it was sent, and is more than is kept for another attempt: only the head stays. */
  dropBody(): void {
    this.bytes.truncateAfter(this.written.headersEnd + 2);
    this.view.moveTo(this.bytes.bytes, this.written);
  }

  /** An answer of our own to it, whole. */
  refusalBytes(refused: Refusal, closes: boolean): Buffer {
    const { isHttp10: isOld, isHead } = this;
    return localResponse(renderRefusal(refused, this.view.header("accept"), this.id), {
      closes,
      isOld,
      isHead,
    });
  }

  internalErrorBytes(): Buffer {
    return localResponse(internalErrorResponse(this.id), {
      closes: true,
      isOld: this.isHttp10,
      isHead: this.isHead,
    });
  }

  /** More of the body: the offset behind what belongs to it, -1 if its framing is malformed. */
  receiveBody(bytes: Buffer, from: number, to: number): number {
    const stop = this.#body.decode(bytes, from, to);
    this.receivedBytes += Math.max(stop, from) - from;
    return stop;
  }
}
