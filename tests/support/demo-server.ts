/** Demo servers in the test process, for tests that need no separate process and no control over it. */

import { startBackend } from "../../src/backend/backend.ts";
import { runtime } from "../../src/runtime/bun.ts";

export interface DemoServer {
  readonly port: number;
  readonly url: string;
  close(): void;
}

/** @param latencyMs the response time: a load keeps its requests in flight without using all processors */
export async function startDemoServer(name: string, latencyMs = { min: 5, max: 15 }): Promise<DemoServer> {
  const listen = { hostname: "127.0.0.1", port: 0 };
  const { port, close } = await startBackend({ name, ...listen, latencyMs, failRate: 0 }, runtime);
  return { port, url: `http://127.0.0.1:${port}`, close };
}

/** A demo server that a test slows down, breaks, and starts again at the same address. */
export class UnsteadyServer {
  readonly name: string;
  readonly #latencyMs = { min: 0, max: 0 };
  #server: DemoServer | undefined;
  #port = 0;
  #draw = 0;
  /** Whether three of ten of its responses have status 500. Its probe passes all the same. */
  isFailing = false;

  /** @param latencyMs of each response: long enough that a busy machine does not multiply it */
  constructor(name: string, latencyMs: number) {
    this.name = name;
    this.latencyMs = latencyMs;
  }

  /** As an entry of a configuration file. */
  get upstream(): { readonly url: string; readonly name: string } {
    return { url: `http://127.0.0.1:${this.#port}`, name: this.name };
  }

  set latencyMs(ms: number) {
    this.#latencyMs.min = this.#latencyMs.max = ms;
  }

  async start(): Promise<this> {
    const options = { name: this.name, hostname: "127.0.0.1", port: this.#port, latencyMs: this.#latencyMs };
    const { port, close } = await startBackend({ ...options, failRate: 0.3 }, runtime, {
      // Spread evenly, so that a few dozen responses have the share already: multiples of the golden ratio.
      random: () => (this.isFailing ? (this.#draw = (this.#draw + 0.618_034) % 1) : 1),
    });
    this.#port = port;
    this.#server = { port, url: "", close };
    return this;
  }

  /** Connections are refused until it starts again. */
  stop(): void {
    this.#server?.close();
  }
}

/** "web-01", "web-02" … */
export function startUnsteadyServers(
  name: string,
  count: number,
  latencyMs = 20,
): Promise<readonly UnsteadyServer[]> {
  const names = Array.from({ length: count }, (_, index) => `${name}-${String(index + 1).padStart(2, "0")}`);
  return Promise.all(names.map((each) => new UnsteadyServer(each, latencyMs).start()));
}
