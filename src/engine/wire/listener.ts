/** The wire engine over a runtime's sockets: listens, and assembles the parts that serve its connections. */

import { systemClock, systemSchedule } from "../../lib/clock.ts";
import { systemRandom } from "../../lib/random.ts";
import { plainAddress } from "../../net/address.ts";
import { abortAttempts } from "../../pool/attempt-control.ts";
import { type Engine, type EngineListener, type EngineOptions, guardedLog } from "../engine.ts";
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
  const options = { ...requested, log: guardedLog(requested.log) };
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
