/** Forwards one request to an upstream and its response to the client; the exchange decides what happens. */

import { toError } from "../../lib/bugs.ts";
import { ownProxyHeader, type ProxyVersion } from "../../net/proxy-protocol.ts";
import { completed, type Outcome } from "../../pool/outcome.ts";
import type { Exchange } from "../../proxy/exchange.ts";
import { maxTimesThrough, timesThrough } from "../../proxy/forwarding.ts";
import { closesConnection, type Refusal, refusal, refusalForViolation } from "../../proxy/refusal.ts";
import type { ReadingProgress } from "../../proxy/slow-clients.ts";
import type { ConnectionTls } from "../../tls/connection-tls.ts";
import { AttemptRunner, type ResponseSide } from "./attempt-runner.ts";
import type { ClientListener } from "./client-listener.ts";
import { CompressedBody, type CompressedBodyOwner } from "./compressed-body.ts";
import type { Connection } from "./connection.ts";
import type { WireContext } from "./context.ts";
import { ForwardedRequest } from "./forwarded-request.ts";
import { ForwardedResponse } from "./forwarded-response.ts";
import { type ConnectionFate, connectionFateOf, ForwarderSummary } from "./forwarder-summary.ts";
import { RetriedResponse } from "./retried-response.ts";
import { framing } from "./http1/body.ts";
import { isEventStream } from "./http1/message.ts";
import type { ParsedRequest } from "./http1/parsed-request.ts";
import type { ClientForwarding } from "./http1/request-writer.ts";
import type { ParsedResponse } from "./http1/response-reader.ts";
import { violations } from "./http1/violations.ts";
import { PinnedConnections } from "./pinned-connections.ts";
import { Tunnel } from "./tunnel.ts";

/** The client's connection as its forwarder calls it; implemented by the client connection. */
export interface ClientSide extends Connection {
  readonly forwarding: ClientForwarding;
  readonly scheme: "http" | "https";
  readonly listener: ClientListener;
  /** Whether it is a stream of an HTTP/2 connection. */
  readonly isStream: boolean;
  readonly tls: ConnectionTls | undefined;
  /** The IP address that the connection comes from. */
  readonly peerAddress: string;
  /** What tells an upstream where the connection came from. */
  proxyHeader(version: ProxyVersion): Buffer;
  /** Upstream connections that belong to this one. */
  pinned: PinnedConnections | undefined;
  /** Called after 101: the client's bytes go to the tunnel from now on. */
  enterTunnel(): void;
  /** Called once per request, at its end: the forwarder is free for another request. */
  requestFinished(forwarder: RequestForwarder, fate: ConnectionFate): void;
}

/**
 * ```
 *  start ─▶ attempts ──responseHead──▶ responseBody … ──▶ responseComplete ──▶ requestFinished
 *             │   │                         │ truncated                             ▲
 *             │   └──101──▶ tunnel          └───────▶ client reset ─────────────────┤
 *             └──sendRefusal────────────────────────────────────────────────────────┘
 * ```
 * Serves one request at a time and is reused for the next one, on any client's connection.
 */
export class RequestForwarder implements ResponseSide, CompressedBodyOwner {
  readonly #context: WireContext;
  readonly #exchange: Exchange;
  readonly #response: ForwardedResponse;
  readonly request = new ForwardedRequest();
  readonly #attempts: AttemptRunner;
  readonly #summary: ForwarderSummary;
  /** Undefined between two requests. */
  #client: ClientSide | undefined;
  #keepsAlive = false;
  /** The last response whose status is retried. */
  #held: RetriedResponse | undefined;
  /** Present after the protocol was switched. */
  tunnel: Tunnel | undefined;

  constructor(context: WireContext, exchange: Exchange) {
    this.#context = context;
    this.#exchange = exchange;
    this.#response = new ForwardedResponse(context.scratch, context.editedHead);
    this.#attempts = new AttemptRunner(context, exchange, this);
    this.#summary = new ForwarderSummary(this.request, this.#response);
  }

