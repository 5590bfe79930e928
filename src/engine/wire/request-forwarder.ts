/** Carries one request and its answer between a client's connection and an upstream's; the exchange decides where to. */

import type { ParsedResponse } from "./http1/response-reader.ts";
import { AttemptRunner, type ResponseSide } from "./attempt-runner.ts";
import type { Connection } from "./connection.ts";
import type { WireContext } from "./context.ts";
import { ForwardedRequest } from "./forwarded-request.ts";
import { ForwardedResponse } from "./forwarded-response.ts";
import type { ParsedRequest } from "./http1/parsed-request.ts";
import type { ClientForwarding } from "./http1/request-writer.ts";
import { violations } from "./http1/violations.ts";
import { Tunnel } from "./tunnel.ts";
import { toError } from "../../lib/bugs.ts";
import type { Attempt } from "../../pool/attempt.ts";
import { completed, type Outcome } from "../../pool/outcome.ts";
import type { Exchange } from "../../proxy/exchange.ts";
import type { ExchangeSummary } from "../../proxy/record.ts";
import { closesConnection, refusal, type Refusal, refusalForViolation } from "../../proxy/refusal.ts";

/** What becomes of the client's connection after an exchange; `last`: it closes, and the client said that it sends no more. */
export type ConnectionFate = "keep" | "last" | "close" | "reset" | "gone";

/** The client's connection, as the forwarder of its present request uses it. */
export interface ClientSide extends Connection {
  readonly forwarding: ClientForwarding;
  readonly scheme: "http" | "https";
  /** From now on the client's bytes belong to the tunnel. */
  enterTunnel(): void;
  /** Called once per request, as the last thing that the forwarder does for it: it may serve another one at once. */
  requestFinished(forwarder: RequestForwarder, fate: ConnectionFate): void;
}

/**
 * ```
 *  start ─▶ Sending ──answer──▶ answerBody … ──▶ answered ──▶ back to the plane
 *             │   │                  │ cut                        ▲
 *             │   └──101──▶ Tunnel   └───▶ client reset ──────────┤
 *             └──refused──▶ answer of our own ────────────────────┘
 * ```
 * It serves one request at a time and returns to the plane between two.
 */
export class RequestForwarder implements ResponseSide {
  readonly #context: WireContext;
  readonly #exchange: Exchange;
  readonly #response: ForwardedResponse;
  readonly request = new ForwardedRequest();
  readonly attempts: AttemptRunner;
  readonly #summary: ForwarderSummary;
  /** Whom it serves at present. */
  #client: ClientSide | undefined;
  #keepsAlive = false;
  /** The next attempt, when an answer is to be bettered. */
  #retry: Attempt | undefined;
  /** Present once the protocol was switched. */
  tunnel: Tunnel | undefined;

  constructor(context: WireContext, exchange: Exchange) {
    this.#context = context;
    this.#exchange = exchange;
    this.#response = new ForwardedResponse(context.scratch);
    this.attempts = new AttemptRunner(context, exchange, this);
    this.#summary = new ForwarderSummary(this.request, this.#response);
  }

  get hasResponseStarted(): boolean {
    return this.#response.hasStarted;
  }

  /**
   * Begins with a head that may pass, and with what came behind it up to the offset `to`.
   * @returns the offset behind what belongs to this request
   */
  start(client: ClientSide, head: ParsedRequest, to: number): number {
    const { request } = this;
    request.view.clientAddress = client.forwarding.address;
    request.view.scheme = client.scheme;
    const stop = request.begin(head, to);
    if (stop < 0) {
      this.refuseUnparsed(client, refusalForViolation(request.bodyViolation));
      return to;
    }
    this.#begin(client);
    request.id = this.#context.options.requestId(head.requestId);
    request.trace = this.#exchange.open(request.view).trace;
    const isAdmitted = this.#exchange.allowsBodySize(request.unannouncedBytes);
    if (isAdmitted) {
      request.write(head, stop, client.forwarding);
      this.attempts.runStep(this.#exchange.next());
    } else this.#refuse(refusal("request_too_large"));
    return isAdmitted ? stop : to;
  }

  #begin(client: ClientSide): void {
    this.#client = client;
    this.#keepsAlive = this.request.keepsAlive;
    this.#response.begin(this.request.isHttp10, client.writtenBytes);
  }

