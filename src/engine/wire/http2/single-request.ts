/** One request over HTTP/2 on a connection of its own, as probes need it. */

import type { Address } from "../../../net/address.ts";
import { patientSchedule, systemClock, systemSchedule } from "../../../lib/clock.ts";
import type { ConnectHandler, PendingConnect, Sockets, WireSocket } from "../sockets.ts";
import { TimerWheel } from "../../../lib/timer-wheel.ts";
import { FieldList, spanStride } from "./field-list.ts";
import {
  defaultWindowBytes,
  errorCode,
  errorName,
  noHttp2Code,
  preface,
  setting,
  startsHttp1,
} from "./protocol.ts";
import { type SessionStream, streamWindowBytes } from "./flow-control.ts";
import type { WholeBlock } from "./header-block-reader.ts";
import { HeaderBlock } from "./hpack-encoder.ts";
import { Http2Session, type SessionContext } from "./session.ts";

/** Limit of a response's fields, and of its body. */
const maxBytes = 65_536;

/** The only stream. */
const streamId = 1;

export interface SingleRequest {
  /** Pseudo-fields come first. Names are in lower case. */
  readonly fields: ReadonlyArray<readonly [name: string, value: string]>;
  /** At most a few bytes: it must fit into the window. */
  readonly body: Buffer;
}

export interface SingleResponse {
  readonly status: number;
  /** Fields of the head and of the trailers, by name. */
  readonly fields: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

class Stream implements SessionStream {
  readonly id = streamId;
  sendWindow = defaultWindowBytes;
  receiveWindow = streamWindowBytes;
  creditBytes = 0;
  peerEnded = false;
  resumeSending(): void {}
}

const wheel = new TimerWheel(systemClock, systemSchedule);

/** `connecting ──SETTINGS──▶ sent ──END_STREAM──▶ done`; every other end is a failure. Nothing is ever timed here. */
class SingleSession extends Http2Session<Stream, SessionContext> implements ConnectHandler {
  readonly #request: SingleRequest;
  readonly #list: FieldList;
  readonly #done: (result: SingleResponse | string) => void;
  readonly #fields = new Map<string, string>();
  readonly #body: Buffer[] = [];
  #bodyBytes = 0;
  #isSent = false;
  #pendingConnect: PendingConnect | undefined;

  /** @param done called once, with the system's error code, or what stands in its place, for a failure */
  constructor(request: SingleRequest, list: FieldList, done: (result: SingleResponse | string) => void) {
    super({ wheel, options: { log: { bug: (error) => done(String(error)) } } }, list, streamWindowBytes);
    this.#request = request;
    this.#list = list;
    this.#done = done;
  }

  pending(connect: PendingConnect): void {
    if (this.isClosed) connect.terminate();
    else this.#pendingConnect = connect;
  }

  refused(code: string): void {
    this.#end(code);
  }

  override opened(socket: WireSocket): void {
    this.#pendingConnect = undefined;
    if (this.isClosed) return socket.terminate();
    super.opened(socket);
    if (typeof socket.alpnProtocol === "string" && socket.alpnProtocol !== "h2")
      return this.#end(noHttp2Code);
    this.output.raw(preface);
    this.sendSettings([[setting.enablePush, 0]]);
    this.flush();
  }

  override received(chunk: Buffer): void {
    if (!this.hasSettings && startsHttp1(chunk)) this.#end(noHttp2Code);
    else super.received(chunk);
  }

  protected override eventEnded(): void {
    if (this.#isSent || !this.hasSettings) return;
    this.#isSent = true;
    const block = new HeaderBlock();
    for (const [name, value] of this.#request.fields) {
      const bytes = Buffer.from(name + value, "latin1");
      block.add(bytes, { from: 0, to: name.length }, name.length, bytes.length);
    }
    const stream = new Stream();
    this.streams.set(streamId, stream);
    const { body } = this.#request;
    this.sendHeaders(stream, block.bytes.subarray(0, block.length), body.length === 0);
    if (body.length > 0) this.sendData(stream, { bytes: body, from: 0, to: body.length, endsStream: true });
  }

  protected override readPreface(): number {
    return 0;
  }

  protected override isIdleStream(id: number): boolean {
    return !this.#isSent || id !== streamId;
  }

  protected override ignores(): boolean {
    return true;
  }

  protected override checkHeaders(): void {}

  protected override blockReceived({ endsStream }: WholeBlock): void {
    const { bytes, spans, count, isTooLarge } = this.#list;
    if (isTooLarge) return this.#end("the response is too large");
    for (let at = 0; at < count * spanStride; at += spanStride) {
      const [from, to, valueFrom, valueTo] = spans.subarray(at, at + spanStride);
      this.#fields.set(bytes.toString("latin1", from, to), bytes.toString("latin1", valueFrom, valueTo));
    }
    if (endsStream) this.#whole();
  }

  protected override dataReceived(stream: Stream, data: Buffer, endsStream: boolean): void {
    this.#bodyBytes += data.length;
    if (this.#bodyBytes > maxBytes) return this.#end("the response is too large");
    this.#body.push(Buffer.from(data));
    this.consumed(stream, data.length);
    if (endsStream) this.#whole();
  }

  #whole(): void {
    const status = Number(this.#fields.get(":status"));
    this.#end({ status, fields: this.#fields, body: Buffer.concat(this.#body) });
  }

  protected override resetReceived(_: Stream, code: number): void {
    this.#end(`RST_STREAM ${errorName(code)}`);
  }

  protected override goAwayReceived(lastStreamId: number, code: number): void {
    if (lastStreamId < streamId) this.#end(`GOAWAY ${errorName(code)}`);
  }

  protected override abandon(_: Stream, code: number): void {
    this.#end(`HTTP/2 error: ${errorName(code)}`);
  }

  protected override fail(code: number): void {
    this.#end(`HTTP/2 error: ${errorName(code)}`);
  }

  protected override arm(): void {}

  override expired(): void {}

  closeForGood(): void {
    this.#end("ECONNRESET");
  }

  cancel(): void {
    this.#end("ETIMEDOUT");
  }

  #end(result: SingleResponse | string): void {
    if (this.isClosed) return;
    this.goAway(0, errorCode.none);
    if (this.#isSent) this.output.flush();
    this.isClosed = true;
    this.#pendingConnect?.terminate();
    this.closeSocket(typeof result === "string");
    this.#done(result);
  }
}

/** @returns the response, or the system's error code or what stands in its place; ETIMEDOUT after `timeoutMs` */
export function sendSingleRequest(
  sockets: Pick<Sockets, "connect">,
  { address, host }: { readonly address: Address; readonly host: string },
  request: SingleRequest,
  timeoutMs: number,
): Promise<SingleResponse | string> {
  return new Promise((resolve) => {
    const session = new SingleSession(request, new FieldList(maxBytes), (result) => {
      cancel();
      resolve(result);
    });
    const cancel = patientSchedule(timeoutMs, () => session.cancel());
    sockets.connect({ ...address, http2: true }, host, session);
  });
}