  get hasResponseStarted(): boolean {
    return this.#response.hasStarted;
  }

  get pinned(): PinnedConnections | undefined {
    return this.#client?.pinned;
  }

  startPinning(): PinnedConnections {
    if (!this.#client) throw new Error("Cannot pin a connection: the client has left");
    return (this.#client.pinned ??= new PinnedConnections(this.#context));
  }

  proxyHeader(version: ProxyVersion): Buffer {
    return this.#client?.proxyHeader(version) ?? ownProxyHeader(version);
  }

  get clientProgress(): ReadingProgress {
    return { takenBytes: this.#client?.takenBytes ?? 0, isBehind: this.#client?.isFlushed === false };
  }

  /**
   * Starts a request whose head is valid. Bytes up to the offset `to` have arrived.
   * @returns the offset after the last byte that belongs to this request
   */
  start(client: ClientSide, head: ParsedRequest, to: number): number {
    const { request } = this;
    const stop = request.begin(head, to);
    if (stop < 0) {
      this.refuseUnparsed(client, refusalForViolation(request.bodyViolation));
      return to;
    }
    this.#begin(client);
    request.id = this.#context.options.requestId(head.requestId);
    request.trace = this.#exchange.open(request.view, client.listener.options.rules, request.id).trace;
    const isAdmitted = this.#exchange.allowsBodySize(request.chunkedBytes);
    const { pinned } = client;
    if (pinned && this.#exchange.destination)
      this.#exchange.prefer(pinned.upstreamIn(this.#exchange.destination.pool));
    if (isAdmitted && !(head.hasVia && this.#isLooping())) {
      request.write(head, stop, client.forwarding);
      this.#attempts.runStep(this.#exchange.next());
      return stop;
    }
    this.#refuse(refusal(isAdmitted ? "loop" : "request_too_large"));
    return to;
  }

  #isLooping(): boolean {
    const { viaName } = this.#context.options;
    return timesThrough(this.request.view.header("via"), viaName) >= maxTimesThrough;
  }

  #begin(client: ClientSide): void {
    this.#client = client;
    this.request.view.peer = client.forwarding;
    this.request.view.scheme = client.scheme;
    this.request.view.listener = client.listener.options.name;
    this.request.view.tls = client.tls;
    this.#keepsAlive = this.request.keepsAlive;
    const { meter, headers } = client.listener;
    if (client.isStream) meter.http2 += 1;
    else if (this.request.isHttp10) meter.http10 += 1;
    else meter.http11 += 1;
    this.#response.begin(this.request.isHttp10, client.writtenBytes, headers);
  }

  /** Refuses a request without a valid head. No exchange is opened. */
  refuseUnparsed(client: ClientSide, refused: Refusal): void {
    this.request.beginUnknown(this.#context.options.requestId(undefined));
    this.#begin(client);
    this.#refuse(refused);
  }

  #refuse(refused: Refusal): void {
    this.#keepsAlive = false;
    this.sendRefusal(this.#exchange.refuse(refused));
  }

  sendRefusal(refused: Refusal): void {
    const client = this.#client;
    if (!client) return;
    if (refused.usesHeldResponse) {
      if (this.#sendHeld(client)) return;
      this.#exchange.refuse(refused);
    }
    const { request } = this;
    if (refused.notRetried === undefined && !refused.reply) {
      const { reason, status, violation } = refused;
      this.#context.options.log.warn("refused", {
        requestId: request.id,
        client: request.view.clientAddress,
        reason,
        status,
        complaint: violation,
      });
    }
    const keepsConnection =
      this.#keepsAlive && request.isComplete && !closesConnection(refused) && !this.#context.isDraining;
    if (refused.isSilent) return this.#end("close");
    const response = this.#exchange.editReply(refused, request.renderedRefusal(refused));
    if (!keepsConnection) client.holdResponse();
    client.writeAll(request.localResponse(response, !keepsConnection, this.#response.listenerHeaders));
    this.#response.status = refused.status;
    this.#end(keepsConnection ? "keep" : "close");
  }

  /**
   * Receives bytes[from..to), the next part of the request body.
   * @returns the offset after the last byte that belongs to the request; -1 if the request was refused
   */
  requestBody(bytes: Buffer, from: number, to: number): number {
    const stop = this.request.receiveBody(bytes, from, to);
    const isAdmitted = this.#exchange.allowsBodySize(this.request.chunkedBytes);
    if (stop >= 0 && isAdmitted) {
      const rewritten = this.request.rewrittenBody;
      if (rewritten) this.#attempts.sendBody(rewritten, 0, rewritten.length);
      else this.#attempts.sendBody(bytes, from, stop);
      return stop;
    }
    this.#attempts.cancel();
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
    const { compressed } = this.#response;
    if (this.tunnel) this.tunnel.clientFlushed();
    else if (compressed) compressed.clientFlushed();
    else this.#attempts.upstream?.resume();
  }

  /** Forwards a 1xx head, which HTTP/1.0 does not have. */
  interim(head: ParsedResponse): void {
    this.#attempts.interimReceived();
    const client = this.#client;
    if (client && !this.request.isHttp10)
      this.#pauseUnlessFlushed(client, this.#response.sendInterim(client, head));
  }

  /** Sends the held response, or what has arrived of it. @returns false if there is none, or it broke off */
  #sendHeld(client: ClientSide): boolean {
    const held = this.#held?.release();
    this.#held = undefined;
    if (!held) return false;
    const { head, connection } = held;
    if (connection) this.#attempts.followConnection(connection);
    this.#startResponse(client, head, head.bytes.length, !connection);
    if (!connection) this.responseComplete();
    else if (client.isFlushed) connection.resume();
    return true;
  }

  /** The decision about a retry needs only the head. */
  responseHead(head: ParsedResponse, stop: number, isWhole: boolean): void {
    const client = this.#client;
    if (!client) return;
    const { status } = head.parser;
    if (head.offersConnectionAuthentication) this.#attempts.pin();
    this.#attempts.responseStarted(status);
    if (this.#exchange.isRetriable(status)) {
      const step = this.#attempts.responseReceived(status);
      if (step !== "pass") {
        this.#hold(head, stop, isWhole);
        return this.#attempts.retry(step);
      }
    }
    this.#dropHeld();
    this.#attempts.commit();
    const isStream = !isWhole && isEventStream(head.parser, head.bytes);
    this.#startResponse(client, head, stop, isWhole);
    if (isStream) this.#attempts.freeSlot();
  }

  #hold(head: ParsedResponse, stop: number, isWhole: boolean): void {
    this.#dropHeld();
    const connection = this.#attempts.releaseConnection();
    this.#held = new RetriedResponse(head.bytes.subarray(head.parser.responseStart, stop), {
      expectation: { isHead: this.request.isHead, upgrades: false },
      limits: this.#context.responseHead.parser.limits,
      timeouts: this.#attempts.timeouts,
      connection: isWhole ? undefined : connection,
      reportBug: (error) => this.#context.options.log.bug(error, ""),
    });
    if (isWhole) connection?.handOver(this.#held);
  }

  #dropHeld(): void {
    this.#held?.drop();
    this.#held = undefined;
  }

  #startResponse(client: ClientSide, head: ParsedResponse, stop: number, isWhole: boolean): void {
    const response = this.#response;
    const plan = response.isHttp10 ? undefined : this.#exchange.compress(head);
    if (plan) response.compress(new CompressedBody(client, plan, head.framing === framing.chunked, this));
    if (response.endsWithClose(head) || !this.request.isComplete || this.#context.isDraining)
      this.#keepsAlive = false;
    response.closes = !this.#keepsAlive;
    response.isLast = isWhole && response.closes && !plan;
    response.edit = this.#exchange.responseEdit;
    this.#pauseUnlessFlushed(client, response.sendHead(client, head, stop));
  }

  responseBody(piece: Buffer): void {
    const client = this.#client;
    if (client) this.#pauseUnlessFlushed(client, this.#response.sendBody(client, piece));
  }

  /** Backpressure: a client that is slower than the upstream pauses it. */
  #pauseUnlessFlushed(client: ClientSide, isFlushed: boolean): void {
    if (isFlushed) return;
    this.#attempts.upstream?.pause();
    // A compressor that has enough is not the client's fault.
    if (!client.isFlushed) this.#context.clientTimers.forSend(client);
  }

