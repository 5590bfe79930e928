/** One client's connection: reads requests one after another, has each relayed, and keeps its answers in order. */

import type { ProtocolViolation } from "../../proxy/complaint.ts";
import { refusalForViolation, refusal } from "../../proxy/refusal.ts";
import { violations } from "./complaints.ts";
import { Connection } from "./connection.ts";
import type { ConnectionFate } from "./exchange-end.ts";
import type { ClientForwarding } from "./forwardings.ts";
import { type RequestSink, ClientInput } from "./inbox.ts";
import type { WireContext } from "./plane.ts";
import type { RequestForwarder } from "./relay.ts";
import type { ParsedRequest } from "./request-head.ts";
import type { ClientSocketHandler, WireSocket } from "./socket.ts";

type Phase = "idle" | "head" | "exchange" | "flushing" | "tunnel" | "lingering" | "closed";

/**
 * ```
 *  idle ──bytes──▶ head ──whole──▶ exchange ──answered──▶ flushing ──▶ idle
 *   │ timeout        │ timeout: 408   │  │ 101                └──close──▶ lingering ──FIN, timeout──▶ closed
 *   ▼                ▼ malformed: 4xx │  └──▶ tunnel ──────────────────────▲
 *  closed         lingering           └──client gone, answer cut──▶ closed
 * ```
 */
export class ClientConnection extends Connection implements ClientSocketHandler, RequestSink {
  readonly #plane: WireContext;
  readonly forwarding: ClientForwarding;
  #phase: Phase = "idle";
  #relay: RequestForwarder | undefined;
  readonly #inbox: ClientInput;
  #isReading = false;
  #isActive = false;
  #hasPeerEnded = false;

  constructor(plane: WireContext, address: string) {
    super();
    this.#plane = plane;
    this.forwarding = plane.forwardings.of(address);
    this.#inbox = new ClientInput(plane.requestHead);
  }

  override opened(socket: WireSocket): void {
    super.opened(socket);
    const place = this.#plane.admitClient(this);
    if (place === "none") return this.closeForGood(true);
    if (place === "away") return this.#begin().refuseUnparsed(this, refusal("too_many_clients"));
    this.#plane.times.forHead(this);
  }

