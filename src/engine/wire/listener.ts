/** The wire engine over a runtime's sockets: listens, and assembles the parts that serve its connections. */

import { readFileSync } from "node:fs";
import { systemClock, systemSchedule } from "../../lib/clock.ts";
import { systemRandom } from "../../lib/random.ts";
import { plainAddress } from "../../net/address.ts";
import { abortAttempts } from "../../pool/attempt-control.ts";
import type { Engine, EngineListener, EngineOptions } from "../engine.ts";
import { ClientConnection } from "./client-connection.ts";
import { FreeList, WireContext } from "./context.ts";
import { RequestForwarder } from "./request-forwarder.ts";
import { Http2Context } from "./http2/context.ts";
import { ServerSession } from "./http2/server-session.ts";
import { ProtocolDetector } from "./client-protocol.ts";
import type { ListenOptions, Sockets } from "./sockets.ts";
import { TimerWheel } from "./timer-wheel.ts";

export function wireEngineOver(sockets: Sockets): Engine {
  return { name: "wire", listen: (options) => listen(options, sockets) };
}

async function listen(requested: EngineOptions, sockets: Sockets): Promise<EngineListener> {
  const options = limitClients(requested);
  const wheel = new TimerWheel(systemClock, systemSchedule);
  const context = new WireContext(options, { sockets, wheel, random: systemRandom });
  const forwarders = new FreeList(() => new RequestForwarder(context, options.exchange()));
  const listener = await sockets.listen({
    hostname: options.hostname,
    port: options.port,
    sharesPort: options.sharesPort,
    ...(options.tls && { tls: options.tls }),
    handshakeMs: options.clientTimeouts.headMs,
    accept: acceptWith(context, forwarders),
  });
  context.forwardingCache.setListenPort(listener.port, listener.hostname);
  return {
    hostname: listener.hostname,
    port: listener.port,
    active: () => context.active,
    abortAttempts,
    async drain() {
      context.isDraining = true;
      listener.stop();
      for (const client of [...context.clients]) client.closeIfIdle();
      context.closeIdle();
      await context.whenIdle();
    },
    close() {
      context.isDraining = true;
      listener.stop();
      for (const client of [...context.clients]) client.closeForGood(true);
      context.closeIdle();
      wheel.stop();
    },
  };
}

function acceptWith(context: WireContext, forwarders: FreeList<RequestForwarder>): ListenOptions["accept"] {
  const { options } = context;
  if (!options.http2)
    return (peer) => new ClientConnection(context, forwarders, { address: plainAddress(peer) });
  const http2 = new Http2Context(context.requestHead.parser.limits, context.responseHead.parser.limits);
  return (peer) => {
    const address = plainAddress(peer);
    return new ProtocolDetector(context, {
      http1: () => new ClientConnection(context, forwarders, { address }),
      http2: () => new ServerSession(context, { http2, forwarders, address }),
    });
  };
}

/** Lowers `maxClients` to what the system's limit on open files leaves room for. */
function limitClients(options: EngineOptions): EngineOptions {
  const { maxClients: wanted = Infinity, log } = options;
  const maxClients = maxClientsForOpenFiles();
  if (wanted <= maxClients) return options;
  if (wanted < Infinity)
    log.warn("client limit lowered", { wanted, maxClients, why: "the limit on open files" });
  return { ...options, maxClients };
}

/** Open files for everything but clients and upstreams: files, the admin server, clients that get a 503. */
const reservedFiles = 128;

/** Maximum open files for upstream connections. A client has at most one request at a time, and a hedge one more. */
const maxForUpstreams = 4_096;

/**
 * The number of client connections that leaves room for upstream connections: a process that reaches its limit on open
 * files serves no client.
 * @param limit on open files of this process; undefined if it is unlimited or unknown
 */
export function maxClientsForOpenFiles(limit = openFilesLimit()): number {
  if (limit === undefined) return Infinity;
  const left = Math.max(0, limit - reservedFiles);
  return Math.max(1, left - Math.min(Math.ceil(left / 2), maxForUpstreams));
}

/** The process's limit on open files. Both runtimes raise it to the hard limit when they start. */
function openFilesLimit(): number | undefined {
  try {
    const limit = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
    return limit ? Number(limit[1]) : undefined;
  } catch {
    return undefined;
  }
}
