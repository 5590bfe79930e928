/** The memory that a slow transfer of a gigabyte costs, in either direction: the engine must not buffer it. */

import { beforeAll, describe, expect, test } from "bun:test";

import { Program } from "../../support/program.ts";
import { until } from "../../support/wait.ts";
import { queuedAt } from "./in-flight.ts";

const gigabyte = 1024 ** 3;
const megabyte = 1024 ** 2;
const piece = Buffer.alloc(256 * 1024, "x");

/** One end of a connection: counts the bytes that the system took and delivered; stops reading after `stopsAfter`. */
class End {
  sent = 0;
  received = 0;
  #left = 0;
  #socket: Bun.Socket<End> | undefined;
  readonly #stopsAfter: number;
  readonly #onHead: ((end: End) => void) | undefined;

  constructor(stopsAfter: number, onHead?: (end: End) => void) {
    this.#stopsAfter = stopsAfter;
    this.#onHead = onHead;
  }

  static readonly handlers: Bun.SocketHandler<End> = {
    open: (socket) => void (socket.data.#socket = socket),
    drain: (socket) => socket.data.#pour(),
    data(socket, chunk) {
      const end = socket.data;
      end.received += chunk.length;
      if (end.received > end.#stopsAfter) socket.pause();
      if (chunk.toString("latin1", 0, 4) === "GET ") end.#onHead?.(end);
    },
    error() {},
  };

  /** Sends a head and as much of a body as is taken. */
  send(head: string, bodyBytes: number): void {
    this.sent += this.#socket?.write(head) ?? 0;
    this.#left = bodyBytes;
    this.#pour();
  }

  #pour(): void {
    while (this.#left > 0) {
      const length = Math.min(piece.length, this.#left);
      const taken = Math.max(0, this.#socket?.write(piece, 0, length) ?? 0);
      this.#left -= taken;
      this.sent += taken;
      if (taken < length) return;
    }
  }
}

interface Fixture {
  /** Opens `count` clients, to which the origin responds with `onHead`. */
  open(count: number, stopsAfter: number): Promise<readonly End[]>;
  readonly origins: readonly End[];
  /** Bytes that the engine itself holds: sent by one end, and neither received by the other nor in the kernel. */
  held(): number;
  /** Memory of the engine's process: resident on Bun, in use on Deno. */
  memory(): Promise<number>;
}

async function scene(
  command: readonly string[],
  origin: { stopsAfter: number; onHead: (end: End) => void },
  play: (scene: Fixture) => Promise<void>,
): Promise<void> {
  const [clients, origins]: [End[], End[]] = [[], []];
  const listener = Bun.listen<End>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      ...End.handlers,
      open(socket) {
        socket.data = new End(origin.stopsAfter, origin.onHead);
        origins.push(socket.data);
        End.handlers.open?.(socket);
      },
    },
  });
  const messages: number[] = [];
  const child = Bun.spawn([...command, `${import.meta.dirname}/separate-process.ts`, String(listener.port)], {
    ipc: (message) => void messages.push(Number(message)),
    serialization: "json",
    stderr: "inherit",
  });
  const next = async () => {
    await until(() => messages.length > 0, "a message of the engine", 20_000);
    return messages.shift() ?? 0;
  };
  const opened: Bun.Socket<End>[] = [];
  try {
    const port = await next();
    await play({
      origins,
      async open(count, stopsAfter) {
        const made = Array.from({ length: count }, () => new End(stopsAfter));
        for (const data of made) {
          opened.push(await Bun.connect<End>({ hostname: "127.0.0.1", port, data, socket: End.handlers }));
        }
        clients.push(...made);
        return made;
      },
      held() {
        const flow = [...clients, ...origins].reduce((sum, end) => sum + end.sent - end.received, 0);
        return flow - queuedAt(port) - queuedAt(listener.port);
      },
      memory() {
        child.send("memory");
        return next();
      },
    });
  } finally {
    for (const socket of opened) socket.terminate();
    listener.stop(true);
    child.kill();
    await child.exited;
  }
}

