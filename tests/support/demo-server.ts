/** A demo server in the tests' own process: for those that have nothing to do to it, and would only pay for its start. */

import { startBackend } from "../../src/backend/backend.ts";
import { runtime } from "../../src/runtime/bun.ts";

export interface DemoServer {
  readonly port: number;
  readonly url: string;
  close(): void;
}

/** @param latencyMs how long an answer takes, so that a load keeps its requests in flight and the processors free */
export async function startDemoServer(name: string, latencyMs = { min: 5, max: 15 }): Promise<DemoServer> {
  const listen = { hostname: "127.0.0.1", port: 0 };
  const { port, close } = await startBackend({ name, ...listen, latencyMs, failRate: 0 }, runtime);
  return { port, url: `http://127.0.0.1:${port}`, close };
}
