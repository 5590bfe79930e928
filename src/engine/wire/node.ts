/** The wire engine for Deno, on the sockets of `node:net` and `node:tls`: slower than Bun's, with the same behaviour. */

import { connect as connectPlain, createServer, isIP, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls, TLSSocket, type TLSSocketOptions } from "node:tls";
import { toError } from "../../lib/bugs.ts";
import { freezeClock, thawClock } from "../../lib/clock.ts";
import { type Address, certifiedName, tlsClientOptions } from "../../net/address.ts";
import { listeningDescriptor } from "../../net/listening-sockets.ts";
import { acmeProtocol, readClientHello } from "../../tls/client-hello.ts";
import { plainHttpResponse } from "../../tls/handshake-refusal.ts";
import type { ListenerTls } from "../../tls/listener-tls.ts";
import type { Engine } from "../engine.ts";
import { handshakeCode, noHttp2Code } from "./http2/protocol.ts";
import { wireEngineOver } from "./listener.ts";
import {
  challengeOptions,
  createSecureServer,
  errorText,
  handshakeResultOf,
  socketOptions,
} from "./tls-node.ts";
import type {
  ClientSocketHandler,
  ConnectHandler,
  ConnectOptions,
  ListenOptions,
  SocketHandler,
  Sockets,
  WireListener,
  WireSocket,
} from "./sockets.ts";

/**
 * A node socket buffers everything that is written to it. This adapter takes nothing while the socket is busy, as the
 * contract of `WireSocket` says, so that the queue and the backpressure stay with the connection.
 */
class NodeSocket implements WireSocket {
  data: SocketHandler;
  #socket: Socket;
  #isBusy = false;
  #onIdle: (() => void) | undefined;

  constructor(socket: Socket, handler: SocketHandler) {
    this.data = handler;
    this.#socket = socket;
    socket.setNoDelay(true);
    this.#follow(socket);
  }

