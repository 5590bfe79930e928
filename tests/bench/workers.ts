/**
 * The gain of a second worker. Load and servers need separate cores, which a machine with two cores does not have. So each
 * serving process gets a fixed share of a core, as in a container, and the rest is left to load and servers. Two workers
 * with a share each are compared with one process with one share, which scales to any number of cores. The single process
 * also does the control plane's work within its share, a few per cent; two workers leave it to their parent.
 *
 * Where processes cannot be limited, the gain is calculated: with separate cores for load and servers, workers are busy
 * for the CPU time of their requests, and the worker with the most connections saturates first. The gain is then
 * 2 × (CPU per request of one ÷ of two) × balance, with balance = half ÷ the larger share of the requests. It ignores
 * what cores share (caches, memory, kernel locks), and so do the limits in part.
 */

import { bothCores, type RunningProxy, type Testbed } from "./testbed.ts";
import { childrenOf, measure } from "./measure.ts";
import { evenkeelPeer, originPorts, type Peer } from "./peers.ts";
import { cpuLimiter } from "./cpu-limit.ts";
import { median } from "./figures.ts";
import { alternate, type Rounds, type Table } from "./scenarios.ts";

const path = "/120.bin";
/** The kernel distributes connections by the hash of their addresses: more connections are spread more evenly. */
const connections = 256;
/** The share of a core of each serving process. */
const share = 0.4;

export async function secondWorker(testbed: Testbed, engine: string, rounds: Rounds): Promise<Table> {
  const one = await testbed.startProxy(peer(engine, 1), { cores: bothCores });
  const two = await testbed.startProxy(peer(engine, 2), { cores: bothCores });
  const all = [one, two];
  const shape = { path, connections, isFresh: false };
  const calculated = await alternate(all, rounds, async (proxy, seconds) => {
    const before = await requestsOf(proxy);
    const { cpuMicros } = await measure(proxy, { ...shape, seconds });
    const after = await requestsOf(proxy);
    const counts = after.map((count, i) => count - (before[i] ?? 0));
    const largest = Math.max(...counts) / counts.reduce((sum, count) => sum + count, 0);
    return { cpuMicros, balance: 1 / counts.length / largest };
  });
  const limit = cpuLimiter();
  const measured =
    limit &&
    (await alternate(all, rounds, async (proxy, seconds) => {
      using _ = limitAll(servingOf(proxy), limit);
      return (await measure(proxy, { ...shape, seconds })).perSecond;
    }));
  await Promise.all(all.map((proxy) => proxy.stop()));
  const of = (name: string, key: "cpuMicros" | "balance") =>
    median((calculated.get(name) ?? []).map((run) => run[key]));
  const perSecond = (name: string) => median(measured?.get(name) ?? []);
  const rows = all.map(({ name }, i) => {
    const capacity = ((i + 1) * of(one.name, "cpuMicros") * of(name, "balance")) / of(name, "cpuMicros");
    return [
      name,
      of(name, "cpuMicros").toFixed(1),
      of(name, "balance").toFixed(2),
      capacity.toFixed(2),
      perSecond(name).toFixed(0),
      (perSecond(name) / perSecond(one.name)).toFixed(2),
    ];
  });
  return {
    title: `A second worker, ${connections} clients; each serving process is limited to ${share} of a core for the measured column`,
    head: [
      "",
      "CPU µs/request",
      "balance",
      "× 1 worker (calculated)",
      "responses/s",
      "× 1 worker (measured)",
    ],
    rows,
  };
}

/** The processes that serve clients: the workers, or the process itself without workers. */
function servingOf({ pid }: RunningProxy): readonly number[] {
  const workers = childrenOf(pid);
  return workers.length > 0 ? workers : [pid];
}

function limitAll(pids: readonly number[], limit: NonNullable<ReturnType<typeof cpuLimiter>>): Disposable {
  const stack = new DisposableStack();
  for (const pid of pids) stack.use(limit(pid, share));
  return stack;
}

/** The admin port is derived from the client port. */
const adminPortOf = (port: number) => port + 100;

function peer(engine: string, workers: number): Peer {
  const port = 29192 + workers;
  const { command } = evenkeelPeer(engine, port, originPorts.length, adminPortOf(port));
  return {
    name: `${workers} worker${workers > 1 ? "s" : ""}`,
    port,
    command: [...command, "--workers", String(workers)],
  };
}

/** The number of requests of each worker, reported once a second; one number without workers. */
async function requestsOf({ port }: RunningProxy): Promise<readonly number[]> {
  await Bun.sleep(1_200);
  const response = await fetch(`http://127.0.0.1:${adminPortOf(port)}/api/snapshot`);
  const { workers } = (await response.json()) as { workers?: readonly { requests: number }[] };
  // A single process serves all requests; their number does not matter.
  return workers?.map(({ requests }) => requests) ?? [performance.now()];
}
