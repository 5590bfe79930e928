/** The request side of a forwarder: the client's request, how much of its body has arrived, and the bytes for the upstream. */

import {
  type ProtocolViolation,
  type RefusalNegotiation,
  type Refusal,
  type RenderedRefusal,
  renderRefusal,
} from "../../proxy/refusal.ts";
import type { HeadEdit } from "../../proxy/head-edit.ts";
import type { TraceContext } from "../../proxy/trace-context.ts";
import { BodyFraming, framing } from "./http1/body.ts";
import { editRequestHead } from "./http1/head-editor.ts";
import { methodNumber, type ParsedRequest } from "./http1/parsed-request.ts";
import { ReplayBuffer } from "./http1/request-buffer.ts";
import { LazyRequestHead, type WrittenHead } from "./http1/request-view.ts";
import { type ClientForwarding, type OutgoingHead, writeRequestHead } from "./http1/request-writer.ts";
import { internalErrorResponse, type ListenerHeaders, localResponse } from "./http1/response-writer.ts";

export class ForwardedRequest implements OutgoingHead {
  readonly view = new LazyRequestHead();
  /** What is sent. */
  replay = new ReplayBuffer();
  readonly written: WrittenHead = { targetEnd: 0, headersStart: 0, headersEnd: 0 };
  readonly #body = new BodyFraming();
  /** An HTTP/1.0 client gets neither chunks nor interim responses. */
  isHttp10 = false;
  /** Whether the client wants to keep its connection. */
  keepsAlive = false;
  isHead = false;
  /** Whether it authenticates the connection that it is sent on: NTLM or Negotiate. */
  authenticatesConnection = false;
  #upgrades = false;
  /** The request as it was before the edit of its head; kept for the next request, too. */
  #unedited: ReplayBuffer | undefined;
  #isEdited = false;
  /** The Host of the edit. */
  #editedHost: string | undefined;
  /** Bytes of an edited head. */
  #headBytes = 0;
  /** The request id. */
  id = "";
  trace: TraceContext | undefined;
  /** Bytes of head and body that have arrived. */
  receivedBytes = 0;

  /** Whether all of the request has arrived. */
  get isComplete(): boolean {
    return this.#body.isComplete;
  }

  /** Whether the upstream may switch protocols now: only one side would read the rest of a body as the new protocol. */
  get upgrades(): boolean {
    return this.#upgrades && this.isComplete;
  }

  /** Whether it is the handshake of a WebSocket (RFC 6455 section 4.1). */
  get opensWebSocket(): boolean {
    if (!this.upgrades || this.view.method !== "GET") return false;
    return this.view.header("upgrade")?.toLowerCase() === "websocket";
  }

  /** Bytes of a body without Content-Length that have arrived; else 0. */
  get chunkedBytes(): number {
    return this.#body.chunkedBytes;
  }

  /** What passes of the part of the body that was received last; undefined if it passes as it is. */
  get rewrittenBody(): Buffer | undefined {
    return this.#body.rewritten;
  }

  /** The rule that the body's framing breaks. Valid after `begin` or `receiveBody` returned -1. */
  get bodyViolation(): ProtocolViolation {
    return this.#body.violation;
  }

  /**
   * Starts with a valid head, and with the body up to the offset `to`.
   * @returns the offset after the last byte that belongs to this request; -1 if the body's framing is malformed
   */
  begin(head: ParsedRequest, to: number): number {
    const { parser } = head;
    this.isHttp10 = parser.version === 10;
    this.keepsAlive = head.keepsAlive;
    this.isHead = head.method === methodNumber.head;
    this.authenticatesConnection = head.authenticatesConnection;
    this.#upgrades = head.upgrades;
    this.view.pointTo(head);
    this.#body.begin(head.framing, head.contentLength);
    const stop = this.#body.decode(head.bytes, parser.end, to);
    this.receivedBytes = Math.max(stop, parser.end) - parser.methodStart;
    return stop;
  }

  /** Starts a request whose head is malformed, so that nothing of it is known but its id. */
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

  /** Ends the request: drops its bytes, and a buffer that is larger than most requests need. */
  release(): void {
    this.replay.begin();
    this.#unedited?.begin();
    this.view.clear();
  }

  /** Writes the bytes for the upstream: the head and the body up to `stop`. The view reads from these bytes from now on. */
  write(head: ParsedRequest, stop: number, forwarding: ClientForwarding): void {
    this.#isEdited = false;
    this.replay.begin();
    writeRequestHead(this, head, forwarding);
    const { rewritten } = this.#body;
    if (rewritten) this.replay.append(rewritten, 0, rewritten.length);
    else this.replay.append(head.bytes, head.parser.end, stop);
    this.view.moveTo(this.replay.bytes, this.written);
  }

  /**
   * Changes the written head, before each attempt: only the Host may differ between attempts. The view goes on to read from
   * what the client sent.
   */
  edit(edit: HeadEdit): void {
    if (!this.#isEdited) this.#editFirst(edit);
    else if (edit.host !== this.#editedHost)
      this.replay.replaceStart(this.#headBytes, () => this.#writeEdited(edit));
  }

  /** The view reads from the buffer of `write`, so the other one takes the edited request. */
  #editFirst(edit: HeadEdit): void {
    const unedited = this.replay;
    this.replay = this.#unedited ?? new ReplayBuffer();
    this.#unedited = unedited;
    this.#isEdited = true;
    this.replay.begin();
    this.#writeEdited(edit);
    this.replay.append(unedited.bytes, this.#uneditedBytes, unedited.length);
  }

  #writeEdited(edit: HeadEdit): void {
    const unedited = this.#unedited as ReplayBuffer;
    editRequestHead(this.replay, unedited.bytes, this.written, edit);
    this.#headBytes = this.replay.length;
    this.#editedHost = edit.host;
  }

  /** Bytes of the head before its edit. */
  get #uneditedBytes(): number {
    return this.written.headersEnd + 2;
  }

  /** Drops a body that is too large for a replay and was sent. The head stays readable. */
  dropBody(): void {
    const unedited = this.#isEdited ? (this.#unedited as ReplayBuffer) : this.replay;
    if (this.#isEdited) this.replay.truncateAfter(this.#headBytes);
    unedited.truncateAfter(this.#uneditedBytes);
    this.view.moveTo(unedited.bytes, this.written);
  }

  renderedRefusal(refused: Refusal): RenderedRefusal {
    return renderRefusal(refused, this.#reader, this.id);
  }

  /** The bytes of a response that the balancer makes itself. */
  localResponse(
    response: RenderedRefusal,
    closes: boolean,
    listenerHeaders: ListenerHeaders | undefined,
  ): Buffer {
    const { isHttp10, isHead } = this;
    return localResponse(response, { closes, isHttp10, isHead, listenerHeaders });
  }

  get #reader(): RefusalNegotiation {
    return { accept: this.view.header("accept"), contentType: this.view.header("content-type") };
  }

  internalErrorBytes(listenerHeaders: ListenerHeaders | undefined): Buffer {
    const { isHttp10, isHead } = this;
    return localResponse(internalErrorResponse(this.id, this.#reader), {
      closes: true,
      isHttp10,
      isHead,
      listenerHeaders,
    });
  }

  /**
   * Receives bytes[from..to), the next part of the body.
   * @returns the offset after the last byte that belongs to the body; -1 if its framing is malformed
   */
  receiveBody(bytes: Buffer, from: number, to: number): number {
    const stop = this.#body.decode(bytes, from, to);
    this.receivedBytes += Math.max(stop, from) - from;
    return stop;
  }
}
