/** The runtime on Bun: the default, and the one in the compiled executable. */

import { defaultCost } from "../access/password-hash.ts";
import { isBcrypt, maxBcryptBytes } from "../access/user-hash.ts";
import { plainAddress, tlsClientOptions } from "../net/address.ts";
import type { EngineName } from "../config/config.ts";
import type { Engine } from "../engine/engine.ts";
import * as extensionApi from "../extension/api.ts";
import type { SubrequestSender } from "../filter/subrequest.ts";
import { patientSchedule } from "../lib/clock.ts";
import { childEnvironmentOf } from "./child-environment.ts";
import { executablePath } from "./executable-path.ts";
import { isFormError, probeLeniently, probeTlsOf } from "./lenient-probe.ts";
import { serveLimited } from "./limited-listener.ts";
import { dial, memorySense, timedOut } from "./node.ts";
import { passedByStdio } from "./system-calls.ts";
import { bunSystemCalls } from "./system-calls-bun.ts";
import { type ServeHttp3, withHttp3 } from "./http3.ts";
import { liftedLimit } from "./fetch-limit.ts";
import { engineOnDemand, http2OnDemand, senderOnDemand } from "./on-demand.ts";
import { parentVariable } from "./parent.ts";
import type { HttpProbe, Passwords, Runtime, WebListener, WebOptions } from "./runtime.ts";
import { bugResponse, firstProtocol, goingAway, hostOf, readable, unreadable, wantsEcho } from "./web.ts";

async function serve(options: WebOptions): Promise<WebListener> {
  if (options.limits) return serveLimited(options, options.limits);
  const echoes = new Set<Bun.ServerWebSocket<undefined>>();
  const server = Bun.serve({
    hostname: options.hostname,
    port: options.port,
    development: false,
    // Outside development mode Bun would share a port that is in use, instead of failing with EADDRINUSE.
    reusePort: false,
    // By default Bun closes quiet event streams after ten seconds and rejects uploads above 128 MB.
    idleTimeout: 0,
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    fetch(received, server) {
      const request = readable(received);
      if (!request) return unreadable();
      if (wantsEcho(request, options)) {
        const protocol = firstProtocol(request);
        const chosen = protocol === undefined ? {} : { headers: { "Sec-WebSocket-Protocol": protocol } };
        if (server.upgrade(received, chosen)) return undefined;
      }
      return options.handle(request, plainAddress(server.requestIP(received)?.address ?? ""));
    },
    error: (error) => bugResponse(error, options),
    websocket: {
      data: undefined,
      open: (socket) => void echoes.add(socket),
      message(socket, message) {
        // Bun drops messages that do not fit its send buffer: stop reading from a client that does not read.
        if (socket.send(message) < 0) socket.pause();
      },
      drain: (socket) => socket.resume(),
      close: (socket) => void echoes.delete(socket),
    },
  });
  return {
    port: server.port ?? options.port,
    drain() {
      const drained = server.stop();
      for (const socket of echoes) socket.close(goingAway);
      return drained;
    },
    close: () => void server.stop(true),
  };
}

/** Addresses to which a connect of Bun has exceeded its timeout and still hangs. */
const hanging = new Set<string>();

