/** The testbed of the comparison: pins each process to a core, and stops all of them at the end. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { originPeer, originPorts, type Peer } from "./peers.ts";

/** Proxies on one core; load and servers on the other. */
export const proxyCore = 0;
export const loadCore = 1;
/** For scenarios with several cores; load and servers then share them. */
export const bothCores = `${proxyCore},${loadCore}`;

/** A proxy that is started and serves. */
export interface RunningProxy extends Peer {
  readonly pid: number;
  /** From its start to its first response, milliseconds. */
  readonly startMs: number;
  stop(): Promise<void>;
}

export interface StartOptions {
  /** By default that of the proxies. */
  readonly cores?: string;
  /** Where it serves; by default its port, without TLS. */
  readonly origin?: string;
  /** What is asked for until it serves; by default the smallest file. */
  readonly path?: string;
  /** Host of the request that is tried; by default that of `origin`. */
  readonly host?: string;
  /** Milliseconds between two tries. */
  readonly everyMs?: number;
}

export class Testbed implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "evenkeel-bench-"));
  readonly #started: Bun.Subprocess[] = [];
  /** Everything that was started, to tell how. */
  readonly peers: Peer[] = [];
  readonly #origin: Bun.Subprocess;
  readonly #smallest: number;

  /** @param sizes the sizes of the files that the servers behind the proxies serve as /<size>.bin */
  constructor(sizes: readonly number[]) {
    this.#smallest = Math.min(...sizes);
    const origin = originPeer(this.folder, sizes);
    this.peers.push(origin);
    this.#origin = this.#start(String(loadCore), origin.command);
  }

  /**
   * Starts the proxies that are installed.
   * @param originOf the address where each serves; by default without TLS
   */
  async startProxies(
    peers: readonly Peer[],
    originOf?: (peer: Peer) => string,
  ): Promise<readonly RunningProxy[]> {
    const running: RunningProxy[] = [];
    for (const peer of peers) {
      if (Bun.which(peer.command[0] ?? "") === null) continue;
      running.push(await this.startProxy(peer, originOf && { origin: originOf(peer) }));
    }
    return running;
  }

  /** Starts a proxy and waits until it serves. */
  async startProxy(peer: Peer, options: StartOptions = {}): Promise<RunningProxy> {
    const startedAt = performance.now();
    const child = this.#start(options.cores ?? String(proxyCore), peer.command);
    if (!this.peers.some(({ name }) => name === peer.name)) this.peers.push(peer);
    const origin = options.origin ?? `http://127.0.0.1:${peer.port}`;
    await waitUntilServing(`${origin}${options.path ?? `/${this.#smallest}.bin`}`, options);
    const startMs = performance.now() - startedAt;
    // Servers left by an earlier run would respond instead, with other permissions and on another core.
    if (this.#origin.exitCode !== null)
      throw new Error(`Cannot measure ${peer.name}: ports ${originPorts.join(", ")} are taken`);
    const stop = async () => {
      child.kill();
      await child.exited;
    };
    return { ...peer, pid: child.pid, startMs, stop };
  }

  #start(cores: string, command: readonly string[]): Bun.Subprocess {
    const pinned = ["taskset", "-c", cores, ...command];
    const child = Bun.spawn(pinned, { stdout: "ignore", stderr: "ignore" });
    this.#started.push(child);
    return child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#started) child.kill();
    await Promise.all(this.#started.map(({ exited }) => exited));
    rmSync(this.folder, { recursive: true });
  }
}

const startLimitMs = 20_000;

/** 401 is a response too: of a proxy that asks for a password. */
async function waitUntilServing(url: string, { everyMs = 50, host }: StartOptions): Promise<void> {
  const headers = host === undefined ? {} : { host };
  const until = performance.now() + startLimitMs;
  while (performance.now() < until) {
    const status = await fetch(url, { headers, tls: { rejectUnauthorized: false } }).then(
      (response) => response.status,
      () => 0,
    );
    if (status === 200 || status === 401) return;
    await Bun.sleep(everyMs);
  }
  throw new Error(`Cannot measure ${url}: no response with status 200 or 401`);
}