  compressorDrained(): void {
    this.#attempts.upstream?.resume();
  }

  clientBlocked(): void {
    if (this.#client) this.#context.clientTimers.forSend(this.#client);
  }

  responseComplete(): void {
    this.#attempts.end(completed);
    if (this.#response.recodes) this.#response.compressed?.end();
    else this.#end(connectionFateOf(this.request, this.#keepsAlive));
  }

  compressedBodyEnded(): void {
    this.#end(connectionFateOf(this.request, this.#keepsAlive));
  }

  /** Starts the tunnel. Bytes after the head, up to the offset `to`, are the upstream's first ones in the new protocol. */
  switchProtocols(head: ParsedResponse, to: number): void {
    const client = this.#client;
    const { upstream, timeouts } = this.#attempts;
    if (!client || !upstream) return;
    this.#dropHeld();
    this.#attempts.responseStarted(101);
    this.#response.hasStarted = true;
    this.#response.edit = this.#exchange.responseEdit;
    this.#response.sendInterim(client, head);
    const onEnd = (outcome: Outcome) => {
      this.#attempts.end(outcome);
      upstream[outcome.kind === "response" ? "close" : "terminate"]();
      this.#end(outcome.kind === "response" ? "close" : "reset");
    };
    const { wheel } = this.#context;
    const tunnel = new Tunnel({ wheel, idleMs: timeouts.tunnelIdleMs, client, upstream, onEnd });
    this.tunnel = tunnel;
    if (to > head.parser.end) tunnel.fromUpstream(head.bytes.subarray(head.parser.end, to));
    client.enterTunnel();
  }

  /** Resets the client's connection, so that the client does not take a part of the response for all of it. */
  truncated(): void {
    this.#end("reset");
  }

  /** The client has left. */
  cancel(): void {
    this.#attempts.cancel();
    this.#end("gone");
  }

  /** The client stopped sending the request body, or reading the response. */
  clientStalled(): void {
    this.#attempts.cancel();
    if (this.hasResponseStarted) this.#end("reset");
    else this.#refuse(refusalForViolation(violations.bodyTimeout));
  }

  /** Ends the request after a bug: with a 500, or with a reset if the response has started. */
  handlerThrew(): void {
    this.#attempts.cancel();
    if (this.hasResponseStarted) return this.#end("reset");
    this.#client?.writeAll(this.request.internalErrorBytes(this.#response.listenerHeaders));
    this.#response.status = 500;
    this.#end("close");
  }

  /** The request may have ended already, on the connection that met the bug. If not, it must not hang. */
  reportBug(error: unknown): void {
    if (this.#client) this.#client.handlerThrew(toError(error));
    else this.#context.options.log.bug(error, "");
  }

  #end(fate: ConnectionFate): void {
    const client = this.#client;
    if (!client) return;
    this.#client = undefined;
    this.#dropHeld();
    this.tunnel?.release();
    if (this.#response.recodes) this.#response.compressed?.destroy();
    try {
      this.#exchange.close(this.#summary.update(client, this.tunnel, fate === "gone"));
    } catch (bug) {
      this.#context.options.log.bug(bug, this.request.id);
    }
    this.tunnel = undefined;
    this.request.release();
    client.requestFinished(this, fate);
  }
}