  /** Without a head that may pass: no exchange is opened. */
  refuseUnparsed(client: ClientSide, refused: Refusal): void {
    this.request.beginUnknown(this.#context.options.requestId(undefined));
    this.#begin(client);
    this.#refuse(refused);
  }

  #refuse(refused: Refusal): void {
    this.#keepsAlive = false;
    this.sendRefusal(this.#exchange.refuse(refused));
  }

  /** The answer is our own. */
  sendRefusal(refused: Refusal): void {
    const client = this.#client;
    if (!client) return;
    const held = refused.usesHeldResponse && this.#response.releaseHeld(this.request);
    if (held) {
      this.#startResponse(client, held, held.bytes.length);
      return this.responseComplete();
    }
    const { request } = this;
    if (refused.notRetried === undefined) {
      const { reason, status, violation } = refused;
      const headers = {
        requestId: request.id,
        client: client.forwarding.address,
        reason,
        status,
        complaint: violation,
      };
      this.#context.options.log.warn("refused", headers);
    }
    const keepsConnection =
      this.#keepsAlive && request.isComplete && !closesConnection(refused) && !this.#context.isDraining;
    client.writeAll(request.refusalBytes(refused, !keepsConnection));
    this.#response.status = refused.status;
    this.#end(keepsConnection ? "keep" : "close");
  }

  /** More of the request's body: returns the offset behind what belongs to it, -1 if it was refused. */
  requestBody(bytes: Buffer, from: number, to: number): number {
    const stop = this.request.receiveBody(bytes, from, to);
    const isAdmitted = this.#exchange.allowsBodySize(this.request.unannouncedBytes);
    if (stop >= 0 && isAdmitted) {
      this.attempts.sendBody(bytes, from, stop);
      return stop;
    }
    this.attempts.cancel();
    if (this.hasResponseStarted) this.#end("reset");
    else
      this.#refuse(
        isAdmitted ? refusalForViolation(this.request.bodyViolation) : refusal("request_too_large"),
      );
    return -1;
  }

  pauseClient(): void {
    this.#client?.pause();
  }

  resumeClient(): void {
    this.#client?.resume();
  }

  clientFlushed(): void {
    if (this.tunnel) this.tunnel.clientFlushed();
    else this.attempts.upstream?.resume();
  }

  /** A 1xx head, which clients of HTTP/1.0 do not know. */
  interim(head: ParsedResponse): void {
    const client = this.#client;
    if (client && !this.request.isHttp10)
      this.#pauseUnlessFlushed(client, this.#response.sendInterim(client, head));
  }

  /** The final head, and the body up to the offset `stop`; what is not whole cannot wait for a better one. */
  responseHead(head: ParsedResponse, stop: number, isWhole: boolean): void {
    const client = this.#client;
    if (!client) return;
    const { status } = head.parser;
    this.attempts.responseStarted(status);
    if (isWhole && this.#exchange.isRetriable(status) && this.#response.hold(head, stop)) {
      const step = this.attempts.responseReceived(status);
      if (step !== "pass") return void (this.#retry = step);
    }
    this.attempts.commit();
    this.#startResponse(client, head, stop);
  }

  #startResponse(client: ClientSide, head: ParsedResponse, stop: number): void {
    const response = this.#response;
    if (response.endsWithClose(head) || !this.request.isComplete || this.#context.isDraining)
      this.#keepsAlive = false;
    response.closes = !this.#keepsAlive;
    this.#pauseUnlessFlushed(client, response.sendHead(client, head, stop));
  }

  responseBody(piece: Buffer): void {
    const client = this.#client;
    if (client) this.#pauseUnlessFlushed(client, this.#response.sendBody(client, piece));
  }

  /** A client that is slower than its upstream slows it down. */
  #pauseUnlessFlushed(client: ClientSide, isFlushed: boolean): void {
    if (isFlushed) return;
    this.attempts.upstream?.pause();
    this.#context.clientTimers.forReader(client);
  }

