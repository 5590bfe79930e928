/** The runtime seam on Bun: the default, and what the executable is made with. */

import { defaultCost } from "../access/password-hash.ts";
import { plainAddress } from "../net/address.ts";
import type { EngineName } from "../config/config.ts";
import type { Engine } from "../engine/engine.ts";
import { fetchEngine } from "../engine/fetch/bun.ts";
import { wireEngine } from "../engine/wire/bun.ts";
import { systemSchedule } from "../lib/clock.ts";
import { dial, memorySense, timedOut } from "./node.ts";
import { liftedLimit } from "./fetch-limit.ts";
import type { HttpProbe, Passwords, Runtime, WebListener, WebOptions } from "./runtime.ts";
import { bugResponse, firstProtocol, goingAway, hostOf, readable, unreadable, wantsEcho } from "./web.ts";

async function serve(setting: WebOptions): Promise<WebListener> {
  const echoes = new Set<Bun.ServerWebSocket<undefined>>();
  const server = Bun.serve({
    hostname: setting.hostname,
    port: setting.port,
    development: false,
    // Without development Bun would share the port with whoever has it already, instead of saying that it is taken.
    reusePort: false,
    // Bun would cut quiet event streams after ten seconds, and refuse uploads above 128 MB.
    idleTimeout: 0,
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    fetch(received, server) {
      const request = readable(received);
      if (!request) return unreadable();
      if (wantsEcho(request, setting)) {
        const protocol = firstProtocol(request);
        const chosen = protocol === undefined ? {} : { headers: { "Sec-WebSocket-Protocol": protocol } };
        if (server.upgrade(received, chosen)) return undefined;
      }
      return setting.handle(request, plainAddress(server.requestIP(received)?.address ?? ""));
    },
    error: (error) => bugResponse(error, setting),
    websocket: {
      data: undefined,
      open: (socket) => void echoes.add(socket),
      message(socket, message) {
        // Bun drops what does not fit its send buffer: whoever does not read is not read from.
        if (socket.send(message) < 0) socket.pause();
      },
      drain: (socket) => socket.resume(),
      close: (socket) => void echoes.delete(socket),
    },
  });
  return {
    port: server.port ?? setting.port,
    drain() {
      const drained = server.stop();
      for (const socket of echoes) socket.close(goingAway);
      return drained;
    },
    close: () => void server.stop(true),
  };
}

/** Where a connect of Bun's has taken longer than it may. */
const hanging = new Set<string>();

/** Bun cannot give a connect up: while one hangs, those to the same address go another way, which can, and costs more. */
function dialCheaply(hostname: string, port: number, timeoutMs: number): Promise<void> {
  const address = `${hostname}:${port}`;
  if (hanging.has(address)) return dial(hostname, port, timeoutMs);
  return new Promise((resolve, reject) => {
    const cancel = systemSchedule(timeoutMs, () => {
      hanging.add(address);
      reject(timedOut(`connect to ${address}`, timeoutMs));
    });
    Bun.connect({
      hostname: hostname.replace(/^\[(.*)\]$/, "$1"),
      port,
      socket: { open: (socket) => socket.terminate(), data() {}, error() {}, connectError() {} },
    })
      .then(() => resolve(), reject)
      .finally(() => {
        cancel();
        hanging.delete(address);
      });
  });
}

/** Connections of its own, which end with each answer: a probe must not find out that an old connection still works. */
const probes = new Bun.FetchSession({ proxy: false, keepAlive: false });

async function probeHttp({ url, timeoutMs, headers, tls }: HttpProbe): Promise<number> {
  const { ca, serverName = hostOf(url), verify = true } = tls ?? {};
  try {
    const response = await probes.fetch(url, {
      headers: { ...headers, connection: "close" },
      redirect: "manual",
      decompress: false,
      tls: { serverName, rejectUnauthorized: verify, ...(ca !== undefined && { ca }) },
      signal: AbortSignal.timeout(timeoutMs),
    });
    await response.body?.cancel();
    return response.status;
  } catch (error) {
    throw error instanceof DOMException && error.name === "TimeoutError"
      ? timedOut(`read ${url}`, timeoutMs)
      : error;
  }
}

const passwords: Passwords = {
  hash: (password) =>
    Bun.password.hash(password, {
      algorithm: "argon2id",
      memoryCost: defaultCost.memoryKib,
      timeCost: defaultCost.passes,
    }),
  verify: (password, hash) => Bun.password.verify(password, hash, "argon2id"),
};

export const runtime: Runtime = {
  name: "bun",
  version: Bun.version,
  serve,
  dial: dialCheaply,
  probeHttp,
  memory: memorySense(() => Bun.gc(true)),
  passwords,
  selfCommand: Bun.isStandaloneExecutable ? [process.execPath] : [process.execPath, process.argv[1] ?? ""],
  workerEnvironment: { ...liftedLimit, ...process.env },
};

/** The data planes that this runtime has. */
export const engines: Readonly<Record<EngineName, Engine>> = { fetch: fetchEngine, wire: wireEngine };
