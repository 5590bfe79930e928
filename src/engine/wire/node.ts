/** The wire engine for Deno, on the sockets of `node:net` and `node:tls`: slower than Bun's, with the same behaviour. */

import { connect as connectPlain, createServer, isIP, type Server, type Socket } from "node:net";
import {
  connect as connectTls,
  createSecureContext,
  createServer as createTlsServer,
  type SecureContext,
  type TlsOptions,
  TLSSocket,
} from "node:tls";
import { toError } from "../../lib/bugs.ts";
import { freezeClock, thawClock } from "../../lib/clock.ts";
import { type Address, certifiedName } from "../../net/address.ts";
import type { CertificatePair } from "../../tls/certificate-pair.ts";
import type { ListenerTls } from "../../tls/listener-tls.ts";
import type { Engine } from "../engine.ts";
import { handshakeCode, noHttp2Code } from "./http2/protocol.ts";
import { wireEngineOver } from "./listener.ts";
import type {
  ClientSocketHandler,
  ConnectHandler,
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
    for (const event of ["data", "drain", "end", "close"]) plain.removeAllListeners(event);
    plain.pause();
    if (received.length > 0) plain.unshift(Buffer.from(received));
    const { tls, protocols } = this.#options;
    const pair = tls.certificateFor(undefined);
    const secure = new TLSSocket(plain, {
      ...handshakeOptions(tls, protocols),
      isServer: true,
      secureContext: pair ? contextFor(pair, tls) : createSecureContext({}),
    });
    this.replace(secure);
    secure.once("secure", () => {
      this.#isSecure = true;
      this.guarded(() => (this.data as ClientSocketHandler).secured(secure.alpnProtocol || ""));
    });
    secure.on("error", (error) => {
      if (!this.#isSecure) this.guarded(() => (this.data as ClientSocketHandler).insecure?.(textOf(error)));
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

function textOf(error: Error): string {
  return `${"code" in error ? String(error.code) : ""} ${error.message}`;
}

/** Contexts by certificate: making one takes longer than a handshake. */
const contexts = new WeakMap<CertificatePair, SecureContext>();

function contextFor(pair: CertificatePair, { minVersion }: ListenerTls): SecureContext {
  const known = contexts.get(pair);
  if (known) return known;
  const { cert, key } = pair;
  const context = createSecureContext({ cert, key, minVersion: `TLSv${minVersion}` });
  contexts.set(pair, context);
  return context;
}

/** What a server and a single socket need alike. */
function handshakeOptions(
  tls: ListenerTls,
  protocols: readonly string[],
): Pick<TlsOptions, "ALPNProtocols" | "SNICallback"> {
  return {
    ALPNProtocols: [...protocols],
    SNICallback(name, done) {
      const pair = tls.certificateFor(name);
      if (pair) done(null, contextFor(pair, tls));
      else done(new Error("unrecognized name"));
    },
  };
}

/** @returns the server, and a function that ends its watch on certificates */
function createSecureServer(
  options: ListenOptions,
  tls: ListenerTls,
  onSocket: (socket: TLSSocket) => void,
): readonly [server: Server, unfollow: () => void] {
  let presented = tls.certificateFor(undefined);
  const { protocols, handshakeMs, handshakeRefused } = options;
  const contextOptions = () => ({
    ...(presented && { cert: presented.cert, key: presented.key }),
    minVersion: `TLSv${tls.minVersion}` as const,
  });
  const server = createTlsServer(
    {
      ...contextOptions(),
      ...handshakeOptions(tls, protocols),
      allowHalfOpen: true,
      handshakeTimeout: handshakeMs,
    },
    onSocket,
  );
  server.on("tlsClientError", (error, socket: Socket) => {
    handshakeRefused(textOf(error));
    // Deno reports the handshake timeout but does not close the socket.
    socket.destroy();
  });
  const unfollow = tls.onChange(() => {
    const next = tls.certificateFor(undefined);
    if (next === presented) return;
    presented = next;
    server.setSecureContext(contextOptions());
  });
  return [server, unfollow];
}

function listen(options: ListenOptions): Promise<WireListener> {
  const { hostname, port, sharesPort, tls, startsPlain, accept } = options;
  const onSocket = (socket: Socket) => {
    const handler = accept(socket.remoteAddress ?? "");
    const isPlainFirst = tls !== undefined && startsPlain === true;
    const opened = isPlainFirst
      ? new PlainFirstSocket(socket, handler, { ...options, tls })
      : new NodeSocket(socket, handler);
    handler.opened(opened);
    if (socket instanceof TLSSocket) handler.secured(socket.alpnProtocol || "");
  };
  const [server, unfollow] =
    tls && !startsPlain
      ? createSecureServer(options, tls, onSocket)
      : [createServer({ allowHalfOpen: true }, onSocket), () => {}];
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host: hostname, ...(sharesPort && { reusePort: true }) }, () => {
      const address = server.address();
      const listening = typeof address === "object" && address ? address.port : port;
      const stop = () => {
        unfollow();
        server.close();
      };
      resolve({ hostname, port: listening, stop });
    });
  });
}

function connect(address: Address, host: string, handler: ConnectHandler): void {
  const { protocol, port, tls = { verify: true } } = address;
  const { verify, ca } = tls;
  const name = certifiedName(address);
  const socket =
    protocol === "https"
      ? connectTls({
          host,
          port,
          rejectUnauthorized: verify,
          ...(ca !== undefined && { ca }),
          ...(!isIP(name) && { servername: name }),
          ...(address.http2 && { ALPNProtocols: ["h2"] }),
        })
      : connectPlain({ host, port, allowHalfOpen: true });
  handler.pending({ terminate: () => socket.destroy() });
  const onRefused = (error: Error) => {
    socket.on("error", () => {});
    const isUnselected = handshakeCode(error) === noHttp2Code;
    handler.refused(isUnselected ? noHttp2Code : "code" in error ? String(error.code) : error.message);
  };
  socket.once("error", onRefused);
  socket.once(protocol === "https" ? "secureConnect" : "connect", () => {
    socket.off("error", onRefused);
    handler.opened(new NodeSocket(socket, handler));
  });
}

export const nodeSockets: Sockets = { listen, connect };

export const wireEngine: Engine = wireEngineOver(nodeSockets);