/** Resolves when no byte has moved for a while. */
async function standstill(ends: readonly End[]): Promise<void> {
  const sum = () => ends.reduce((all, { sent, received }) => all + sent + received, 0);
  let [last, since] = [-1, 0];
  await until(
    () => {
      const now = sum();
      if (now !== last) [last, since] = [now, performance.now()];
      return now > 0 && performance.now() - since > 400;
    },
    "the bytes to stop moving",
    20_000,
  );
}

/** Transfers at a time. More than one, because a process takes memory from the system in large pieces. */
const together = 16;

/** Deno is no dependency: npx downloads it, or its tests are skipped. */
async function denoCommand(): Promise<readonly string[] | undefined> {
  const denoPackage = "deno@2.9.6";
  const find = new Program(["npx", "--yes", denoPackage, "eval", "console.log(Deno.execPath())"]);
  await find.exited;
  const path = find.stdout.trim();
  if (!path) console.warn(`skipped: ${denoPackage} is not available here`);
  return path ? [path, "run", "-A", "--v8-flags=--expose-gc"] : undefined;
}
/** Tolerance for the headers that we add. */
const headBytes = 4_096;

for (const runtime of ["Bun", "Deno"] as const) {
  describe(`on the sockets of ${runtime}`, () => {
    let command: readonly string[] | undefined = [process.execPath];
    beforeAll(async () => {
      if (runtime === "Deno") command = await denoCommand();
    }, 120_000);
    const getBytes = (bytes: number) => `HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\n`;
    const post = (bytes: number) => `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${bytes}\r\n\r\n`;

    test("a download of 1 GB by a client that stops reading costs less than 1 MB", () => {
      let body = 64 * megabyte;
      const origin = { stopsAfter: Infinity, onHead: (end: End) => end.send(getBytes(body), body) };
      if (!command) return;
      return scene(command, origin, async ({ open, origins, held, memory }) => {
        // The first client keeps reading: memory that every download needs is not a cost of a slow client.
        const [quick] = await open(1, Infinity);
        quick?.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0);
        await until(() => (quick?.received ?? 0) > body, "a quick download", 20_000);
        body = gigabyte;
        const before = await memory();
        const slow = await open(1, 65_536);
        slow[0]?.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0);
        await standstill(slow.concat(origins));
        expect(slow[0]?.received).toBeGreaterThan(65_536);
        expect(held()).toBeLessThan(megabyte + headBytes);
        const more = await open(together - 1, 65_536);
        for (const client of more) client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0);
        await standstill(more.concat(origins));
        expect(origins.length).toBeGreaterThanOrEqual(together);
        for (const { sent } of origins) expect(sent).toBeLessThan(gigabyte / 4);
        expect(held()).toBeLessThan(together * (megabyte / 2));
        await until(async () => (await memory()) - before < together * megabyte, "little memory to be used");
      });
    }, 60_000);

    test("an upload of 1 GB to an upstream that stops reading costs less than 1 MB", () => {
      let stopsAfter = Infinity;
      const origin = { get stopsAfter() { return stopsAfter; }, onHead: () => {} }; // prettier-ignore
      if (!command) return;
      return scene(command, origin, async ({ open, origins, held, memory }) => {
        const quickBytes = 64 * megabyte;
        const [quick] = await open(1, Infinity);
        quick?.send(post(quickBytes), quickBytes);
        await until(() => (origins[0]?.received ?? 0) > quickBytes, "a quick upload", 20_000);
        stopsAfter = 65_536;
        const before = await memory();
        const slow = await open(1, Infinity);
        slow[0]?.send(post(gigabyte), gigabyte);
        await standstill(slow.concat(origins));
        expect(origins[1]?.received).toBeGreaterThan(65_536);
        expect(held()).toBeLessThan(megabyte + headBytes);
        const more = await open(together - 1, Infinity);
        for (const client of more) client.send(post(gigabyte), gigabyte);
        await standstill(more.concat(origins));
        for (const { sent } of slow.concat(more)) {
          expect(sent).toBeGreaterThan(65_536);
          expect(sent).toBeLessThan(gigabyte / 4);
        }
        expect(held()).toBeLessThan(together * (megabyte / 2));
        await until(async () => (await memory()) - before < together * megabyte, "little memory to be used");
      });
    }, 60_000);
  });
}
