/** Runs load against a proxy and measures its cost: CPU time from /proc, which a noisy machine distorts least. */

import { readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type RunningProxy, loadCore } from "./testbed.ts";

export interface LoadShape {
  readonly path: string;
  readonly connections: number;
  readonly seconds: number;
  /** Whether every request opens a new connection. */
  readonly isFresh: boolean;
  /** Further header fields, "Name: value". */
  readonly headers?: readonly string[];
  /** A script of wrk, in Lua, that makes the requests. */
  readonly script?: string;
  /** Size of each response, where it is large: what came of unfinished responses is work, too. */
  readonly bodyBytes?: number;
}

export interface Measured {
  readonly cpuMicros: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly memoryMiB: number;
}

export interface MeasuredProxy extends Pick<RunningProxy, "pid" | "port"> {
  /** By default http. */
  readonly scheme?: string;
}

/** CPU microseconds of a request over HTTP/2: eight connections with sixteen streams each. Throws if a request fails. */
export async function h2loadCost(
  { pid, port }: MeasuredProxy,
  scheme: "http" | "https",
  seconds: number,
): Promise<number> {
  const pids = processTreeOf(pid);
  const before = ticksOf(pids);
  const text = await output([
    ...["h2load", "-t1", "-c8", "-m16", `-D${seconds}`],
    `${scheme}://127.0.0.1:${port}/120.bin`,
  ]);
  const used = ticksOf(pids) - before;
  const [, succeeded = "0", failed = "0"] = /(\d+) succeeded, (\d+) failed/.exec(text) ?? [];
  if (succeeded === "0" || failed !== "0") throw new Error(`Cannot measure port ${port}: ${text}`);
  return (used * microsPerTick) / Number(succeeded);
}

/** Sends as many requests as possible. Throws if a response is not 2xx, and says what the proxy had to say. */
export async function measure(
  { pid, port, scheme = "http" }: MeasuredProxy,
  shape: LoadShape,
): Promise<Measured> {
  const pids = processTreeOf(pid);
  const before = ticksOf(pids);
  const fields = [...(shape.isFresh ? ["Connection: close"] : []), ...(shape.headers ?? [])];
  const script = shape.script === undefined ? [] : ["-s", shape.script];
  const text = await output([
    ...["wrk", "-t1", `-c${shape.connections}`, `-d${shape.seconds}s`, "--latency"],
    ...[...fields.flatMap((field) => ["-H", field]), ...script],
    `${scheme}://127.0.0.1:${port}${shape.path}`,
  ]);
  const used = ticksOf(pids) - before;
  const finished = Number(/(\d+) requests in/.exec(text)?.[1] ?? 0);
  if (finished === 0 || /Non-2xx/.test(text)) {
    const refusal = await refusalOf(`${scheme}://127.0.0.1:${port}${shape.path}`);
    throw new Error(`Cannot measure port ${port}: ${text}${refusal}`);
  }
  const requests = shape.bodyBytes === undefined ? finished : readBytes(text) / shape.bodyBytes;
  return {
    cpuMicros: (used * microsPerTick) / requests,
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1] ?? 0),
    p50Ms: latency(text, 50),
    p99Ms: latency(text, 99),
    memoryMiB: memoryOf(pid),
  };
}

/** CPU milliseconds per second without requests: probes and other timers. */
export async function idleCost({ pid }: RunningProxy, seconds: number): Promise<number> {
  const before = ticksOf(processTreeOf(pid));
  await Bun.sleep(seconds * 1_000);
  return ((ticksOf(processTreeOf(pid)) - before) * microsPerTick) / 1_000 / seconds;
}

/** The 99th percentile at a steady rate below saturation, milliseconds; h2load paces its clients. */
export async function p99AtRate(
  { port }: RunningProxy,
  shape: LoadShape,
  perSecond: number,
): Promise<number> {
  const log = join(tmpdir(), `evenkeel-h2load-${process.pid}.log`);
  await output([
    ...["h2load", "--h1", "-t1", `-c${shape.connections}`, `-D${shape.seconds}`],
    ...[
      `--rps=${perSecond / shape.connections}`,
      `--log-file=${log}`,
      `http://127.0.0.1:${port}${shape.path}`,
    ],
  ]);
  const micros = readFileSync(log, "utf8")
    .trim()
    .split("\n")
    .map((line) => Number(line.split("\t")[2]))
    .toSorted((left, right) => left - right);
  rmSync(log);
  return (micros[Math.floor(micros.length * 0.99)] ?? Number.NaN) / 1000;
}

/** Resident memory of a process and its children, MiB. */
export function memoryOf(pid: number): number {
  return mebibytesOf(pid, /VmRSS:\s+(\d+)/);
}

/** Their anonymous memory, MiB: without the mapped parts of their programs. */
export function ownMemoryOf(pid: number): number {
  return mebibytesOf(pid, /RssAnon:\s+(\d+)/);
}

function mebibytesOf(pid: number, status: RegExp): number {
  const kilobytes = processTreeOf(pid).map((each) =>
    Number(status.exec(readFileSync(`/proc/${each}/status`, "utf8"))?.[1] ?? 0),
  );
  return kilobytes.reduce((sum, value) => sum + value, 0) / 1024;
}

/** Linux counts a process's time in hundredths of a second. */
const microsPerTick = 10_000;

/** What wrk has read, finished responses or not. */
function readBytes(text: string): number {
  const [, amount = "", unit = ""] = /([\d.]+)([KMG]?)B read/.exec(text) ?? [];
  return Number(amount) * 1_024 ** " KMG".indexOf(unit || " ");
}

/** Tries until the proxy refuses a request. @returns the response; empty if it refuses none any more */
async function refusalOf(url: string): Promise<string> {
  for (let i = 0; i < 100; i++) {
    const response = await fetch(url, { tls: { rejectUnauthorized: false } }).catch(String);
    if (typeof response === "string") return response;
    const body = await response.text();
    if (!response.ok) return `status ${response.status}: ${body.slice(0, 300)}`;
  }
  return "";
}

async function output(command: readonly string[]): Promise<string> {
  const child = Bun.spawn(["taskset", "-c", String(loadCore), ...command], {
    stdout: "pipe",
    stderr: "ignore",
  });
  return new Response(child.stdout).text();
}

function latency(text: string, percent: number): number {
  const match = new RegExp(`${percent}%\\s+([\\d.]+)(us|ms|s)`).exec(text);
  const unit = { us: 0.001, ms: 1, s: 1000 }[match?.[2] ?? "ms"] ?? 1;
  return Number(match?.[1] ?? Number.NaN) * unit;
}

export function childrenOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
  return children.filter(Boolean).map(Number);
}

function processTreeOf(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(processTreeOf)];
}

/** User and system time that the processes have used so far, microseconds. */
export function cpuMicrosOf(pids: readonly number[]): number {
  return ticksOf(pids) * microsPerTick;
}

function ticksOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return sum + Number(fields[11]) + Number(fields[12]);
  }, 0);
}
