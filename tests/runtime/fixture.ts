/** Fixtures of the runtime laws, all on loopback: a served handler, a raw listener, a child process. */

import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Runtime, WebListener, WebOptions } from "../../src/runtime/runtime.ts";

/** Serves while `run` runs; `url` is that of 127.0.0.1, without a trailing slash. */
export async function serving(
  runtime: Runtime,
  options: Partial<WebOptions> & Pick<WebOptions, "handle">,
  run: (url: string, listener: WebListener) => Promise<void>,
): Promise<void> {
  const listener = await runtime.serve({ hostname: "127.0.0.1", port: 0, ...options });
  try {
    await run(`http://127.0.0.1:${listener.port}`, listener);
  } finally {
    listener.close();
  }
}

export interface RawListener {
  readonly port: number;
  readonly url: string;
  close(): Promise<void>;
}

export async function listen(accept: (socket: Socket) => void, host = "127.0.0.1"): Promise<RawListener> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    accept(socket);
  });
  await new Promise<void>((resolve, reject) => server.on("error", reject).listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://${host.includes(":") ? `[${host}]` : host}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** Whether this machine has an IPv6 loopback. */
export async function hasIpv6(): Promise<boolean> {
  const listener = await listen(() => {}, "::1").catch(() => undefined);
  await listener?.close();
  return listener !== undefined;
}

/** Number of sockets to this port of 127.0.0.1 in SYN-SENT; 0 on systems without /proc/net/tcp. */
export function opening(port: number): number {
  if (!existsSync("/proc/net/tcp")) return 0;
  const remote = `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")} 02`;
  return readFileSync("/proc/net/tcp", "utf8").split(remote).length - 1;
}

export interface Child {
  readonly pid: number | undefined;
  /** Rejects with the child's standard error if it ends without a line. */
  readonly firstLine: Promise<string>;
  /** All lines that it has written so far. */
  readonly lines: readonly string[];
  stop(): void;
}

const limitOrProxy = /^(BUN_CONFIG_MAX_HTTP_REQUESTS|(https?|all|no)_proxy)$/i;

/** Starts a program of this folder with the command of the runtime. */
export function startChild(
  runtime: Runtime,
  program: string,
  args: readonly string[],
  added: Readonly<Record<string, string>> = {},
): Child {
  const [command = "", ...options] = [
    ...runtime.selfCommand.slice(0, -1),
    join(import.meta.dirname, program),
  ];
  const inherited = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !limitOrProxy.test(name)),
  );
  const child = spawn(command, [...options, ...args], { env: { ...inherited, ...added } });
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const lines: string[] = [];
  const firstLine = new Promise<string>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => reject(new Error(`${program} ended with ${code}: ${errors}`)));
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(line);
      resolve(line);
    });
  });
  firstLine.catch(() => {});
  return { pid: child.pid, firstLine, lines, stop: () => void child.kill("SIGKILL") };
}
