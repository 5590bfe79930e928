/** A demo server in the test process, for tests that need no separate process and no control over it. */

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
