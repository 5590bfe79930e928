/**
 * What a second worker brings. Load and servers need cores of their own, which a machine with two does not have; so each
 * process that serves clients gets a fixed share of a core, as in a container, and the rest is for load and servers. Two
 * workers with a share each against one process with one: as many cores as one likes, at a smaller scale. The one process
 * also does the control plane's work out of its share, a few per cent of it, which two workers leave to their parent.
 *
 * Where processes cannot be limited, what is left is a calculation: with cores of their own for load and servers, workers
 * are busy for as long as their requests take CPU time, and the one that got most connections is the first to be full. So
 * 2 × (CPU per request of one ÷ of two) × balance, where balance = half ÷ the larger share of the requests. It leaves out
 * what cores take from each other (caches, memory, the kernel's locks), as the shares do in part.
 */

import { bothCores, type RunningProxy, type Testbed } from "./field.ts";
import { childrenOf, measure } from "./measure.ts";
import { evenkeelPeer, originPorts, type Peer } from "./peers.ts";
import { cpuLimiter } from "./ration.ts";
import { alternate, median, type Rounds, type Table } from "./scenarios.ts";

const path = "/120.bin";
/** Connections are dealt by the hash of their addresses: the more, the more evenly. */
const connections = 256;
/** Of a core, for each process that serves clients. */
const share = 0.4;

export async function secondWorker(testbed: Testbed, engine: string, rounds: Rounds): Promise<Table> {
  const one = await testbed.startProxy(peer(engine, 1), bothCores);
  const two = await testbed.startProxy(peer(engine, 2), bothCores);
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
    title: `A second worker, ${connections} clients; each process that serves has ${share} of a core where answers a second are counted`,
    head: ["", "CPU µs/request", "balance", "× 1 worker, calculated", "answers/s", "× 1 worker, seen"],
    rows,
  };
}

/** The processes that serve clients: a single one does so itself. */
function servingOf({ pid }: RunningProxy): readonly number[] {
  const workers = childrenOf(pid);
  return workers.length > 0 ? workers : [pid];
}

function limitAll(pids: readonly number[], limit: NonNullable<ReturnType<typeof cpuLimiter>>): Disposable {
  const stack = new DisposableStack();
  for (const pid of pids) stack.use(limit(pid, share));
  return stack;
}

/** The port of the admin API goes with the port for clients. */
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

/** What each worker has served; one number where there are none. They tell it once a second. */
async function requestsOf({ port }: RunningProxy): Promise<readonly number[]> {
  await Bun.sleep(1_200);
  const response = await fetch(`http://127.0.0.1:${adminPortOf(port)}/api/snapshot`);
  const { workers } = (await response.json()) as { workers?: readonly { requests: number }[] };
  // A single process has all requests; how many those are does not matter.
  return workers?.map(({ requests }) => requests) ?? [performance.now()];
}
