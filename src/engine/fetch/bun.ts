/** The fetch engine on Bun: Bun.serve for clients, one private keep-alive session of fetch for all upstreams. */

import type { Server } from "bun";
import http from "node:http";

import type { SubrequestSender } from "../../filter/subrequest.ts";
import { sleep, systemClock, systemSchedule } from "../../lib/clock.ts";
import { TimerWheel } from "../../lib/timer-wheel.ts";
import { abortAttempts } from "../../pool/attempt-control.ts";
import { type Address, certifiedName, originAt, tlsClientOptions } from "../../net/address.ts";
import {
  altSvcOf,
  type Engine,
  type EngineListener,
  type EngineOptions,
  guardedLog,
  type ListenerOptions,
  openAll,
} from "../engine.ts";
import { responseForm } from "../../proxy/head-edit.ts";
import { bunVersionsOf, type ListenerTls } from "../../tls/listener-tls.ts";
import { failureOf, overEndpoints, type SendRequest, type UpstreamResponse } from "./forward.ts";
import { handleRequest } from "./handler.ts";
import { applyEdit, withListenerHeaders } from "./headers.ts";
import {
  Exchanges,
  type FetchEngineContext,
  type SharedFetchContext,
  type WholeBody,
} from "./request-context.ts";
import { WebSocketBuffers } from "./websocket-buffers.ts";
import { openWebSocketTunnel } from "./websocket-handshake.ts";
import { bunWebSocketHandlers, openBunWebSocket } from "./websocket-bun.ts";
import { isWebSocket, type WebSocketTunnel } from "./websocket-tunnel.ts";

/** Shorter than most servers keep idle connections, so that few requests meet one that is being closed. */
const upstreamIdleSeconds = 15;

export const fetchEngine: Engine = { name: "fetch", listen };

async function listen(options: EngineOptions): Promise<EngineListener> {
  const { shared, close: closeShared, drainAll } = startSharing(options);
  const closeAll = (opened: readonly Server<WebSocketTunnel>[]) =>
    closeShared(() => opened.forEach((server) => void server.stop(true)));
  const servers = await openAll(options.listeners, (listener) => serve(listener, shared), closeAll);
  return {
    ports: servers.map(({ port = 0 }) => port),
    abortAttempts,
    // Clients between two requests. Bun itself closes those with an unfinished head, after twelve seconds.
    releaseIdle: () => servers.forEach((server) => server.closeIdleConnections()),
    active: () => servers.reduce((sum, server) => sum + activeIn(server), 0),
    drain: () => drainAll(() => Promise.all(servers.map(drain))),
    close: () => closeAll(servers),
  };
}

/** What all servers of one engine, or of one HTTP/3 listener, share. */
export interface Sharing {
  readonly shared: SharedFetchContext;
  /** @param stop closes the connections of clients */
  close(stop: () => void): void;
  /** Responses close their connections from now on. @param drain called once; resolves when nothing is active */
  drainAll(drain: () => Promise<unknown>): Promise<void>;
}

export function startSharing(options: EngineOptions): Sharing {
  raiseHeadLimit(options.limits.requestHeadBytes);
  const session = new Bun.FetchSession({ proxy: false, keepAlive: { idleTimeout: upstreamIdleSeconds } });
  const wheel = new TimerWheel(systemClock, systemSchedule);
  let drained: Promise<unknown> | undefined;
  return {
    shared: {
      ...options,
      log: guardedLog(options.log),
      exchanges: new Exchanges(options.exchange),
      forward: forwardWith(session),
      wheel,
      buffers: new WebSocketBuffers(options.limits.webSocketBufferBytes),
      isDraining: () => drained !== undefined,
    },
    close(stop) {
      // All attempts listen to their clients then, and end with them.
      wheel.expireAll();
      stop();
      session.close();
      wheel.stop();
    },
    async drainAll(drain) {
      // Set before the first server stops.
      if (!drained) {
        const { promise, resolve } = Promise.withResolvers<unknown>();
        drained = promise.finally(() => session.close());
        wheel.expireAll();
        resolve(drain());
      }
      await drained;
    },
  };
}

/** @param isHttp3 whether it serves HTTP/3 and nothing else */
export function serve(
  listener: ListenerOptions,
  shared: SharedFetchContext,
  isHttp3 = false,
): Server<WebSocketTunnel> {
  const { hostname, port, tls, hsts } = listener;
  let listenPort = 0;
  const context: FetchEngineContext = {
    ...shared,
    listener,
    protocol: isHttp3 ? "h3" : null,
    isTrustedProxy: listener.isTrustedProxy ?? shared.isTrustedProxy,
    framesBodies: !isHttp3,
    showsTargetAuthority: false,
    listenPort: () => (listenPort ||= server.port ?? 0),
    wholeBody,
    active: () => activeIn(server),
    setIdleTimeout: (request, idleMs) => server.timeout(request, idleSeconds(idleMs)),
  };
  const announces = listener.http3 === true && !isHttp3;
  const hasHeaders = hsts !== undefined || announces;
  const answer = (response: Promise<Response | undefined>) =>
    withListenerHeaders(response, { hsts, altSvc: announces ? altSvcOf(server.port ?? 0) : undefined });
  const server: Server<WebSocketTunnel> = Bun.serve<WebSocketTunnel>({
    hostname,
    port,
    ...(tls && { tls: bunCertificatesOf(tls) }),
    ...(isHttp3 && { http3: true, http1: false }),
    development: false,
    // By default Bun outside development shares a port that is in use instead of reporting an error.
    reusePort: shared.sharesPort,
    idleTimeout: idleSeconds(shared.clientTimeouts.keepAliveMs) || maxIdleSeconds,
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    fetch(request, server) {
      const peer = server.requestIP(request)?.address ?? "";
      if (!isHttp3 && isWebSocket(request)) {
        // The handshake has its own timeouts.
        server.timeout(request, 0);
        return answer(upgrade(context, server, request, peer));
      }
      const response = handleRequest(context, request, peer);
      return hasHeaders ? answer(response) : response;
    },
    websocket: bunWebSocketHandlers(shared.limits.webSocketMessageBytes),
  });
  return server;
}

