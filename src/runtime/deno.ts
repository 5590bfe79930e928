/** The runtime on Deno. It declares the Deno types that it uses, because the project is type-checked with those of Bun. */

import { pathToFileURL } from "node:url";

import { get as getPlain } from "node:http";
import { get as getSecure } from "node:https";
import { patientSchedule } from "../lib/clock.ts";
import type { EngineName } from "../config/config.ts";
import type { Engine } from "../engine/engine.ts";
import type { SubrequestSender } from "../filter/subrequest.ts";
import { plainAddress } from "../net/address.ts";
import { listeningDescriptor } from "../net/listening-sockets.ts";
import { childEnvironmentOf } from "./child-environment.ts";
import { parentVariable } from "./parent.ts";
import { passwords } from "./argon2.ts";
import { isFormError, probeLeniently, probeTlsOf } from "./lenient-probe.ts";
import { serveLimited } from "./limited-listener.ts";
import { dial, memorySense, timedOut } from "./node.ts";
import { engineOnDemand, http2OnDemand, senderOnDemand } from "./on-demand.ts";
import { passedByStdio } from "./system-calls.ts";
import { denoSystemCalls } from "./system-calls-deno.ts";
import type { HttpProbe, Runtime, WebListener, WebOptions } from "./runtime.ts";
import { bugResponse, firstProtocol, goingAway, readable, unreadable, wantsEcho } from "./web.ts";

interface DenoServeOptions {
  readonly hostname: string;
  readonly port: number;
  readonly signal: AbortSignal;
  onListen(): void;
  onError(error: unknown): Response;
}

type DenoHandler = (
  request: Request,
  info: { readonly remoteAddr: { readonly hostname: string } },
) => Response | Promise<Response>;

declare const Deno: {
  readonly version: { readonly deno: string };
  listen(options: { readonly hostname: string; readonly port: number }): {
    readonly addr: { readonly hostname: string; readonly port: number };
    close(): void;
  };
  serve(
    options: DenoServeOptions,
    handler: DenoHandler,
  ): { readonly addr: { readonly port: number }; shutdown(): Promise<void> };
  upgradeWebSocket(
    request: Request,
    options: { readonly protocol?: string },
  ): { readonly socket: WebSocket; readonly response: Response };
};

async function serve(options: WebOptions): Promise<WebListener> {
  if (options.limits) return serveLimited(options, options.limits);
  const echoes = new Set<WebSocket>();
  const abort = new AbortController();
  const closed = Promise.withResolvers<void>();
  let drained: Promise<void> | undefined;

  function echo(request: Request): Response {
    const protocol = firstProtocol(request);
    const { socket, response } = Deno.upgradeWebSocket(request, protocol === undefined ? {} : { protocol });
    socket.binaryType = "arraybuffer";
    echoes.add(socket);
    socket.onmessage = ({ data }) => socket.send(data);
    socket.onclose = () => void echoes.delete(socket);
    return response;
  }

  const server = Deno.serve(
    {
      hostname: options.hostname,
      port: options.port,
      signal: abort.signal,
      onListen() {},
      onError: (error) => bugResponse(error, options),
    },
    (received, { remoteAddr }) => {
      const request = readable(received);
      if (!request) return unreadable();
      if (wantsEcho(request, options)) return echo(received);
      return options.handle(request, plainAddress(remoteAddr.hostname));
    },
  );
  return {
    port: server.addr.port,
    drain() {
      drained ??= Promise.race([server.shutdown(), closed.promise]);
      for (const socket of echoes) socket.close(goingAway);
      return drained;
    },
    close() {
      // Deno throws an error that cannot be caught if a server is aborted while it is shutting down.
      if (drained) return closed.resolve();
      drained = closed.promise;
      closed.resolve();
      abort.abort();
    },
  };
}

function probeHttp(probe: HttpProbe): Promise<number> {
  const { url, timeoutMs, headers } = probe;
  const secure = probeTlsOf(probe);
  if (probe.greeting) return probeLeniently(probe, secure);
  return new Promise((resolve, reject) => {
    const read = url.startsWith("https:") ? getSecure : getPlain;
    const request = read(url, { ...secure, agent: false, headers: { ...headers, connection: "close" } });
    const cancel = patientSchedule(timeoutMs, () => {
      reject(timedOut(`read ${url}`, timeoutMs));
      request.destroy();
    });
    request.on("response", (response) => {
      cancel();
      resolve(response.statusCode ?? 0);
      response.destroy();
    });
    request.on("error", (error) => {
      cancel();
      if (isFormError(error)) resolve(probeLeniently(probe, secure));
      else reject(error);
    });
  });
}

const selfCommand = [process.execPath, "run", "-A", "--unstable-net", process.argv[1] ?? ""];

export const runtime: Runtime = {
  name: "deno",
  version: Deno.version.deno,
  pid: process.pid,
  serve,
  dial,
  probeHttp,
  requestHttp2: http2OnDemand(async () => {
    const [{ http2RequesterOn }, { nodeSockets }] = await Promise.all([
      import("./http2-request.ts"),
      import("../engine/wire/node.ts"),
    ]);
    return http2RequesterOn(nodeSockets);
  }),
  readsSources: true,
  // The name "evenkeel" is in the import map, deno.json.
  importExtension: (path) => import(pathToFileURL(path).href),
  serving() {},
  memory: memorySense(),
  systemCalls: denoSystemCalls,
  passDescriptors(descriptors, start) {
    const calls = denoSystemCalls();
    if (!calls) return start(passedByStdio(descriptors));
    // Deno makes entries of `stdio` blocking, in this process too: it would wait for a connection that another one took.
    for (const fd of descriptors) calls.share(fd);
    try {
      return start({ stdio: [], numbers: descriptors });
    } finally {
      for (const fd of descriptors) calls.protect(fd);
    }
  },
  async holdSocket(hostname, port) {
    const calls = denoSystemCalls();
    if (!calls) return undefined;
    // Not for sharing, which ends a Deno without --unstable-net: all workers then accept from this one.
    const listener = Deno.listen({ hostname: hostname.replace(/^\[(.*)\]$/, "$1"), port });
    const bound = listener.addr.port;
    // Its own address, because the given one may be a name.
    const fd = calls.duplicate(listeningDescriptor(listener.addr.hostname, bound) ?? -1);
    listener.close();
    return fd < 0 ? undefined : { fd, port: bound };
  },
  passwords,
  selfCommand,
  workerCommand: selfCommand,
  childEnvironment: (traces) => childEnvironmentOf(process.env, traces),
  successorEnvironment: (own) => ({ ...own, ...parentVariable() }),
};

/** Sends requests of the balancer itself. */
export function openSender(): SubrequestSender {
  return senderOnDemand(async () => (await import("../engine/fetch/deno.ts")).openSender());
}

/** The engines of this runtime. */
export const engines: Readonly<Record<EngineName, Engine>> = {
  fetch: engineOnDemand("fetch", async () => (await import("../engine/fetch/deno.ts")).fetchEngine),
  wire: engineOnDemand("wire", async () => (await import("../engine/wire/node.ts")).wireEngine),
};
