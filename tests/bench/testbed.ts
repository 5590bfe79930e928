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
  stop(): Promise<void>;
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
      running.push(await this.startProxy(peer, undefined, originOf?.(peer)));
    }
    return running;
  }

  /** Starts a proxy and waits until it serves. */
  async startProxy(
    peer: Peer,
    cores = String(proxyCore),
    origin = `http://127.0.0.1:${peer.port}`,
  ): Promise<RunningProxy> {
    const child = this.#start(cores, peer.command);
    this.peers.push(peer);
    await waitUntilServing(`${origin}/${this.#smallest}.bin`);
    // Servers left by an earlier run would respond instead, with other permissions and on another core.
    if (this.#origin.exitCode !== null)
      throw new Error(`Cannot measure ${peer.name}: ports ${originPorts.join(", ")} are taken`);
    const stop = async () => {
      child.kill();
      await child.exited;
    };
    return { ...peer, pid: child.pid, stop };
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

async function waitUntilServing(url: string): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const status = await fetch(url, { tls: { rejectUnauthorized: false } }).then(
      (response) => response.status,
      () => 0,
    );
    if (status === 200) return;
    await Bun.sleep(50);
  }
  throw new Error(`Cannot measure ${url}: no response with status 200`);
}
