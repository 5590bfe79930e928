/** Starts the gRPC client and server on Node, bundled, since Node does not read the sources. */

import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Subprocess } from "bun";

import type { EchoCounts } from "./echo-service.ts";

const cache = join(import.meta.dirname, "../../../node_modules/.cache/evenkeel-grpc");

let built: Promise<string> | undefined;

/** Path of the program, which is named for its content: test processes may write it at the same time. */
function program(): Promise<string> {
  return (built ??= (async () => {
    const entrypoints = [join(import.meta.dirname, "peer.ts")];
    const { success, logs, outputs } = await Bun.build({ entrypoints, target: "node", format: "esm" });
    const [bundle] = outputs;
    if (!success || !bundle) throw new AggregateError(logs, "Cannot build the gRPC peer");
    const text = await bundle.text();
    const path = join(cache, `${Bun.hash(text).toString(16)}.mjs`);
    if (existsSync(path)) return path;
    mkdirSync(cache, { recursive: true });
    writeFileSync(`${path}.${process.pid}`, text);
    renameSync(`${path}.${process.pid}`, path);
    return path;
  })());
}

/** Node keeps the compiled code of the program: each start would compile the library again. */
const env = { ...process.env, GRPC_PROTOS: import.meta.dirname, NODE_COMPILE_CACHE: join(cache, "compiled") };

type Peer = Subprocess<"pipe", "pipe", "inherit">;

async function start(...args: readonly string[]): Promise<Peer> {
  const command = ["node", await program(), ...args];
  return Bun.spawn(command, { stdin: "pipe", stdout: "pipe", stderr: "inherit", env });
}

export interface GrpcServerProcess {
  readonly port: number;
  counts(): Promise<EchoCounts>;
  close(): Promise<void>;
}

/** @param files paths of the certificate and the key, for TLS */
export async function startGrpcServer(files: readonly string[] = []): Promise<GrpcServerProcess> {
  const peer = await start("server", ...files);
  const lines = linesOf(peer.stdout);
  const next = async () => (await lines.next()).value ?? "";
  return {
    port: Number(await next()),
    async counts() {
      peer.stdin.write("counts\n");
      await peer.stdin.flush();
      return JSON.parse(await next()) as EchoCounts;
    },
    async close() {
      peer.kill();
      await peer.exited;
    },
  };
}

/** Makes one call. @returns its code and details */
export async function callGrpc(
  port: number,
  method: "Unary" | "Wait",
  { number = 0, bytes = 0 }: { readonly number?: number; readonly bytes?: number } = {},
): Promise<readonly unknown[]> {
  return (await outputOf(
    await start("call", String(port), method, String(number), String(bytes)),
  )) as readonly unknown[];
}

async function outputOf(peer: Peer): Promise<unknown> {
  try {
    return JSON.parse(await new Response(peer.stdout).text());
  } finally {
    peer.kill();
    await peer.exited;
  }
}

/** Runs all calls against this port. @param files path of the authority's certificate, and the server's name, for TLS */
export async function runGrpcClient(
  port: number,
  files: readonly string[] = [],
): Promise<Readonly<Record<string, unknown>>> {
  return (await outputOf(await start("client", String(port), ...files))) as Readonly<Record<string, unknown>>;
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    yield* lines;
  }
}
