/** The balancer of a soak with its servers, and what befalls them: real processes, real signals, one fault after the other. */

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
  #moody: Origin | undefined;
  /** What the server that is no program of ours does at present. */
  mood: "well" | "resets" | "503" = "well";
  #balancer: Program | undefined;
  port = 0;
  #admin = "";
  readonly engine: EngineName;

  constructor(engine: EngineName) {
    this.engine = engine;
  }

  /** How the balancer ended, and what it said last; undefined while it lives. */
  get death(): string | undefined {
    const { child } = this.#balancer ?? {};
    if (child?.exitCode === null && child.signalCode === null) return undefined;
    return `${child?.exitCode ?? child?.signalCode}: ${this.#balancer?.stderr.slice(-2_000)}`;
  }

  get pid(): number {
    return this.#balancer?.pid ?? 0;
  }

  async start(): Promise<this> {
    this.#moody = await startOrigin((_, socket) => {
      if (this.mood === "resets") socket.resetAndDestroy();
      else socket.write(respondWith("{}", [], this.mood === "503" ? "503 Service Unavailable" : "200 OK"));
    });
    for (const name of names) {
      const program = this.#serve(name, 0);
      this.#servers.set(name, { program, port: await program.port("backend") });
    }
    this.#write(1);
    this.#balancer = this.#programs.start([
      ...[...fromBuild, "proxy", "--port", "0", "--admin-port", "0", "--host", "127.0.0.1"],
      ...["--config", this.#file, "--engine", this.engine],
      // What is kept on disk is none of the memory.
      ...["--state", join(this.#folder, "state.db")],
    ]);
    this.port = await this.#balancer.port("balancer");
    this.#admin = `http://127.0.0.1:${await this.#balancer.port("admin")}`;
    return this;
  }

  /** In turn, for ever; each gives its name before it begins. */
  async *faults(): AsyncGenerator<string> {
    for (let round = 1; ; round++) {
      yield "SIGKILL and return";
      await this.#server("b").program.kill("SIGKILL");
      await sleep(1_500);
      this.#server("b").program = this.#serve("b", this.#server("b").port);
      yield "SIGSTOP and SIGCONT";
      this.#server("c").program.child.kill("SIGSTOP");
      await sleep(2_500);
      this.#server("c").program.child.kill("SIGCONT");
      yield "resets";
      await this.#inMood("resets");
      yield "503";
      await this.#inMood("503");
      yield "reload";
      this.#write(1 + (round % 3));
      this.#balancer?.child.kill("SIGHUP");
      await sleep(300);
      yield "an upstream more, and less";
      await this.#ask("POST", "/api/pools/main/upstreams", {
        ...{ url: `http://127.0.0.1:${this.#server("a").port}`.replace("127.0.0.1", "localhost") },
        name: `extra-${round}`,
      });
      await sleep(1_000);
      await this.#ask("DELETE", `/api/upstreams/extra-${round}?wait=2s`, {});
      yield "looks at everything";
      for (const path of ["/api/snapshot", "/metrics"]) await this.#look(path);
      await sleep(300);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#programs[Symbol.asyncDispose]();
    await this.#moody?.close();
    rmSync(this.#folder, { recursive: true });
  }

  async #inMood(mood: Cluster["mood"]): Promise<void> {
    this.mood = mood;
    await sleep(1_500);
    this.mood = "well";
  }

  async #ask(method: string, path: string, body: object): Promise<void> {
    if (this.death !== undefined) return;
    const response = await fetch(this.#admin + path, { method, body: JSON.stringify(body) });
    const text = await response.text();
    if (!response.ok) throw new Error(`Cannot ${method} ${path}: ${response.status} ${text}`);
  }

  async #look(path: string): Promise<void> {
    if (this.death === undefined) await (await fetch(this.#admin + path)).text();
  }

  #serve(name: string, port: number): Program {
    const place = ["--port", String(port), "--host", "127.0.0.1"];
    return this.#programs.evenkeel("backend", ...place, "--name", name, "--latency", "5-15ms");
  }

  #server(name: string) {
    const server = this.#servers.get(name);
    if (!server) throw new Error(`Cannot find a server: ${name} is none of them`);
    return server;
  }

  #write(weight: number): void {
    const url = (port: number) => `http://127.0.0.1:${port}`;
    const servers = [...this.#servers].map(([name, { port }]) => ({ name, url: url(port) }));
    const quick = {
      probe: { path: "/readyz", interval: "1s", changingInterval: "200ms" },
      ...{ hedge: "p99", retryStatuses: [503], slowStart: "2s", outlier: { ejection: "2s" } },
    };
    const moody = { name: "moody", url: this.#moody?.url, weight };
    const pools = {
      main: { ...quick, upstreams: [...servers, moody] },
      // The moody one speaks no WebSocket.
      sockets: { ...quick, upstreams: servers.map(({ name, ...rest }) => ({ ...rest, name: `${name}-ws` })) },
    };
    const routes = [{ path: "/ws", pool: "sockets" }, { pool: "main" }];
    writeFileSync(this.#file, JSON.stringify({ pools, routes }));
  }
}
