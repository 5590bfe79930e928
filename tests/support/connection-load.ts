/** Clients on raw sockets that tell apart what a lost connection is: refused, reset, or closed without a response. */

import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

import { untilTime } from "./wait.ts";

export interface ConnectionLoad {
  /** Connections that were opened for one request. */
  readonly fresh: number;
  /** Requests on connections that are kept. */
  readonly kept: number;
  /** What was lost, with the number of times. Empty if nothing was. */
  readonly lost: ReadonlyMap<string, number>;
  stop(): Promise<void>;
}

export interface ConnectionLoadOptions {
  readonly port: number;
  readonly hostname?: string;
  /** Clients that open a connection for each request. */
  readonly freshClients: number;
  /** Clients that keep their connection as long as the server does. */
  readonly keptClients: number;
  readonly isSecure?: boolean;
  readonly path?: string;
  /** Bytes in front of each connection: a PROXY header. */
  readonly greeting?: string;
  /** Milliseconds between the starts of two requests of a client; 0 for as many as the machine allows. */
  readonly everyMs?: number;
}

export function startConnectionLoad(options: ConnectionLoadOptions): ConnectionLoad {
  const {
    port,
    hostname = "127.0.0.1",
    freshClients,
    keptClients,
    isSecure = false,
    path = "/",
    everyMs = 20,
  } = options;
  const lost = new Map<string, number>();
  const lose = (what: string) => lost.set(what, (lost.get(what) ?? 0) + 1);
  const counts = { fresh: 0, kept: 0 };
  let isRunning = true;

  const open = (): Socket => {
    const address = { host: hostname, port };
    const socket = isSecure
      ? connectTls({ ...address, rejectUnauthorized: false, servername: "localhost" })
      : connect({ ...address, noDelay: true });
    if (options.greeting) socket.write(options.greeting);
    return socket;
  };

  /** @returns whether the server keeps the connection; undefined if there was no complete response */
  const ask = (socket: Socket, connection: "close" | "keep-alive"): Promise<boolean | undefined> =>
    new Promise((resolve) => {
      let text = "";
      const done = (result: boolean | undefined, what = "") => {
        socket.removeAllListeners();
        socket.on("error", () => {});
        if (what !== "") lose(what);
        resolve(result);
      };
      socket.on("data", (chunk: Buffer) => {
        text += chunk.toString("latin1");
        const end = text.indexOf("\r\n\r\n");
        const length = /^content-length: *(\d+)/im.exec(text)?.[1];
        if (end < 0 || length === undefined || text.length < end + 4 + Number(length)) return;
        if (!text.startsWith("HTTP/1.1 200")) return done(undefined, text.slice(0, 30));
        done(!/^connection: *close/im.test(text.slice(0, end)));
      });
      socket.on("error", (error) => done(undefined, "code" in error ? String(error.code) : error.message));
      socket.on("close", () => done(undefined, `closed after ${text.length} bytes (${connection})`));
      socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: ${connection}\r\n\r\n`);
    });

  /** Starts at a different time in each client. */
  const pace = (index: number) => {
    let nextAt = performance.now() + (everyMs * index) / (freshClients + keptClients);
    return async () => {
      if (everyMs === 0) return;
      await untilTime(nextAt);
      nextAt = Math.max(nextAt + everyMs, performance.now());
    };
  };
  const fresh = async (_: unknown, index: number) => {
    const next = pace(index);
    while (isRunning) {
      await next();
      const socket = open();
      counts.fresh += 1;
      await ask(socket, "close");
      socket.destroy();
    }
  };
  const kept = async (_: unknown, index: number) => {
    const next = pace(freshClients + index);
    while (isRunning) {
      const socket = open();
      let isOpen: boolean | undefined = true;
      while (isRunning && isOpen) {
        await next();
        counts.kept += 1;
        isOpen = await ask(socket, "keep-alive");
      }
      socket.destroy();
    }
  };
  const running = [
    ...Array.from({ length: freshClients }, fresh),
    ...Array.from({ length: keptClients }, kept),
  ];
  return {
    get fresh() {
      return counts.fresh;
    },
    get kept() {
      return counts.kept;
    },
    lost,
    async stop() {
      isRunning = false;
      await Promise.all(running);
    },
  };
}
