/** The fetch engine on Deno: Deno.serve for clients, node:http for upstreams, because Deno's fetch always decodes bodies. */

import { Agent, type IncomingMessage, request as requestPlain } from "node:http";
import { Agent as SecureAgent, request as requestSecure } from "node:https";
import { isIP } from "node:net";
import { Readable } from "node:stream";
import type { ReadableStream as NodeReadableStream } from "node:stream/web";

import { systemClock, systemSchedule } from "../../lib/clock.ts";
import { TimerWheel } from "../../lib/timer-wheel.ts";
import type { SubrequestSender } from "../../filter/subrequest.ts";
import { abortAttempts } from "../../pool/attempt-control.ts";
import {
  type Address,
  certifiedName,
  originOf,
  type TlsClientOptions,
  tlsClientOptions,
} from "../../net/address.ts";
import {
  type Engine,
  type EngineListener,
  type EngineOptions,
  guardedLog,
  type ListenerOptions,
  openAll,
} from "../engine.ts";
import {
  failureOf,
  overEndpoints,
  type SendRequest,
  type UpstreamResponse,
  type UpstreamRequest,
} from "./forward.ts";
import { handleRequest } from "./handler.ts";
import { responseForm } from "../../proxy/head-edit.ts";
import { applyEdit, withListenerHeaders } from "./headers.ts";
import { Exchanges, type FetchEngineContext, type SharedFetchContext } from "./request-context.ts";
import { WebSocketBuffers } from "./websocket-buffers.ts";
import { type OpenWebSocket, openWebSocketTunnel } from "./websocket-handshake.ts";
import {
  followSocket,
  type UpstreamSideEvents,
  type UpstreamSide,
  type WebSocketMessage,
  type WebSocketSide,
} from "./websocket-side.ts";
import { isWebSocket, type WebSocketTunnel } from "./websocket-tunnel.ts";

/** The part of Deno's interface that is used: the project is checked with Bun's types. */
declare const Deno: {
  serve(
    options: {
      hostname: string;
      port: number;
      reusePort?: boolean;
      cert?: string;
      key?: string;
      signal: AbortSignal;
      onListen(): void;
      onError(error: unknown): Response;
    },
    handler: (request: Request, info: { remoteAddr: { hostname: string } }) => Promise<Response>,
  ): { addr: { port: number }; shutdown(): Promise<void> };
  createHttpClient(options: { caCerts?: string[]; cert?: string; key?: string }): { close(): void };
  upgradeWebSocket(
    request: Request,
    options: { protocol?: string; idleTimeout: number },
  ): { socket: WebSocket; response: Response };
};

export const fetchEngine: Engine = { name: "fetch", listen };

const upstreamIdleMs = 15_000;
const pingSeconds = 120;

async function listen(options: EngineOptions): Promise<EngineListener> {
  const agents = [new Agent(agentOptions), new SecureAgent(agentOptions)] as const;
  const wheel = new TimerWheel(systemClock, systemSchedule);
  const closeAgents = () => agents.forEach((agent) => agent.destroy());
  let draining: Promise<unknown> | undefined;
  const shared = {
    ...options,
    log: guardedLog(options.log),
    exchanges: new Exchanges(options.exchange),
    forward: forwardWith(agents, options.limits.responseHeadBytes),
    wheel,
    buffers: new WebSocketBuffers(options.limits.webSocketBufferBytes),
    isDraining: () => draining !== undefined,
  };
  const closeAll = (opened: readonly DenoListener[]) => {
    wheel.expireAll();
    closeAgents();
    wheel.stop();
    // Deno throws an uncatchable error if a server is aborted that is already shutting down.
    if (!draining) for (const server of opened) server.abort();
    draining ??= Promise.resolve();
  };
  const servers = await openAll(options.listeners, (listener) => serve(listener, shared), closeAll);
  return {
    ports: servers.map(({ port }) => port),
    abortAttempts,
    active: () => servers.reduce((sum, { active }) => sum + active(), 0),
    async drain() {
      if (!draining) wheel.expireAll();
      draining ??= Promise.all(servers.map(({ shutdown }) => shutdown())).then(closeAgents);
      await draining;
    },
    close: () => closeAll(servers),
  };
}

