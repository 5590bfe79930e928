/** A real Redis server, and Sentinels, each on a free port with a folder of its own; and a relay in front that fails. */

import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { until } from "./wait.ts";

/** The variables name the programs of Valkey where the tests are to run with it. */
const serverProgram = process.env["REDIS_SERVER"] ?? "redis-server";
const sentinelProgram = process.env["REDIS_SENTINEL"] ?? "redis-sentinel";

/** Whether Redis is installed; a sentence says that tests are skipped without. */
export const hasRedis = isInstalled(serverProgram);
export const hasSentinel = isInstalled(sentinelProgram);
if (!hasRedis) console.warn(`skipped: ${serverProgram} is not installed`);
else if (!hasSentinel) console.warn(`skipped: ${sentinelProgram} is not installed`);

function isInstalled(program: string): boolean {
  return spawnSync(program, ["--version"]).status === 0;
}

export interface RedisOptions {
  /** `everysec` and `always` of an append-only file; by default nothing is saved. */
  readonly appendOnly?: "everysec" | "always";
  /** Lines of the configuration file. */
  readonly lines?: readonly string[];
  /** Serves TLS only, with these PEM texts. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca: string };
  readonly sentinel?: boolean;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export class RedisServer implements AsyncDisposable {
  readonly port: number;
  readonly folder: string;
  readonly #options: RedisOptions;
  #child: ChildProcess | undefined;
  #output = "";

  private constructor(port: number, folder: string, options: RedisOptions) {
    this.port = port;
    this.folder = folder;
    this.#options = options;
  }

  static async start(options: RedisOptions = {}): Promise<RedisServer> {
    const folder = mkdtempSync(join(tmpdir(), "evenkeel-redis-"));
    const server = new RedisServer(await freePort(), folder, options);
    await server.start();
    return server;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get url(): string {
    return `${this.#options.tls ? "rediss" : "redis"}://127.0.0.1:${this.port}`;
  }

  /** Starts it on the same port with the same folder. Resolves when it accepts connections. */
  async start(): Promise<void> {
    const { appendOnly, lines = [], tls, sentinel = false } = this.#options;
    if (tls)
      for (const [name, text] of Object.entries(tls)) writeFileSync(join(this.folder, `${name}.pem`), text);
    const file = join(this.folder, "redis.conf");
    // Sentinels keep what they find out in their file.
    if (!sentinel || !existsSync(file))
      writeFileSync(
        file,
        [
          "bind 127.0.0.1",
          ...(tls
            ? [
                ...["port 0", `tls-port ${this.port}`, "tls-cert-file cert.pem", "tls-key-file key.pem"],
                ...["tls-ca-cert-file ca.pem", "tls-auth-clients no"],
              ]
            : [`port ${this.port}`]),
          `dir ${this.folder}`,
          'save ""',
          ...(appendOnly ? ["appendonly yes", `appendfsync ${appendOnly}`] : []),
          ...lines,
          "",
        ]
          .filter((line) => !sentinel || !line.startsWith("save"))
          .join("\n"),
      );
    this.#output = "";
    const child = spawn(sentinel ? sentinelProgram : serverProgram, [file], {
      cwd: this.folder,
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (text: Buffer) => (this.#output = (this.#output + text.toString()).slice(-4_000)));
    this.#child = child;
    await until(
      () => {
        if (child.exitCode !== null) throw new Error(`Cannot start Redis: ${this.#output}`);
        return accepts(this.port);
      },
      "Redis accepts connections",
      10_000,
    );
  }

  /** Resolves when it has ended. */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await ended;
  }

  freeze(): void {
    this.#child?.kill("SIGSTOP");
  }

  thaw(): void {
    this.#child?.kill("SIGCONT");
  }

  /** Runs a command with the server's own client. */
  command(...words: string[]): string {
    const tls = this.#options.tls ? ["--tls", "--cacert", join(this.folder, "ca.pem")] : [];
    const { stdout, stderr } = spawnSync("redis-cli", ["-p", String(this.port), ...tls, ...words], {
      encoding: "utf8",
      timeout: 5_000,
    });
    return (stdout + stderr).trim();
  }

  /** Copies what it has saved. Restore it while the server is ended. */
  copyOfData(): string {
    const copy = mkdtempSync(join(tmpdir(), "evenkeel-redis-copy-"));
    cpSync(join(this.folder, "appendonlydir"), join(copy, "appendonlydir"), { recursive: true });
    return copy;
  }

  restoreData(copy: string): void {
    rmSync(join(this.folder, "appendonlydir"), { recursive: true, force: true });
    cpSync(join(copy, "appendonlydir"), join(this.folder, "appendonlydir"), { recursive: true });
  }

  eraseData(): void {
    rmSync(join(this.folder, "appendonlydir"), { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.thaw();
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => (socket.destroy(), resolve(true)));
    socket.once("error", () => resolve(false));
  });
}

/** Forwards connections to a port, and fails as networks do. */
export class Relay implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isStalled = false;
  #isCut = false;
  #delayMs = 0;
  #stalled: (() => void)[] = [];

  private constructor(server: Server) {
    this.#server = server;
  }

  static async to(port: number): Promise<Relay> {
    const server = createServer();
    const relay = new Relay(server);
    server.on("connection", (client) => relay.#forward(client, connect(port, "127.0.0.1")));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return relay;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  #forward(client: Socket, server: Socket): void {
    if (this.#isCut) {
      client.destroy();
      server.destroy();
      return;
    }
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(from);
      from.on("data", (bytes) => this.#pass(() => void to.write(bytes)));
      from.on("error", () => {});
      from.on("close", () => {
        this.#sockets.delete(from);
        this.#pass(() => to.destroy());
      });
    }
  }

  /** In order, because each waits for the same time. */
  #pass(task: () => void): void {
    if (this.#isStalled) this.#stalled.push(task);
    else if (this.#delayMs > 0) setTimeout(task, this.#delayMs);
    else task();
  }

  /** Nothing passes, and the connections stay: as if packets were dropped. */
  stall(): void {
    this.#isStalled = true;
  }

  /** Connections are closed, and new ones too. */
  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Delays each way. */
  slow(delayMs: number): void {
    this.#delayMs = delayMs;
  }

  /** What was held up arrives now. */
  heal(): void {
    this.#isStalled = this.#isCut = false;
    this.#delayMs = 0;
    for (const task of this.#stalled.splice(0)) task();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
