/** A steady load of requests that collects every failure. */

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

/** @param clients concurrent clients, each of which sends one request after the other */
export function startLoad(url: string, clients: number, init: () => RequestInit = () => ({})): Load {
  const failures: string[] = [];
  const servers = new Map<string, number>();
  let count = 0;
  let worst = 0;
  let isRunning = true;
  const client = async () => {
    while (isRunning) {
      const startedAt = performance.now();
      try {
        const response = await fetch(url, init());
        const { server } = (await response.json()) as { server: { name: string } };
        if (response.status !== 200) failures.push(`status ${response.status}`);
        servers.set(server.name, (servers.get(server.name) ?? 0) + 1);
      } catch (error) {
        failures.push(String(error));
      }
      worst = Math.max(worst, performance.now() - startedAt);
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