interface DenoListener {
  readonly port: number;
  active(): number;
  shutdown(): Promise<void>;
  abort(): void;
}

function serve(listener: ListenerOptions, shared: SharedFetchContext): DenoListener {
  const stop = new AbortController();
  const tunnels = new Set<WebSocketTunnel>();
  let requests = 0;
  const context: FetchEngineContext = {
    ...shared,
    listener,
    protocol: null,
    isTrustedProxy: listener.isTrustedProxy ?? shared.isTrustedProxy,
    framesBodies: false,
    showsTargetAuthority: true,
    listenPort: () => server.addr.port,
    wholeBody: (bytes) => bytes,
    active: () => requests + tunnels.size,
    // Deno's listener has no configurable idle timeout.
    setIdleTimeout() {},
  };
  const { hostname, port } = listener;
  // Deno.serve takes one certificate, and only here.
  const presented = listener.tls?.certificateFor(undefined);
  const server = Deno.serve(
    {
      hostname,
      port,
      ...(shared.sharesPort && { reusePort: true }),
      ...(presented && { cert: presented.cert, key: presented.key }),
      signal: stop.signal,
      onListen() {},
      onError: () => new Response("500 internal_error\n", { status: 500 }),
    },
    async (request, info) => {
      requests += 1;
      try {
        const answer = isWebSocket(request)
          ? upgrade(context, request, info.remoteAddr.hostname, tunnels)
          : handleRequest(context, request, info.remoteAddr.hostname);
        const response = await withListenerHeaders(answer, { hsts: listener.hsts, altSvc: undefined });
        return whenSent(response, () => (requests -= 1));
      } catch (error) {
        requests -= 1;
        throw error;
      }
    },
  );
  return {
    port: server.addr.port,
    active: context.active,
    shutdown: () => server.shutdown(),
    abort: () => stop.abort(),
  };
}

const agentOptions = { keepAlive: true, timeout: upstreamIdleMs };

/** Calls `done` once when the last byte of a response was sent or cannot be sent. */
function whenSent(response: Response, done: () => void): Response {
  if (response.body === null || response.status === 101) {
    done();
    return response;
  }
  const watched = response.body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({ flush: done, cancel: done } as Transformer<
      Uint8Array,
      Uint8Array
    >),
  );
  return new Response(watched, response);
}

/** Sends requests of the balancer itself, whatever the engine of clients. @param maxHeadBytes of a response's head */
export function openSender(maxHeadBytes = 65_536): SubrequestSender {
  const agents = [new Agent(agentOptions), new SecureAgent(agentOptions)] as const;
  return { send: forwardWith(agents, maxHeadBytes), failureOf };
}

function forwardWith([plain, secure]: readonly [Agent, SecureAgent], maxHeaderSize: number): SendRequest {
  return overEndpoints(
    (outgoing, host) =>
      new Promise<UpstreamResponse>((resolve, reject) => {
        let cause: unknown;
        const { address } = outgoing.upstream;
        const isSecure = address.protocol === "https";
        const request = (isSecure ? requestSecure : requestPlain)({
          // Without an agent node:http closes the connection after the response.
          agent: outgoing.endsConnection ? false : isSecure ? secure : plain,
          host,
          port: address.port,
          method: outgoing.method,
          path: targetOf(outgoing),
          headers: Object.fromEntries(outgoing.headers),
          setHost: false,
          maxHeaderSize,
          ...(isSecure && tlsOf(address)),
          signal: outgoing.signal,
        });
        request.on("response", (response) => resolve(incomingOf(response, () => cause)));
        request.on("error", (error) => {
          cause = error;
          reject(error);
        });
        send(request, outgoing.body);
      }),
  );
}

/** Deno.serve turns "OPTIONS *" into "OPTIONS /*", which no client means. */
function targetOf({ method, target }: UpstreamRequest): string {
  return method === "OPTIONS" && target === "/*" ? "*" : target;
}

/** Always with the server name: else it would be the client's Host header. An IP address has no server name. */
function tlsOf(address: Address): TlsClientOptions & { readonly servername: string } {
  const name = certifiedName(address);
  return { servername: isIP(name) ? "" : name, ...tlsClientOptions(address.tls) };
}

