/** TLS of listeners on `node:tls`, with certificates that change, and certificates of clients. */

import { writeSync } from "node:fs";
import type { Server, Socket } from "node:net";
import {
  createSecureContext,
  createServer,
  type SecureContext,
  type SecureContextOptions,
  type TlsOptions,
  type TLSSocket,
} from "node:tls";

import type { CertificatePair } from "../../tls/certificate-pair.ts";
import { acmeProtocol } from "../../tls/client-hello.ts";
import { plainHttpResponse } from "../../tls/handshake-refusal.ts";
import { judgeClient, type ListenerTls } from "../../tls/listener-tls.ts";
import type { HandshakeResult, ListenOptions } from "./sockets.ts";

/** Contexts of one listener by certificate: making one takes longer than a handshake. */
const contexts = new WeakMap<ListenerTls, WeakMap<CertificatePair, SecureContext>>();

function contextFor(pair: CertificatePair, tls: ListenerTls): SecureContext {
  const ofListener = contexts.get(tls) ?? new WeakMap<CertificatePair, SecureContext>();
  contexts.set(tls, ofListener);
  const known = ofListener.get(pair);
  if (known) return known;
  const context = createSecureContext(contextOptionsOf(pair, tls));
  ofListener.set(pair, context);
  return context;
}

/** Each context has its own list of trusted authorities. Without a certificate, handshakes are refused. */
function contextOptionsOf(pair: CertificatePair | undefined, tls: ListenerTls): SecureContextOptions {
  const { minVersion, clientCertificates } = tls;
  return {
    ...(pair && { cert: pair.cert, key: pair.key }),
    ...(clientCertificates && { ca: clientCertificates.ca }),
    minVersion: `TLSv${minVersion}` as const,
  };
}

/** What a server and a single socket need alike. */
function handshakeOptions(tls: ListenerTls, protocols: readonly string[]): TlsOptions {
  const { clientCertificates: clients } = tls;
  return {
    ALPNProtocols: [...protocols],
    SNICallback(name, done) {
      const pair = tls.certificateFor(name);
      if (pair) done(null, contextFor(pair, tls));
      else done(new Error("unrecognized name"));
    },
    ...(clients && {
      requestCert: true,
      rejectUnauthorized: clients.verify === "required" && !clients.hosts,
    }),
  };
}

/** For a socket that was plain until now. */
export function socketOptions(tls: ListenerTls, protocols: readonly string[]) {
  const pair = tls.certificateFor(undefined);
  const secureContext = pair ? contextFor(pair, tls) : createSecureContext(contextOptionsOf(undefined, tls));
  return { ...handshakeOptions(tls, protocols), isServer: true, secureContext };
}

/** For a socket that was plain until now, on which an authority looks at the certificate of a challenge. */
export function challengeOptions({ cert, key }: CertificatePair) {
  return {
    ALPNProtocols: [acmeProtocol],
    isServer: true,
    secureContext: createSecureContext({ cert, key }),
  };
}

/** @returns the server, and a function that ends its watch on certificates */
export function createSecureServer(
  options: ListenOptions,
  tls: ListenerTls,
  onSocket: (socket: TLSSocket) => void,
): readonly [server: Server, unfollow: () => void] {
  let presented = tls.certificateFor(undefined);
  const { protocols, handshakeMs, handshakeRefused } = options;
  const server = createServer(
    {
      ...contextOptionsOf(presented, tls),
      ...handshakeOptions(tls, protocols),
      allowHalfOpen: true,
      handshakeTimeout: handshakeMs,
    },
    onSocket,
  );
  server.on("tlsClientError", (error, socket: Socket) => {
    handshakeRefused(errorText(error));
    answerPlainHttp((socket as { readonly _handle?: object })._handle, errorText(error));
    // Deno reports the handshake timeout but does not close the socket.
    socket.destroy();
  });
  const unfollow = tls.onChange(() => {
    const next = tls.certificateFor(undefined);
    if (next === presented) return;
    presented = next;
    server.setSecureContext(contextOptionsOf(presented, tls));
  });
  return [server, unfollow];
}

/**
 * A client that sends plain HTTP reads only plain text, which passes by the TLS of the socket. Deno shows no descriptor:
 * there the connection just ends.
 * @param owner of the descriptor, undocumented
 */
export function answerPlainHttp(owner: object | undefined, why: string): void {
  if (!why.includes("HTTP_REQUEST") || !owner || !("fd" in owner)) return;
  if (typeof owner.fd !== "number" || owner.fd < 0) return;
  try {
    writeSync(owner.fd, plainHttpResponse);
  } catch {
    // The client left.
  }
}

export function errorText(error: Error): string {
  return `${"code" in error ? String(error.code) : ""} ${error.message}`;
}

/**
 * Runtimes call a handshake successful although the certificate of the client is not valid: what counts is whether the
 * socket is authorized.
 */
export function handshakeResultOf(
  socket: TLSSocket,
  { clientCertificates }: ListenerTls,
): HandshakeResult & { readonly refusal?: string } {
  const { servername } = socket as { readonly servername?: string | false };
  const serverName = servername || undefined;
  const version = socket.getProtocol() ?? undefined;
  if (!clientCertificates) return { serverName, version };
  const { raw } = socket.getPeerCertificate() as { readonly raw?: Uint8Array };
  const why = String(socket.authorizationError ?? "");
  const shown = { der: raw, isVerified: socket.authorized, why };
  return { serverName, version, ...judgeClient(clientCertificates, serverName, shown) };
}