  /** The whole answer was passed on; the upstream's connection is free or closed already. */
  responseComplete(): void {
    const retry = this.#retry;
    this.#retry = undefined;
    if (retry) return this.attempts.runStep(retry);
    this.attempts.end(completed);
    this.#end(connectionFateOf(this.request, this.#keepsAlive));
  }

  /** 101: from here on both sides speak another protocol; what is behind the head is its first. */
  switchProtocols(head: ParsedResponse, to: number): void {
    const client = this.#client;
    const { upstream, timeouts } = this.attempts;
    if (!client || !upstream) return;
    this.attempts.responseStarted(101);
    this.#response.hasStarted = true;
    this.#response.sendInterim(client, head);
    const onEnd = (outcome: Outcome) => {
      this.attempts.end(outcome);
      upstream[outcome.kind === "response" ? "close" : "terminate"]();
      this.#end(outcome.kind === "response" ? "close" : "reset");
    };
    const { wheel } = this.#context;
    const tunnel = new Tunnel({ wheel, idleMs: timeouts.tunnelIdleMs, client, upstream, onEnd });
    this.tunnel = tunnel;
    if (to > head.parser.end) tunnel.fromUpstream(head.bytes.subarray(head.parser.end, to));
    client.enterTunnel();
  }

  /** The answer broke off: the client must not take what it has for everything. */
  truncated(): void {
    this.#end("reset");
  }

  /** The client left. */
  cancel(): void {
    this.attempts.cancel();
    this.#end("gone");
  }

  /** The client's body stalled, or it stopped reading. */
  clientStalled(): void {
    this.attempts.cancel();
    if (this.hasResponseStarted) this.#end("reset");
    else this.#refuse(refusalForViolation(violations.bodyTimeout));
  }

  /** A bug of ours came to light: the request must not hang for it. */
  handlerThrew(): void {
    this.attempts.cancel();
    if (this.hasResponseStarted) return this.#end("reset");
    this.#client?.writeAll(this.request.internalErrorBytes());
    this.#response.status = 500;
    this.#end("close");
  }

  /** A bug on a connection that may have left the request already: the request must not hang for it. */
  reportBug(error: unknown): void {
    if (this.#client) this.#client.handlerThrew(toError(error));
    else this.#context.options.log.bug(error, "");
  }

  #end(fate: ConnectionFate): void {
    const client = this.#client;
    if (!client) return;
    this.#client = undefined;
    this.tunnel?.release();
    this.#exchange.close(this.#summary.update(client, this.tunnel, fate === "gone"));
    this.tunnel = undefined;
    this.request.release();
    client.requestFinished(this, fate);
  }
}

// What the wire engine knows at the end of an exchange: read from the relay when asked, so that most ends make nothing.

/** After a whole answer. @param keepsAlive whether the connection may serve another request */
function connectionFateOf(request: ForwardedRequest, keepsAlive: boolean): ConnectionFate {
  if (!request.isComplete) return "close";
  if (!request.keepsAlive) return "last";
  return keepsAlive ? "keep" : "close";
}

/** One for each relay, written anew for each of its exchanges. */
class ForwarderSummary implements ExchangeSummary {
  readonly #request: ForwardedRequest;
  readonly #response: ForwardedResponse;
  #client: ClientSide | undefined;
  #tunnelBytes = 0;
  isClientGone = false;

  constructor(request: ForwardedRequest, response: ForwardedResponse) {
    this.#request = request;
    this.#response = response;
  }

  update(client: ClientSide, tunnel: Tunnel | undefined, isClientGone: boolean): this {
    this.#client = client;
    this.#tunnelBytes = tunnel?.receivedBytes ?? 0;
    this.isClientGone = isClientGone;
    return this;
  }

  get requestId(): string {
    return this.#request.id;
  }

  get clientAddress(): string {
    return this.#client?.forwarding.address ?? "";
  }

  get scheme(): "http" | "https" {
    return this.#client?.scheme ?? "http";
  }

  get status(): number {
    return this.#response.status;
  }

  get bytesIn(): number {
    return this.#request.receivedBytes + this.#tunnelBytes;
  }

  get bytesOut(): number {
    return (this.#client?.writtenBytes ?? 0) - this.#response.writtenBefore;
  }
}