/** Bun cannot cancel a connect. While one hangs, dials to the same address use `node:net`, which can, and is slower. */
function dialFast(hostname: string, port: number, timeoutMs: number, greeting?: Uint8Array): Promise<void> {
  const address = `${hostname}:${port}`;
  if (greeting || hanging.has(address)) return dial(hostname, port, timeoutMs, greeting);
  return new Promise((resolve, reject) => {
    const cancel = patientSchedule(timeoutMs, () => {
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

/** A session without keep-alive: a probe must open a new connection, because an old one may still work when new ones fail. */
const probes = new Bun.FetchSession({ proxy: false, keepAlive: false });

async function probeHttp(probe: HttpProbe): Promise<number> {
  const { url, timeoutMs, headers, tls } = probe;
  if (probe.greeting) return probeLeniently(probe, probeTlsOf(probe));
  const stop = new AbortController();
  const cancel = patientSchedule(timeoutMs, () => stop.abort(timedOut(`read ${url}`, timeoutMs)));
  try {
    const response = await probes.fetch(url, {
      headers: { ...headers, connection: "close" },
      redirect: "manual",
      decompress: false,
      tls: { serverName: tls?.serverName ?? hostOf(url), ...tlsClientOptions(tls) },
      signal: stop.signal,
    });
    await response.body?.cancel();
    return response.status;
  } catch (error) {
    if (isFormError(error)) return probeLeniently(probe, probeTlsOf(probe));
    throw error;
  } finally {
    cancel();
  }
}

const passwords: Passwords = {
  hash: (password) =>
    Bun.password.hash(password, {
      algorithm: "argon2id",
      memoryCost: defaultCost.memoryKib,
      timeCost: defaultCost.passes,
    }),
  verify: (password, hash) =>
    isBcrypt(hash)
      ? // Bun digests longer passwords first, as no other program does.
        Bun.password.verify(Buffer.from(password).subarray(0, maxBcryptBytes), hash, "bcrypt")
      : Bun.password.verify(password, hash, "argon2id"),
};

let hasModule = false;

/** The name "evenkeel" leads to this program's own module, also in the executable and for files in any folder. */
async function importExtension(path: string): Promise<unknown> {
  if (!hasModule) {
    hasModule = true;
    Bun.plugin({
      name: "evenkeel",
      setup: (build) => void build.module("evenkeel", () => ({ loader: "object", exports: extensionApi })),
    });
  }
  return import(path);
}

const selfCommand: readonly string[] = Bun.isStandaloneExecutable
  ? [executablePath(process.execPath, process.argv0, process.env["PATH"])]
  : [process.execPath, process.argv[1] ?? ""];

export const runtime: Runtime = {
  name: "bun",
  version: Bun.version,
  pid: process.pid,
  serve,
  dial: dialFast,
  probeHttp,
  requestHttp2: http2OnDemand(async () => {
    const [{ http2RequesterOn }, { bunSockets }] = await Promise.all([
      import("./http2-request.ts"),
      import("../engine/wire/bun.ts"),
    ]);
    return http2RequesterOn(bunSockets());
  }),
  importExtension,
  serving: () => Bun.unsafe.setJITPolicy(1),
  memory: memorySense(() => Bun.gc(true)),
  systemCalls: bunSystemCalls,
  passDescriptors: (descriptors, start) => start(passedByStdio(descriptors)),
  async holdSocket(hostname, port) {
    const calls = bunSystemCalls();
    if (!calls) return undefined;
    // Nothing is accepted between these calls, because the event loop does not turn.
    const listener = Bun.listen({ hostname, port, reusePort: true, socket: { data() {} } } as {
      readonly hostname: string;
      readonly port: number;
      readonly socket: Bun.SocketHandler;
    });
    const fd = calls.duplicate((listener as { readonly fd?: number }).fd ?? -1);
    const bound = listener.port;
    listener.stop(true);
    return fd < 0 ? undefined : { fd, port: bound };
  },
  passwords,
  readsSources: !Bun.isStandaloneExecutable,
  selfCommand,
  // The executable on disk may be another version by now, which does not understand this process's messages.
  workerCommand:
    Bun.isStandaloneExecutable && process.platform === "linux" ? ["/proc/self/exe"] : selfCommand,
  childEnvironment: (traces) => childEnvironmentOf({ ...liftedLimit, ...process.env }, traces),
  successorEnvironment: (own) => ({ ...liftedLimit, ...own, ...parentVariable() }),
};

/** Sends requests of the balancer itself. */
export function openSender(): SubrequestSender {
  return senderOnDemand(async () => (await import("../engine/fetch/bun.ts")).openSender());
}

/** The engines of this runtime. */
export const engines: Readonly<Record<EngineName, Engine>> = {
  fetch: withHttp3(
    engineOnDemand("fetch", async () => (await import("../engine/fetch/bun.ts")).fetchEngine),
    loadHttp3,
  ),
  wire: withHttp3(
    engineOnDemand("wire", async () => (await import("../engine/wire/bun.ts")).wireEngine),
    loadHttp3,
  ),
};

async function loadHttp3(): Promise<ServeHttp3> {
  return (await import("../engine/fetch/http3.ts")).serveHttp3;
}
