/** The clients of a soak test, at a steady pace: GETs, POSTs, WebSockets, slow readers, and early disconnects. */

import { connect } from "node:net";

import { sleep } from "../../src/lib/clock.ts";
import type { Cluster } from "./cluster.ts";
import { cutBody, getOverHttp2, getOverTls, readWhole } from "./secure-clients.ts";

/** Results of one kind of clients. */
export interface ClientStats {
  done: number;
  /** Counts by error message. */
  readonly failures: Map<string, number>;
}

export class Traffic {
  readonly #port: number;
  readonly stats = new Map<string, ClientStats>();
  readonly #running: Promise<void>[] = [];
  #isRunning = true;

  constructor({ port, securePort, isWire }: Pick<Cluster, "port" | "securePort" | "isWire">) {
    this.#port = port;
    const url = `http://127.0.0.1:${port}`;
    this.#clients("GET", 16, () => fetchOnce(`${url}/work?ms=10`));
    this.#clients("GET, 100 KB", 2, () => fetchOnce(`${url}/work?bytes=100000&ms=1`));
    this.#clients("GET, TLS", 4, () => getOverTls(securePort));
    if (isWire) this.#clients("GET, HTTP/2", 4, () => getOverHttp2(securePort));
    this.#clients("POST", 4, () => fetchOnce(`${url}/work?ms=10`, "x".repeat(500)));
    this.#clients("POST, 200 KB", 1, () => fetchOnce(`${url}/work?ms=10`, "x".repeat(200_000)));
    this.#clients("WebSocket", 8, () => echoTenTimes(`ws://127.0.0.1:${port}/ws`));
    this.#clients("slow reader", 2, () => this.#readSlowly());
    this.#clients("early close", 4, () => this.#disconnectEarly());
  }

  /** GETs that got no response with status 200: the balancer retries what a fault of a server takes. */
  get failedGets(): number {
    return this.#countGets((what) => what !== cutBody);
  }

  /** GETs whose response broke off: a server died within its body, of which the client has a part already. */
  get cutGets(): number {
    return this.#countGets((what) => what === cutBody);
  }

  #countGets(counts: (what: string) => boolean): number {
    const gets = [...this.stats].filter(([kind]) => kind.startsWith("GET"));
    const failures = gets.flatMap(([, { failures }]) => [...failures]);
    return failures.reduce((sum, [what, count]) => sum + (counts(what) ? count : 0), 0);
  }

  async stop(): Promise<void> {
    this.#isRunning = false;
    await Promise.all(this.#running);
  }

  /** Starts clients of one kind; each continues after a pause, also after a failure. */
  #clients(kind: string, count: number, run: () => Promise<void>): void {
    const stats: ClientStats = { done: 0, failures: new Map() };
    this.stats.set(kind, stats);
    const client = async () => {
      while (this.#isRunning) {
        try {
          await run();
          stats.done += 1;
        } catch (error) {
          const what = error instanceof Error ? error.message : String(error);
          stats.failures.set(what, (stats.failures.get(what) ?? 0) + 1);
        }
        await sleep(pauseMs);
      }
    };
    for (let i = 0; i < count; i++) this.#running.push(client());
  }

  /** Reads a megabyte in small pieces. */
  #readSlowly(): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.#port, "127.0.0.1");
      let [length, expected, tail] = [0, Infinity, ""];
      socket.on("error", reject);
      socket.on("data", (bytes: Buffer) => {
        if (length === 0) {
          const head = bytes.toString("latin1").split("\r\n\r\n", 1)[0] ?? "";
          // Without framing the end of the connection is the end of the response.
          const isChunked = /^transfer-encoding:/im.test(head);
          const bodyLength = /^content-length: (\d+)/im.exec(head)?.[1] ?? (isChunked ? Infinity : 0);
          expected = head.length + 4 + Number(bodyLength);
        }
        length += bytes.length;
        tail = (tail + bytes.subarray(-5).toString("latin1")).slice(-5);
        socket.pause();
        setTimeout(() => socket.resume(), 10);
      });
      socket.on("close", () =>
        length >= expected || tail === "0\r\n\r\n"
          ? resolve()
          : reject(new Error(`truncated after ${length > 0 ? "a part" : "no byte"}`)),
      );
      socket.write("GET /work?bytes=1000000&ms=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    });
  }

  /** Disconnects before the response, or in the middle of a request. */
  #disconnectEarly(): Promise<void> {
    return new Promise((resolve) => {
      const socket = connect(this.#port, "127.0.0.1");
      const half = "POST /work HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf";
      const whole = "GET /work?ms=200 HTTP/1.1\r\nHost: a\r\n\r\n";
      socket.on("error", () => {});
      socket.on("close", () => resolve());
      socket.write(Math.random() < 0.5 ? half : whole);
      setTimeout(() => (Math.random() < 0.5 ? socket.destroy() : socket.resetAndDestroy()), 30);
    });
  }
}

const pauseMs = 15;

async function fetchOnce(url: string, body?: string): Promise<void> {
  await readWhole(await fetch(url, body === undefined ? {} : { method: "POST", body }));
}

/** Opens a WebSocket, has ten messages echoed, and closes. */
function echoTenTimes(url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    let echoes = 0;
    const message = "something ".repeat(50);
    socket.addEventListener("open", () => socket.send(message));
    socket.addEventListener("message", () => {
      echoes += 1;
      if (echoes === 10) socket.close();
      else setTimeout(() => socket.readyState === WebSocket.OPEN && socket.send(message), 20);
    });
    socket.addEventListener("error", () => reject(new Error("handshake or connection failed")));
    socket.addEventListener("close", () => (echoes === 10 ? resolve() : reject(new Error("closed early"))));
  });
}
