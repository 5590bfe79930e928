/** The balancer and the servers of a soak test, and a sequence of faults: real processes and real signals. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { EngineName } from "../../src/config/config.ts";
import { sleep } from "../../src/lib/clock.ts";
import { respondWith, type Origin, startOrigin } from "../support/origin.ts";
import { fromBuild, type Program, Programs } from "../support/program.ts";

const names = ["a", "b", "c"];

export class Cluster implements AsyncDisposable {
  readonly #programs = new Programs();
  readonly #folder = mkdtempSync(join(tmpdir(), "evenkeel-soak-"));
  readonly #servers = new Map<string, { readonly port: number; program: Program }>();
  readonly #file = join(this.#folder, "evenkeel.yaml");
  #faultyOrigin: Origin | undefined;
  /** The current behavior of the faulty origin. */
  behavior: "healthy" | "resets" | "503" = "healthy";
  #balancer: Program | undefined;
  port = 0;
  #admin = "";
  readonly engine: EngineName;

  constructor(engine: EngineName) {
    this.engine = engine;
  }

  /** The balancer's exit code or signal, and the end of its log; undefined while it runs. */
  get exitReason(): string | undefined {
    const { child } = this.#balancer ?? {};
    if (child?.exitCode === null && child.signalCode === null) return undefined;
    return `${child?.exitCode ?? child?.signalCode}: ${this.#balancer?.stderr.slice(-2_000)}`;
  }

  get pid(): number {
    return this.#balancer?.pid ?? 0;
  }

  async start(): Promise<this> {
    this.#faultyOrigin = await startOrigin((_, socket) => {
      if (this.behavior === "resets") socket.resetAndDestroy();
      else
        socket.write(respondWith("{}", [], this.behavior === "503" ? "503 Service Unavailable" : "200 OK"));
    });
    for (const name of names) {
      const program = this.#startServer(name, 0);
      this.#servers.set(name, { program, port: await program.port("backend") });
    }
    this.#write(1);
    this.#balancer = this.#programs.start([
      ...[...fromBuild, "proxy", "--port", "0", "--admin-port", "0", "--host", "127.0.0.1"],
      ...["--config", this.#file, "--engine", this.engine],
      // State on disk does not count as memory.
      ...["--state", join(this.#folder, "state.db")],
    ]);
    this.port = await this.#balancer.port("balancer");
    this.#admin = `http://127.0.0.1:${await this.#balancer.port("admin")}`;
    return this;
  }

  /** Endless sequence of faults; each yields its name before it starts. */
  async *faults(): AsyncGenerator<string> {
    for (let round = 1; ; round++) {
      yield "SIGKILL and restart";
      await this.#server("b").program.kill("SIGKILL");
      await sleep(1_500);
      this.#server("b").program = this.#startServer("b", this.#server("b").port);
      yield "SIGSTOP and SIGCONT";
      this.#server("c").program.child.kill("SIGSTOP");
      await sleep(2_500);
      this.#server("c").program.child.kill("SIGCONT");
      yield "resets";
      await this.#withBehavior("resets");
      yield "503";
      await this.#withBehavior("503");
      yield "reload";
      this.#write(1 + (round % 3));
      this.#balancer?.child.kill("SIGHUP");
      await sleep(300);
      yield "add and remove an upstream";
      await this.#callAdmin("POST", "/api/pools/main/upstreams", {
        url: `http://127.0.0.1:${this.#server("a").port}`.replace("127.0.0.1", "localhost"),
        name: `extra-${round}`,
      });
      await sleep(1_000);
      await this.#callAdmin("DELETE", `/api/upstreams/extra-${round}?wait=2s`, {});
      yield "read snapshot and metrics";
      for (const path of ["/api/snapshot", "/metrics"]) await this.#fetchAdmin(path);
      await sleep(300);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#programs[Symbol.asyncDispose]();
    await this.#faultyOrigin?.close();
    rmSync(this.#folder, { recursive: true });
  }

  async #withBehavior(behavior: Cluster["behavior"]): Promise<void> {
    this.behavior = behavior;
    await sleep(1_500);
    this.behavior = "healthy";
  }

  async #callAdmin(method: string, path: string, body: object): Promise<void> {
    if (this.exitReason !== undefined) return;
    const response = await fetch(this.#admin + path, { method, body: JSON.stringify(body) });
    const text = await response.text();
    if (!response.ok) throw new Error(`Cannot ${method} ${path}: ${response.status} ${text}`);
  }

  async #fetchAdmin(path: string): Promise<void> {
    if (this.exitReason === undefined) await (await fetch(this.#admin + path)).text();
  }

  #startServer(name: string, port: number): Program {
    const listen = ["--port", String(port), "--host", "127.0.0.1"];
    return this.#programs.evenkeel("backend", ...listen, "--name", name, "--latency", "5-15ms");
  }

  #server(name: string) {
    const server = this.#servers.get(name);
    if (!server) throw new Error(`Cannot find server ${name}`);
    return server;
  }

  #write(weight: number): void {
    const url = (port: number) => `http://127.0.0.1:${port}`;
    const servers = [...this.#servers].map(([name, { port }]) => ({ name, url: url(port) }));
    const fastSettings = {
      probe: { path: "/readyz", interval: "1s", changingInterval: "200ms" },
      hedge: "p99",
      retryStatuses: [503],
      slowStart: "2s",
      outlier: { ejection: "2s" },
    };
    const faultyUpstream = { name: "faulty", url: this.#faultyOrigin?.url, weight };
    const pools = {
      main: { ...fastSettings, upstreams: [...servers, faultyUpstream] },
      // The faulty origin does not support WebSockets.
      sockets: {
        ...fastSettings,
        upstreams: servers.map(({ name, ...rest }) => ({ ...rest, name: `${name}-ws` })),
      },
    };
    const routes = [{ path: "/ws", pool: "sockets" }, { pool: "main" }];
    writeFileSync(this.#file, JSON.stringify({ pools, routes }));
  }
}