function send(request: ReturnType<typeof requestPlain>, body: UpstreamRequest["body"]): void {
  if (body === null) request.end();
  else if (body instanceof Uint8Array) request.end(body);
  else
    Readable.fromWeb(body as NodeReadableStream)
      .on("error", (error) => request.destroy(error))
      .pipe(request);
}

/** @param cause the request's error, which the response's own stream reports as an abort only */
function incomingOf(response: IncomingMessage, cause: () => unknown): UpstreamResponse {
  const headers = new Headers();
  for (let i = 0; i + 1 < response.rawHeaders.length; i += 2) {
    headers.append(response.rawHeaders[i] ?? "", response.rawHeaders[i + 1] ?? "");
  }
  const stream = () => Readable.toWeb(response) as unknown as ReadableStream<Uint8Array>;
  return {
    status: response.statusCode ?? 502,
    statusText: response.statusMessage ?? "",
    headers,
    stream,
    whole: () => new Response(stream()).arrayBuffer(),
    discard: () => void response.resume(),
    cause,
  };
}

/**
 * Deno's WebSocket accepts headers and authorities in its options. It can neither check another name nor skip the check: such
 * an upstream's certificate is rejected. It also resolves the name itself, because it sends no other Host.
 */
const openWebSocket: OpenWebSocket = ({ address }, target, options) => {
  const url = originOf(address).replace(/^http/, "ws") + target;
  const { tls } = address;
  const { ca, cert, key } = tlsClientOptions(tls);
  if (ca === undefined && cert === undefined) return new DenoUpstreamSide(new WebSocket(url, options));
  const client = Deno.createHttpClient({
    ...(ca !== undefined && { caCerts: [ca] }),
    ...(cert !== undefined && key !== undefined && { cert, key }),
  });
  const socket = new WebSocket(url, { ...options, client } as typeof options);
  socket.addEventListener("close", () => client.close());
  return new DenoUpstreamSide(socket);
};

/**
 * A standard WebSocket: it can be neither paused nor terminated, and does not tell when a message was sent. Deno itself
 * refuses messages above 64 MiB.
 */
class DenoSide implements WebSocketSide {
  readonly socket: WebSocket;

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.binaryType = "arraybuffer";
  }

  send(message: WebSocketMessage): void {
    this.socket.send(message);
  }

  close(code?: number, reason?: string): void {
    this.socket.close(code, reason);
  }

  /** This close code marks an unclean end. */
  terminate(): void {
    this.socket.close(4000, "upstream gone");
  }

  bufferedAmount(): number {
    return this.socket.bufferedAmount;
  }
}

class DenoUpstreamSide extends DenoSide implements UpstreamSide {
  follow(events: UpstreamSideEvents): void {
    followSocket(this.socket, events);
  }

  get protocol(): string {
    return this.socket.protocol;
  }

  get isOpen(): boolean {
    return this.socket.readyState === WebSocket.OPEN;
  }
}

async function upgrade(
  options: FetchEngineContext,
  request: Request,
  peer: string,
  tunnels: Set<WebSocketTunnel>,
): Promise<Response> {
  const tunnel = await openWebSocketTunnel(options, openWebSocket, request, peer);
  if (tunnel instanceof Response) return tunnel;
  const protocol = tunnel.protocol ? { protocol: tunnel.protocol } : {};
  let upgraded: ReturnType<typeof Deno.upgradeWebSocket>;
  try {
    upgraded = Deno.upgradeWebSocket(request, { ...protocol, idleTimeout: pingSeconds });
  } catch {
    // Deno throws this for an invalid handshake of the client.
    return tunnel.refuse();
  }
  const { socket, response } = upgraded;
  if (tunnel.responseEdit) applyEdit(response.headers, tunnel.responseEdit, responseForm);
  const side = new DenoSide(socket);
  tunnels.add(tunnel);
  socket.onopen = () => tunnel.attach(side);
  socket.onmessage = ({ data }) => tunnel.fromClient(typeof data === "string" ? data : new Uint8Array(data));
  socket.onclose = ({ code, reason }) => {
    tunnels.delete(tunnel);
    tunnel.clientClosed(code, reason);
  };
  return response;
}