  #follow(socket: Socket): void {
    let cause: Error | undefined;
    socket.on("data", (chunk: Buffer) => this.guarded(() => this.data.received(chunk)));
    socket.on("drain", () => {
      this.#isBusy = false;
      this.#onIdle?.();
      this.guarded(() => this.data.drained());
    });
    socket.on("end", () => this.guarded(() => this.data.ended()));
    socket.on("error", (error) => (cause = error));
    socket.on("close", () => this.guarded(() => this.data.closed(cause)));
  }

  protected guarded(step: () => void): void {
    freezeClock();
    try {
      step();
    } catch (error) {
      this.data.handlerThrew(toError(error));
    } finally {
      thawClock();
    }
  }

  /** Another socket takes the place of this one, which goes on below it. */
  protected replace(socket: Socket): void {
    this.#socket = socket;
    this.#isBusy = false;
    this.#follow(socket);
  }

  protected get socket(): Socket {
    return this.#socket;
  }

  write(bytes: Uint8Array, offset: number, length: number): number {
    if (this.#socket.destroyed || this.#socket.writableEnded) return -1;
    if (this.#isBusy) return 0;
    // Copied, because the bytes are only valid during the call.
    this.#isBusy = !this.#socket.write(Buffer.from(bytes.subarray(offset, offset + length)));
    return length;
  }

  get remotePort(): number | undefined {
    return this.#socket.remotePort;
  }

  get localAddress(): string | undefined {
    return this.#socket.localAddress;
  }

  get localPort(): number | undefined {
    return this.#socket.localPort;
  }

  get alpnProtocol(): string | false | null {
    return this.#socket instanceof TLSSocket && this.#socket.alpnProtocol;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  shutdown(): void {
    this.#socket.end();
  }

  end(): void {
    this.#socket.end();
    if (this.#isBusy) this.#onIdle = () => this.#socket.destroySoon();
    else this.#socket.destroySoon();
  }

  terminate(): void {
    if (this.#socket.connecting) this.#socket.destroy();
    else this.#socket.resetAndDestroy();
  }
}

/** The beginning of a request of HTTP/1.1. */
const requestPattern = /^[A-Z]{3,10} /;

/** A client's socket that is plain until `startTls`. */
class PlainFirstSocket extends NodeSocket {
  readonly #options: ListenOptions & { readonly tls: ListenerTls };
  readonly #plain: Socket;
  #isSecure = false;

  constructor(
    socket: Socket,
    handler: ClientSocketHandler,
    options: ListenOptions & { readonly tls: ListenerTls },
  ) {
    super(socket, handler);
    this.#plain = socket;
    this.#options = options;
  }

  startTls(received: Buffer): void {
    const plain = this.#plain;
    if (plain.destroyed || plain.writableEnded) return;
    if (!this.#options.tls.answersChallenges) return this.#secure(received);
    // The certificate of a challenge depends on the protocol, which runtimes tell after they have chosen a certificate.
    let bytes = Buffer.from(received);
    plain.removeAllListeners("data");
    plain.on("data", (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      this.guarded(() => this.#lookAt(bytes));
    });
    this.#lookAt(bytes);
  }

  /** @param bytes of the handshake that have arrived */
  #lookAt(bytes: Buffer): void {
    const hello = readClientHello(bytes);
    if (hello === "more") return;
    if (hello === "other" && requestPattern.test(bytes.toString("latin1", 0, 16))) {
      (this.data as ClientSocketHandler).insecure?.("HTTP_REQUEST");
      return void this.#plain.end(plainHttpResponse);
    }
    const isChallenge = hello !== "other" && hello.protocols.includes(acmeProtocol);
    const pair = isChallenge && this.#options.tls.alpnChallenge(hello.serverName ?? "");
    if (!pair) return this.#secure(bytes);
    const secure = this.#overTls(bytes, challengeOptions(pair));
    // The authority wants to see the certificate, and nothing else (RFC 8737 section 3).
    secure.once("secure", () => {
      secure.removeAllListeners("data");
      secure.resume();
      secure.end();
    });
  }

  #overTls(received: Buffer, options: TLSSocketOptions): TLSSocket {
    const plain = this.#plain;
    for (const event of ["data", "drain", "end", "close"]) plain.removeAllListeners(event);
    plain.pause();
    if (received.length > 0) plain.unshift(Buffer.from(received));
    const secure = new TLSSocket(plain, options);
    this.replace(secure);
    return secure;
  }

  #secure(received: Buffer): void {
    const { tls, protocols } = this.#options;
    const secure = this.#overTls(received, socketOptions(tls, protocols));
    secure.once("secure", () => {
      this.#isSecure = true;
      const result = handshakeResultOf(secure, tls);
      this.guarded(() => {
        const handler = this.data as ClientSocketHandler;
        if (result.refusal === undefined) return handler.secured(secure.alpnProtocol || "", result);
        handler.insecure?.(result.refusal);
        this.terminate();
      });
    });
    secure.on("error", (error) => {
      if (!this.#isSecure)
        this.guarded(() => (this.data as ClientSocketHandler).insecure?.(errorText(error)));
    });
  }

  override end(): void {
    if (this.#isSecure || this.socket === this.#plain) super.end();
    else this.#plain.destroy();
  }

  override terminate(): void {
    if (this.socket !== this.#plain) this.socket.destroy();
    this.#plain.resetAndDestroy();
  }
}

function listen(options: ListenOptions): Promise<WireListener> {
  const { hostname, port, sharesPort, tls, startsPlain, accept, handshakeRefused, socket: given } = options;
  const isPlainFirst = tls !== undefined && (startsPlain === true || tls.answersChallenges);
  const onSocket = (socket: Socket) => {
    const result = socket instanceof TLSSocket && tls ? handshakeResultOf(socket, tls) : undefined;
    if (result?.refusal !== undefined) {
      handshakeRefused(result.refusal);
      socket.on("error", () => {});
      return void socket.destroy();
    }
    const handler = accept(socket.remoteAddress ?? "");
    const opened = isPlainFirst
      ? new PlainFirstSocket(socket, handler, { ...options, tls })
      : new NodeSocket(socket, handler);
    handler.opened(opened);
    if (opened instanceof PlainFirstSocket && !startsPlain) opened.startTls(Buffer.alloc(0));
    if (result && socket instanceof TLSSocket) handler.secured(socket.alpnProtocol || "", result);
  };
  const [server, unfollow] =
    tls && !isPlainFirst
      ? createSecureServer(options, tls, onSocket)
      : [createServer({ allowHalfOpen: true }, onSocket), () => {}];
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    const where = given ? { fd: given.fd } : { port, host: hostname, ...(sharesPort && { reusePort: true }) };
    server.listen(where, () => {
      const address = server.address();
      const listening = given?.port ?? (typeof address === "object" && address ? address.port : port);
      const stop = () => {
        unfollow();
        server.close();
      };
      resolve({
        hostname,
        port: listening,
        // Looked up when it is wanted: the search takes a while.
        get fd() {
          return given?.fd ?? listeningDescriptor(hostname, listening);
        },
        stop,
      });
    });
  });
}

function connect(address: Address, host: string, handler: ConnectHandler, given: ConnectOptions = {}): void {
  const { protocol, port } = address;
  const { greeting } = given;
  if (protocol === "http") {
    const socket = connectPlain({ host, port, allowHalfOpen: true });
    handler.pending({ terminate: () => socket.destroy() });
    return followConnect(socket, "connect", handler);
  }
  const options = clientTlsOf(address, given);
  if (!greeting) {
    const socket = connectTls({ host, port, ...options });
    handler.pending({ terminate: () => socket.destroy() });
    return followConnect(socket, "secureConnect", handler);
  }
  const plain = connectPlain({ host, port });
  handler.pending({ terminate: () => plain.destroy() });
  const onRefused = (error: Error) => refuse(plain, error, handler);
  plain.once("error", onRefused);
  plain.once("connect", () => {
    plain.off("error", onRefused);
    plain.write(greeting);
    followConnect(connectTls({ socket: plain, ...options }), "secureConnect", handler);
  });
}

function clientTlsOf(
  address: Address,
  { protocol = address.http2 ? "h2" : undefined }: ConnectOptions,
): ConnectionOptions {
  const name = certifiedName(address);
  return {
    ...tlsClientOptions(address.tls),
    ...(!isIP(name) && { servername: name }),
    ...(protocol && { ALPNProtocols: [protocol] }),
  };
}

/** @param event that the connection is open, and secure if it is to be */
function followConnect(socket: Socket, event: "connect" | "secureConnect", handler: ConnectHandler): void {
  const onRefused = (error: Error) => refuse(socket, error, handler);
  socket.once("error", onRefused);
  socket.once(event, () => {
    socket.off("error", onRefused);
    handler.opened(new NodeSocket(socket, handler));
  });
}

function refuse(socket: Socket, error: Error, handler: ConnectHandler): void {
  socket.on("error", () => {});
  const isUnselected = handshakeCode(error) === noHttp2Code;
  handler.refused(isUnselected ? noHttp2Code : "code" in error ? String(error.code) : error.message);
}

export const nodeSockets: Sockets = { listen, connect };

export const wireEngine: Engine = wireEngineOver(nodeSockets);
