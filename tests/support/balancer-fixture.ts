/** A balancer process with a configuration file, demo servers and its admin API, for the tests of the control plane. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Snapshot, UpstreamSnapshot } from "../../src/snapshot/snapshot.ts";
import type { BalancerEvent } from "../../src/state/event.ts";
import { type DemoServer, startDemoServer } from "./demo-server.ts";
import { fromBuild, type Program, Programs } from "./program.ts";
import { until } from "./wait.ts";

export interface AdminResponse {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

export class BalancerFixture implements AsyncDisposable {
  #folder: string | undefined;
  readonly programs = new Programs();
  readonly #servers = new Map<string, DemoServer>();
  #flags: readonly string[] = [];
  /** The program. */
  command = fromBuild;
  /** Variables of the program. */
  environment: Record<string, string> = {};
  proxy!: Program;
  url = "";
  admin = "";

  /** Created on first use: skipped tests leave no folder behind. */
  get folder(): string {
    return (this.#folder ??= mkdtempSync(join(tmpdir(), "evenkeel-control-")));
  }

  get file(): string {
    return join(this.folder, "evenkeel.yaml");
  }

  /** Starts one demo server for each name. */
  async startServers(...names: string[]): Promise<void> {
    for (const name of names) this.#servers.set(name, await startDemoServer(name));
  }

  urlOf(name: string): string {
    return this.#servers.get(name)?.url ?? "";
  }

  /** A configuration file with one pool; options follow a name, as in "b;weight=2". */
  poolWith(names: readonly string[], more = ""): string {
    const lines = names.map((entry) => {
      const [name = "", ...options] = entry.split(";");
      return `      - "${[this.urlOf(name), `name=${name}`, ...options].join(";")}"\n`;
    });
    return `pools:\n  main:\n    probe: { path: /readyz }\n${more}    upstreams:\n${lines.join("")}`;
  }

  write(text: string): void {
    writeFileSync(this.file, text);
  }

  async start(...flags: string[]): Promise<void> {
    this.#flags = ["--state", join(this.folder, "state.db"), ...flags];
    await this.restart();
  }

  /** Starts the balancer again with the same file and state. */
  async restart(): Promise<void> {
    const listen = ["--host", "127.0.0.1", "--port", "0", "--admin-port", "0", "--config", this.file];
    this.proxy = this.programs.start([...this.command, "proxy", ...listen, ...this.#flags], this.environment);
    this.url = `http://127.0.0.1:${await this.proxy.port("balancer", 20_000)}`;
    this.admin = `http://127.0.0.1:${await this.proxy.port("admin")}`;
  }

  async callAdmin(method: string, path: string, body?: object | string): Promise<AdminResponse> {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const headers = { "X-Evenkeel-Actor": "ann", "Content-Type": "application/json" };
    const response = await fetch(this.admin + path, {
      method,
      headers,
      ...(body === undefined ? {} : { body: text }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }

  async snapshot(): Promise<Snapshot> {
    return (await this.callAdmin("GET", "/api/snapshot")).body as unknown as Snapshot;
  }

  async upstream(id: string): Promise<UpstreamSnapshot | undefined> {
    const { pools } = await this.snapshot();
    return pools.flatMap(({ upstreams }) => upstreams).find((upstream) => upstream.id === id);
  }

  async ids(): Promise<string[]> {
    return (await this.snapshot()).pools.flatMap(({ upstreams }) => upstreams.map(({ id }) => id));
  }

  async events(query = ""): Promise<readonly BalancerEvent[]> {
    return (await this.callAdmin("GET", `/api/events?${query}`)).body["events"] as BalancerEvent[];
  }

  /** Resolves when the metric counts this many reloads with this result. */
  async reloaded(result: string, times = 1): Promise<void> {
    const line = `evenkeel_config_reload_total{result="${result}"} ${times}`;
    const has = async () => (await (await fetch(`${this.admin}/metrics`)).text()).includes(line);
    await until(has, `${times} reloads ${result}: ${this.proxy.stderr.slice(-1_500)}`, 10_000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.programs[Symbol.asyncDispose]();
    for (const server of this.#servers.values()) server.close();
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true });
  }
}
