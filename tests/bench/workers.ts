/**
 * What a second worker brings on a second core. A machine with two cores cannot show it outright, since load and servers
 * need them too; so there are two figures, and each has its limits.
 *
 * Calculated: with cores of their own for load and servers, workers are busy for as long as their requests take CPU time,
 * and the one that got most connections is the first to be full. So 2 × (CPU per request of one ÷ of two) × balance, where
 * balance = half ÷ the larger share of the requests. It leaves out what cores take from each other (caches, memory, the
 * kernel's locks).
 *
 * Seen: answers a second where load is as cheap as can be: requests that no route takes, sixteen at a time, which need no
 * server. The load still takes its part of one of the two cores from the second worker, so this is less than there would be.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { bothCores, type Contender, type Field } from "./field.ts";
import { measure, pipelined } from "./measure.ts";
import { originPorts, type Peer } from "./peers.ts";
import { alternate, median, type Rounds, type Table } from "./scenarios.ts";

const path = "/120.bin";
/** Connections are dealt by the hash of their addresses: the more, the more evenly. */
const connections = 256;

export async function secondWorker(field: Field, engine: string, rounds: Rounds): Promise<Table> {
  const one = await field.enter(peer(field.folder, { engine, workers: 1 }), bothCores);
  const two = await field.enter(peer(field.folder, { engine, workers: 2 }), bothCores);
  const all = [one, two];
  const runs = await alternate(all, rounds, async (contender, seconds) => {
    const before = await requestsOf(contender);
    const { cpuMicros } = await measure(contender, { path, connections, seconds, isFresh: false });
    const after = await requestsOf(contender);
    const counts = after.map((count, i) => count - (before[i] ?? 0));
    const largest = Math.max(...counts) / counts.reduce((sum, count) => sum + count, 0);
    return { cpuMicros, balance: 1 / counts.length / largest };
  });
  const unrouted = { path: "/nowhere", connections, isFresh: false };
  const refusals = await alternate(all, rounds, (contender, seconds) =>
    pipelined(contender, field.folder, { ...unrouted, seconds }),
  );
  await Promise.all(all.map((contender) => contender.stop()));
  const of = (name: string, key: "cpuMicros" | "balance") =>
    median((runs.get(name) ?? []).map((run) => run[key]));
  const seen = (name: string) => median(refusals.get(name) ?? []);
  const rows = all.map(({ name }, i) => {
    const capacity = ((i + 1) * of(one.name, "cpuMicros") * of(name, "balance")) / of(name, "cpuMicros");
    return [
      name,
      of(name, "cpuMicros").toFixed(1),
      of(name, "balance").toFixed(2),
      capacity.toFixed(2),
      seen(name).toFixed(0),
      (seen(name) / seen(one.name)).toFixed(2),
    ];
  });
  return {
    title: `A second worker on a second core, ${connections} clients`,
    head: ["", "CPU µs/request", "balance", "× 1 worker, calculated", "refusals/s", "× 1 worker, seen"],
    rows,
  };
}

/** The port of the admin API goes with the port for clients. */
const adminPortOf = (port: number) => port + 100;

function peer(folder: string, { engine, workers }: { engine: string; workers: number }): Peer {
  const port = 29192 + workers;
  const file = join(folder, "routed.json");
  const upstreams = originPorts.map((origin) => `http://127.0.0.1:${origin}`);
  writeFileSync(file, JSON.stringify({ pools: { main: { upstreams } }, routes: [{ path, pool: "main" }] }));
  const flags = ["--host", "127.0.0.1", "--port", String(port), "--admin-port", String(adminPortOf(port))];
  const main = join(import.meta.dirname, "../../src/main.ts");
  const more = ["--state", ":memory:", "--engine", engine, "--workers", String(workers), "--config", file];
  return {
    name: `${workers} worker${workers > 1 ? "s" : ""}`,
    port,
    command: [process.execPath, main, "proxy", ...flags, ...more],
  };
}

/** What each worker has served; one number where there are none. They tell it once a second. */
async function requestsOf({ port }: Contender): Promise<readonly number[]> {
  await Bun.sleep(1_200);
  const answer = await fetch(`http://127.0.0.1:${adminPortOf(port)}/api/snapshot`);
  const { workers } = (await answer.json()) as { workers?: readonly { requests: number }[] };
  // A single process has all requests; how many those are does not matter.
  return workers?.map(({ requests }) => requests) ?? [performance.now()];
}
