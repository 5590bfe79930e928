/** A steady load of requests that collects every failure. */

import { untilTime } from "./wait.ts";

export interface Load {
  /** Completed requests, successful or not. */
  readonly count: number;
  /** Every result except a complete response with status 200. */
  readonly failures: readonly string[];
  /** The longest request since the last call, milliseconds. */
  worstMs(): number;
  /** Responses by server. */
  readonly servers: ReadonlyMap<string, number>;
  stop(): Promise<void>;
}

/**
 * Starts of two requests of a client are this far apart. A load as fast as the machine allows takes the processors from
 * the program, and from every other test, and proves no more: what lasts is what happens meanwhile.
 */
const everyMs = 40;

/** @param clients concurrent clients, each of which sends 25 requests a second, one after the other */
export function startLoad(url: string, clients: number, init: () => RequestInit = () => ({})): Load {
  const failures: string[] = [];
  const servers = new Map<string, number>();
  let count = 0;
  let worst = 0;
  let isRunning = true;
  const startedAt = performance.now();
  const client = async (_: unknown, index: number) => {
    let nextAt = startedAt + (everyMs * index) / clients;
    while (isRunning) {
      await untilTime(nextAt);
      if (!isRunning) return;
      const sentAt = performance.now();
      nextAt = Math.max(nextAt + everyMs, sentAt);
      try {
        const response = await fetch(url, init());
        const text = await response.text();
        if (response.status !== 200) failures.push(`status ${response.status}: ${text.slice(0, 200)}`);
        else {
          const { server } = JSON.parse(text) as { server: { name: string } };
          servers.set(server.name, (servers.get(server.name) ?? 0) + 1);
        }
      } catch (error) {
        failures.push(String(error));
      }
      worst = Math.max(worst, performance.now() - sentAt);
      count += 1;
    }
  };
  const running = Array.from({ length: clients }, client);
  return {
    get count() {
      return count;
    },
    failures,
    servers,
    worstMs() {
      const ms = worst;
      worst = 0;
      return ms;
    },
    async stop() {
      isRunning = false;
      await Promise.all(running);
    },
  };
}
