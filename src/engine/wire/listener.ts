/** Puts a plane behind a listening socket: this is the engine, whatever runtime the sockets come from. */

import { readFileSync } from "node:fs";
import type { Engine, EngineListener, EngineOptions } from "../engine.ts";
import { ClientConnection } from "./client-connection.ts";
import { FreeList, WireContext } from "./context.ts";
import { RequestForwarder } from "./request-forwarder.ts";
import type { Sockets } from "./sockets.ts";
import { TimerWheel } from "./timer-wheel.ts";
import { systemClock, systemSchedule } from "../../lib/clock.ts";
import { systemRandom } from "../../lib/random.ts";
import { abortAttempts } from "../../pool/attempt-control.ts";
import { plainAddress } from "../../net/address.ts";

/** The wire engine over the given sockets. */
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
    accept: (address) => new ClientConnection(context, forwarders, plainAddress(address)),
  });
  context.forwardingCache.listenOn(listener.port);
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

/** As many clients as wanted, if the system has room for them. */
function limitClients(options: EngineOptions): EngineOptions {
  const { maxClients: wanted = Infinity, log } = options;
  const maxClients = maxClientsForOpenFiles();
  if (wanted <= maxClients) return options;
  const why = "the limit on open files";
  if (wanted < Infinity) log.warn("fewer clients than wanted", { wanted, maxClients: maxClients, why });
  return { ...options, maxClients: maxClients };
}

// How many clients' connections the system leaves room for: past its limit on open files nobody is served any more.

/** For what is neither a client nor an upstream: files, the admin side, clients that are turned away. */
const reservedFiles = 128;

/** At most so many are left for connections to upstreams, of which a client needs one at a time, and idle ones none. */
const maxForUpstreams = 4_096;

/** @param limit open files that the process may have; undefined if there is no limit or none is known */
export function maxClientsForOpenFiles(limit = openFilesLimit()): number {
  if (limit === undefined) return Infinity;
  const left = Math.max(0, limit - reservedFiles);
  return Math.max(1, left - Math.min(Math.ceil(left / 2), maxForUpstreams));
}

/** Both runtimes raise it as far as it goes when they start. */
function openFilesLimit(): number | undefined {
  try {
    const limit = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
    return limit ? Number(limit[1]) : undefined;
  } catch {
    return undefined;
  }
}
