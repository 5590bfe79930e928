/** HTTP/3 on Bun: one server on a UDP port, beside a listener of any engine on the TCP port of the same number. Experimental. */

import type { Server } from "bun";

import { sleep } from "../../lib/clock.ts";
import type { EngineListener, EngineOptions, ListenerOptions } from "../engine.ts";
import { activeIn, drain, serve, startSharing } from "./bun.ts";
import type { WebSocketTunnel } from "./websocket-tunnel.ts";

/** How long requests may delay a server with new certificates. */
const maxReplaceMs = 5_000;

export type Http3Server = Pick<EngineListener, "active" | "drain" | "close">;

/**
 * Throws if the port is not available. While there is no certificate, it does not listen.
 * ```
 *  serving ──certificates change──▶ requests finish, 5 s at most ──▶ serving with the new ones
 * ```
 * Bun gives a running server no other certificates, and only one socket a UDP port: meanwhile clients use TCP.
 */
export function serveHttp3(listener: ListenerOptions, options: EngineOptions): Http3Server {
  const { shared, close, drainAll } = startSharing(options);
  const { tls } = listener;
  if (!tls) throw new Error("Cannot serve HTTP/3: it needs TLS");
  const open = () => (tls.all.length > 0 ? serve(listener, shared, true) : undefined);
  let server = open();
  let isEnding = false;
  let replacing: Promise<void> | undefined;
  const replace = async () => {
    if (server) await stopWithin(server, maxReplaceMs);
    server = undefined;
    if (!isEnding) server = open();
  };
  const end = () => {
    isEnding = true;
    unfollow();
  };
  const unfollow = tls.onChange(() => {
    const last = replacing ?? Promise.resolve();
    replacing = last.then(replace).catch((error: unknown) => shared.log.bug(error, ""));
  });
  return {
    active: () => (server ? activeIn(server) : 0),
    drain() {
      end();
      return drainAll(async () => {
        await replacing;
        if (server) await drain(server);
      });
    },
    close() {
      end();
      close(() => void server?.stop(true));
    },
  };
}

/** Lets the requests in flight finish for so long. */
async function stopWithin(server: Server<WebSocketTunnel>, limitMs: number): Promise<void> {
  await Promise.race([drain(server), sleep(limitMs)]);
  await server.stop(true);
}