  secured(): void {
    if (this.#phase === "idle") this.#plane.times.forHead(this);
  }

  get scheme(): "http" | "https" {
    return this.#plane.forwardings.scheme;
  }

  received(chunk: Buffer): void {
    switch (this.#phase) {
      case "idle":
      case "head":
        return this.#read(chunk);
      case "exchange": {
        const relay = this.#relay as RequestForwarder;
        const from = relay.request.isComplete ? 0 : relay.requestBody(chunk, 0, chunk.length);
        if (from < 0 || this.#relay !== relay) return;
        this.#expectBody();
        return this.#keepAhead(chunk, from);
      }
      case "flushing":
        return this.#keepAhead(chunk, 0);
      case "tunnel":
        return this.#relay?.tunnel?.fromClient(chunk);
    }
  }

  #expectBody(): void {
    if (this.#relay?.request.isComplete) this.#plane.times.forNothing(this);
    else this.#plane.times.forBody(this);
  }

  protected override progressed(): void {
    if (this.#phase === "tunnel") this.#relay?.tunnel?.progressed();
    else this.#plane.times.forReader(this);
  }

  override resume(): void {
    if (this.#inbox.isFull) return;
    super.resume();
    if (this.#phase === "exchange" && this.#relay?.request.isComplete === false)
      this.#plane.times.forBody(this);
  }

  #keepAhead(bytes: Buffer, from: number): void {
    this.#inbox.buffer(bytes, from, bytes.length);
    if (this.#inbox.isFull) this.pause();
  }

  /** Reads requests for as long as each is answered at once. */
  #read(chunk: Buffer): void {
    this.#isReading = true;
    for (let bytes: Buffer | undefined = chunk; bytes !== undefined; bytes = this.#inbox.takePipelined()) {
      if (!this.#inbox.readHead(bytes, 0, this)) {
        if (this.#phase === "idle") this.#plane.times.forHead(this);
        this.#phase = "head";
        break;
      }
      if (this.#phase !== "idle") break;
    }
    this.#isReading = false;
    if (this.#phase === "tunnel") this.#sendAhead();
    else if (this.#inbox.isFull) this.pause();
  }

  /** @returns the offset behind what belongs to the request */
  headRead(head: ParsedRequest, to: number, complaint: ProtocolViolation | undefined): number {
    const relay = this.#begin();
    if (complaint) {
      relay.refuseUnparsed(this, refusalForViolation(complaint));
      return to;
    }
    const next = relay.start(this, head, to);
    if (this.#relay === relay && !relay.request.isComplete) this.#plane.times.forBody(this);
    return next;
  }

  #begin(): RequestForwarder {
    this.#phase = "exchange";
    this.#isActive = true;
    this.#plane.requestStarted();
    this.#plane.times.forNothing(this);
    return (this.#relay = this.#plane.acquireForwarder());
  }

  enterTunnel(): void {
    this.#phase = "tunnel";
    this.#plane.times.forNothing(this);
    if (!this.#isReading) this.#sendAhead();
  }

  /** What the client said before it knew that the protocol was switched. */
  #sendAhead(): void {
    const ahead = this.#inbox.takePipelined();
    this.resume();
    if (ahead) this.#relay?.tunnel?.fromClient(ahead);
  }

  requestFinished(ending: ConnectionFate): void {
    this.#relay = undefined;
    if (ending === "reset" || ending === "gone") return this.closeForGood(ending === "reset");
    if (ending === "last" && this.scheme === "http" && !this.#inbox.hasPipelined) {
      // Nothing can come that would make its kernel discard the answer, so the connection ends without a farewell.
      this.#hasPeerEnded = true;
      if (this.isFlushed) return this.closeForGood(false);
    }
    if (ending !== "keep" || this.#plane.isDraining) return this.#linger();
    this.#phase = "flushing";
    if (this.isFlushed) this.flushed();
    else this.#plane.times.forReader(this);
  }

  protected override flushed(): void {
    if (this.#phase === "flushing") {
      this.#settle();
      if (this.#hasPeerEnded) return this.closeForGood(false);
      this.#phase = "idle";
      this.#plane.times.forRequest(this);
      const ahead = this.#isReading ? undefined : this.#inbox.takePipelined();
      super.resume();
      if (ahead) this.#read(ahead);
    } else if (this.#phase === "lingering") this.#startLingering();
    else {
      if (this.#relay?.request.isComplete) this.#plane.times.forNothing(this);
      this.#relay?.clientFlushed();
    }
  }

  /** FIN behind the last byte; what the client still sends is read and dropped, or its kernel would discard the answer. */
  #linger(): void {
    this.#phase = "lingering";
    this.#inbox.clear();
    super.resume();
    this.shutdownWrite();
    if (this.isFlushed) this.#startLingering();
    else this.#plane.times.forReader(this);
  }

  #startLingering(): void {
    this.#settle();
    if (this.#hasPeerEnded) return this.closeForGood(false);
    this.#plane.times.forLingeringClose(this);
  }

  /** What was under way is over. */
  #settle(): void {
    if (!this.#isActive) return;
    this.#isActive = false;
    this.#plane.requestEnded();
  }

  ended(): void {
    this.#hasPeerEnded = true;
    if (this.#phase === "tunnel") return this.#relay?.tunnel?.clientFinished();
    if ((this.#phase === "lingering" || this.#phase === "flushing") && !this.isFlushed) return;
    // Who left and who only has no more to say look alike: the latter must not take a part of an answer for all of it.
    this.closeForGood(this.#relay?.hasBegun === true);
  }

  closed(error: Error | undefined): void {
    this.isClosed = true;
    if (this.#phase === "tunnel") this.#relay?.tunnel?.clientClosed(error);
    this.closeForGood(false);
  }

  override expired(): void {
    if (this.#phase === "exchange") return this.#relay?.clientStalled();
    if (this.#phase !== "head") return this.closeForGood(!this.isFlushed);
    this.#inbox.clear();
    this.#begin().refuseUnparsed(this, refusalForViolation(violations.headTime));
  }

  override handlerThrew(error: Error): void {
    this.#plane.setting.log.bug(error, this.#relay?.request.id ?? "");
    if (this.#relay) this.#relay.handlerThrew();
    else this.closeForGood(true);
  }

  /** For a drain: between two requests it can go, else its answer will say that it does. */
  closeIfIdle(): void {
    if (this.#phase === "idle") this.closeForGood(false);
  }

  /** For good; a relay under way is cancelled. */
  closeForGood(abruptly: boolean): void {
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    const relay = this.#relay;
    this.#relay = undefined;
    relay?.cancel();
    this.#settle();
    this.#inbox.clear();
    this.#plane.clientClosed(this);
    this.#plane.wheel.forget(this);
    if (abruptly) this.terminate();
    else this.close();
  }
}
