/** One run of wrk against one proxy, and what that cost the proxy: CPU time from /proc, which a noisy machine distorts least. */

import { readFileSync } from "node:fs";

export interface LoadShape {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  /** Whether every request opens a connection of its own. */
  readonly isFresh: boolean;
}

export interface Measured {
  readonly cpuMicros: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly memoryMiB: number;
}

/** @param pid of the proxy; its children count too; @param loadCore where wrk runs. Throws if any request failed. */
export async function measure(pid: number, shape: LoadShape, loadCore: number): Promise<Measured> {
  const pids = family(pid);
  const before = ticksOf(pids);
  const headers = shape.isFresh ? ["-H", "Connection: close"] : [];
  const wrk = Bun.spawn(
    [
      ...["taskset", "-c", String(loadCore), "wrk", "-t1", `-c${shape.connections}`, `-d${shape.seconds}s`],
      ...["--latency", ...headers, shape.url],
    ],
    { stdout: "pipe" },
  );
  const text = await new Response(wrk.stdout).text();
  const used = ticksOf(pids) - before;
  const requests = Number(/(\d+) requests in/.exec(text)?.[1] ?? 0);
  if (requests === 0 || /Non-2xx/.test(text)) throw new Error(`Cannot measure ${shape.url}: ${text}`);
  return {
    cpuMicros: (used * microsPerTick) / requests,
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1] ?? 0),
    p50Ms: latency(text, 50),
    p99Ms: latency(text, 99),
    memoryMiB: memoryOf(pids),
  };
}

/** Linux counts a process's time in hundredths of a second. */
const microsPerTick = 10_000;

function latency(text: string, percent: number): number {
  const match = new RegExp(`${percent}%\\s+([\\d.]+)(us|ms|s)`).exec(text);
  const unit = { us: 0.001, ms: 1, s: 1000 }[match?.[2] ?? "ms"] ?? 1;
  return Number(match?.[1] ?? Number.NaN) * unit;
}

function family(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
    .trim()
    .split(" ")
    .filter(Boolean)
    .map(Number);
  return [pid, ...children.flatMap(family)];
}

function ticksOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return sum + Number(fields[11]) + Number(fields[12]);
  }, 0);
}

function memoryOf(pids: readonly number[]): number {
  const kilobytes = pids.map((pid) =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0),
  );
  return kilobytes.reduce((sum, value) => sum + value, 0) / 1024;
}
