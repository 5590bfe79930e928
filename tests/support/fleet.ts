/** Balancers of a fleet as real processes, each behind a relay to one real Redis server. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { FleetSnapshot } from "../../src/snapshot/fleet-snapshot.ts";
import type { Snapshot, UpstreamSnapshot } from "../../src/snapshot/snapshot.ts";
import type { BalancerEvent } from "../../src/state/event.ts";
import { fromBuild, Program } from "./program.ts";
import { RedisServer, type RedisOptions, Relay } from "./redis-server.ts";
import { until } from "./wait.ts";

export interface FleetOptions {
  readonly names?: readonly string[];
  readonly redis?: RedisOptions;
  /** Lines of the configuration of pools and more; by default a pool of s1, s2 and s3 that are never reached. */
  readonly configuration?: string;
  /** Where the store is, instead of the server behind the relay: settings below `fleet`. */
  readonly store?: string;
  /** More settings below `fleet`. */
  readonly fleet?: string;
  /** By name; by default the bundled program. */
  readonly commands?: Readonly<Record<string, readonly string[]>>;
}

/** Discard ports: nothing listens there. Probes fail, and orders count all the same. */
export const threeUpstreams = `pools:
  main:
    probe: { interval: 1h, changingInterval: 1h }
    upstreams:
      - { url: "http://127.0.0.1:9", name: s1 }
      - { url: "http://127.0.0.1:9", name: s2 }
      - { url: "http://127.0.0.1:9", name: s3 }
`;

/** One balancer, which may be started again with its state. */
export class Member {
  readonly name: string;
  readonly relay: Relay;
  readonly folder: string;
  readonly #command: readonly string[];
  #program: Program | undefined;
  #adminPort = 0;
  #port = 0;

  constructor(
    name: string,
    relay: Relay,
    { folder, command }: { folder: string; command: readonly string[] },
  ) {
    this.name = name;
    this.relay = relay;
    this.folder = folder;
    this.#command = command;
  }

  get program(): Program {
    if (!this.#program) throw new Error(`Cannot use ${this.name}: it was not started`);
    return this.#program;
  }

  get port(): number {
    return this.#port;
  }

  get adminUrl(): string {
    return `http://127.0.0.1:${this.#adminPort}`;
  }

  get file(): string {
    return join(this.folder, "evenkeel.yaml");
  }

  async start(environment: Record<string, string> = {}): Promise<void> {
    const argv = ["proxy", "--config", this.file, "--port", "0", "--host", "127.0.0.1", "--admin-port", "0"];
    const state = { EVENKEEL_STATE: join(this.folder, "state.db") };
    this.#program = new Program([...this.#command, ...argv], { ...state, ...environment });
    this.#port = await this.#program.port("balancer", 20_000);
    this.#adminPort = await this.#program.port("admin", 20_000);
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    await this.#program?.kill(signal);
  }

  async call<Reply>(method: string, path: string, body?: object): Promise<Reply> {
    const response = await fetch(`http://127.0.0.1:${this.#adminPort}${path}`, {
      method,
      ...(body && { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
      signal: AbortSignal.timeout(15_000),
    });
    const reply = (await response.json()) as Reply;
    if (!response.ok) throw new Error(`Cannot ${method} ${path}: ${JSON.stringify(reply)}`);
    return reply;
  }

  /** An upstream with the tag for a conditional order. */
  async tagged(id: string): Promise<UpstreamSnapshot & { readonly tag: string }> {
    const response = await this.#fetch(`/api/upstreams/${id}`, {});
    return { ...((await response.json()) as UpstreamSnapshot), tag: response.headers.get("etag") ?? "" };
  }

  /** @returns the status */
  async post(path: string, body: object, headers: Record<string, string> = {}): Promise<number> {
    const type = { "Content-Type": "application/json" };
    const init = { method: "POST", body: JSON.stringify(body), headers: { ...type, ...headers } };
    return (await this.#fetch(path, init)).status;
  }

  /** A frozen balancer does not answer. */
  #fetch(path: string, init: RequestInit): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.#adminPort}${path}`, {
      ...init,
      signal: AbortSignal.timeout(3_000),
    });
  }

  snapshot(): Promise<Snapshot> {
    return this.call("GET", "/api/snapshot");
  }

  fleet(): Promise<FleetSnapshot> {
    return this.call("GET", "/api/fleet");
  }

  async upstream(id: string): Promise<UpstreamSnapshot> {
    return this.call("GET", `/api/upstreams/${id}`);
  }

  setMode(id: string, mode: string, reason = ""): Promise<UpstreamSnapshot> {
    return this.call("POST", `/api/upstreams/${id}/mode`, { mode, ...(reason && { reason }) });
  }

  async events(query = ""): Promise<readonly BalancerEvent[]> {
    const { events } = await this.call<{ events: readonly BalancerEvent[] }>(
      "GET",
      `/api/events?limit=1000${query}`,
    );
    return events;
  }

  async metric(name: string): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${this.#adminPort}/metrics`)).text();
    const line = text.split("\n").find((one) => one.startsWith(`${name} `) || one.startsWith(`${name}{`));
    return Number(line?.split(" ").at(-1));
  }
}

export class TestFleet implements AsyncDisposable {
  readonly redis: RedisServer;
  readonly members: readonly Member[];

  private constructor(redis: RedisServer, members: readonly Member[]) {
    this.redis = redis;
    this.members = members;
  }

  static async start(options: FleetOptions = {}): Promise<TestFleet> {
    const fleet = await TestFleet.prepare(options);
    try {
      await Promise.all(fleet.members.map((member) => member.start()));
      await fleet.together();
    } catch (error) {
      await fleet[Symbol.asyncDispose]();
      throw error;
    }
    return fleet;
  }

  /** Starts the store and the relays, and writes the configurations. */
  static async prepare({
    names = ["a", "b", "c"],
    redis: redisOptions = {},
    configuration = threeUpstreams,
    fleet = "",
    store,
    commands = {},
  }: FleetOptions = {}): Promise<TestFleet> {
    const redis = await RedisServer.start(redisOptions);
    const members = await Promise.all(
      names.map(async (name) => {
        const relay = await Relay.to(redis.port);
        const folder = mkdtempSync(join(tmpdir(), `evenkeel-fleet-${name}-`));
        const member = new Member(name, relay, { folder, command: commands[name] ?? fromBuild });
        writeFileSync(
          member.file,
          `fleet: { name: ${name}, ${store ?? `redis: "${relay.url}"`}${fleet && `, ${fleet}`} }\n${configuration}`,
        );
        return member;
      }),
    );
    return new TestFleet(redis, members);
  }

  get(name: string): Member {
    const found = this.members.find((member) => member.name === name);
    if (!found) throw new Error(`Cannot find ${name}`);
    return found;
  }

  /** Resolves when each balancer sees all others alive. */
  async together(limitMs = 10_000): Promise<void> {
    await until(
      async () => {
        const views = await Promise.all(this.members.map((member) => member.fleet()));
        return views.every(
          ({ peers, alone }) =>
            !alone && peers.filter(({ state }) => state === "alive").length === this.members.length,
        );
      },
      "all balancers see each other",
      limitMs,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { relay } of this.members) relay.heal();
    await Promise.all(
      this.members.map(async (member) => {
        await member.kill();
        await member.relay[Symbol.asyncDispose]();
        rmSync(member.folder, { recursive: true, force: true });
      }),
    );
    await this.redis[Symbol.asyncDispose]();
  }
}