/**
 * One entry for each name; the first is the default. Bun takes them only here: the certificates of a running server
 * cannot be replaced.
 */
function bunCertificatesOf(tls: ListenerTls): Bun.TLSOptions[] {
  const secureOptions = bunVersionsOf(tls);
  const presented = tls.certificateFor(undefined) ?? tls.all[0];
  const names = new Set(tls.all.flatMap((pair) => pair.names));
  const named = [...names].flatMap((serverName) => {
    const pair = tls.certificateFor(serverName.replace("*", "any"));
    return pair ? [{ serverName, cert: pair.cert, key: pair.key, ...secureOptions }] : [];
  });
  return [...(presented ? [{ cert: presented.cert, key: presented.key, ...secureOptions }] : []), ...named];
}

/** Bun writes the head of a longer body with a system call for each name, value and separator: about thirty. */
const maxBytesWithHead = 15_359;

/** Head and body in one write. As they are, bytes without a Content-Type would get one. */
function wholeBody(bytes: WholeBody, headers: Headers): WholeBody | ReadableStream<Uint8Array> {
  if (bytes.byteLength <= maxBytesWithHead && headers.has("content-type")) return bytes;
  return new ReadableStream(
    {
      type: "direct",
      pull(controller) {
        controller.write(bytes);
        controller.end();
      },
    },
    // Fewer would be sent before the end, and then in chunks without Content-Length.
    { highWaterMark: bytes.byteLength + 1 },
  );
}

export function activeIn({ pendingRequests, pendingWebSockets }: Server<WebSocketTunnel>): number {
  return pendingRequests + pendingWebSockets;
}

/** Bun's limit for the heads of requests is one for all listeners of the process, and only this property sets it. */
function raiseHeadLimit(bytes: number): void {
  const settings = http as { maxHeaderSize: number };
  settings.maxHeaderSize = Math.max(settings.maxHeaderSize, bytes);
}

/** Bun's maximum. */
const maxIdleSeconds = 255;

/** A timeout above Bun's maximum becomes 0, which is none. */
function idleSeconds(idleMs: number): number {
  const seconds = Math.ceil(idleMs / 1000);
  return seconds > maxIdleSeconds ? 0 : seconds;
}

const drainCheckMs = 20;

/** Bun's own stop would also wait for clients that sent half a head and may never send the rest. */
export async function drain(server: Server<WebSocketTunnel>): Promise<void> {
  let isStopped = false;
  void server.stop().then(() => (isStopped = true));
  while (!isStopped && activeIn(server) > 0) await sleep(drainCheckMs);
  await server.stop(true);
}

/** Sends requests of the balancer itself, whatever the engine of clients. */
export function openSender(): SubrequestSender {
  const session = new Bun.FetchSession({ proxy: false, keepAlive: { idleTimeout: upstreamIdleSeconds } });
  return { send: forwardWith(session), failureOf };
}

function forwardWith(session: Bun.FetchSession): SendRequest {
  return overEndpoints(({ method, upstream, target, headers, body, signal, endsConnection }, host) =>
    session
      .fetch(originAt(upstream.address, host) + target, {
        method,
        headers,
        body,
        signal,
        redirect: "manual",
        decompress: false,
        keepalive: !endsConnection,
        ...tlsOf(upstream.address),
      })
      .then(upstreamResponseOf),
  );
}

class FetchedResponse implements UpstreamResponse {
  readonly #response: Response;
  readonly status: number;
  readonly statusText: string;
  readonly headers: Headers;

  constructor(response: Response) {
    this.#response = response;
    this.status = response.status;
    this.statusText = response.statusText;
    this.headers = response.headers;
  }

  stream(): ReadableStream<Uint8Array> | null {
    return this.#response.body;
  }

  whole(): Promise<ArrayBuffer> {
    return this.#response.arrayBuffer();
  }

  discard(): void {
    this.#response.body?.cancel().catch(() => {});
  }
}

function upstreamResponseOf(response: Response): UpstreamResponse {
  return new FetchedResponse(response);
}

/** Always with the server name: else it would be the client's Host header, which names no upstream. */
function tlsOf(address: Address): { tls?: Bun.TLSOptions } {
  if (address.protocol !== "https") return {};
  return { tls: { serverName: certifiedName(address), ...tlsClientOptions(address.tls) } };
}

async function upgrade(
  options: FetchEngineContext,
  server: Server<WebSocketTunnel>,
  request: Request,
  peer: string,
): Promise<Response | undefined> {
  const tunnel = await openWebSocketTunnel(options, openBunWebSocket, request, peer);
  if (tunnel instanceof Response) return tunnel;
  const headers = new Headers();
  if (tunnel.responseEdit) applyEdit(headers, tunnel.responseEdit, responseForm);
  if (tunnel.protocol) headers.set("Sec-WebSocket-Protocol", tunnel.protocol);
  if (server.upgrade(request, { data: tunnel, headers })) return undefined;
  return tunnel.refuse();
}
