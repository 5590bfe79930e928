/** The echo endpoint of the demo backend: returns the received request as JSON, or what query parameters select. */

import { countBytes, demoJson, demoProblem, patternBytes, quoteInput } from "./bodies.ts";
import type { Schedule, WallClock } from "../lib/clock.ts";
import type { Random } from "../lib/random.ts";

export interface FaultInjectionOptions {
  /** Milliseconds, uniformly distributed. */
  readonly latencyMs: { readonly min: number; readonly max: number };
  /** Share of responses with status 500, 0–1. */
  readonly failRate: number;
  readonly random: Random;
  readonly schedule: Schedule;
  readonly server: () => ServerDescription;
}

/** Identifies the backend in its responses. */
export interface ServerDescription {
  readonly name: string;
  readonly port: number;
  /** ISO 8601, in UTC. */
  readonly time: string;
}

export function describeServer(name: string, port: number, wallClock: WallClock): ServerDescription {
  return { name, port, time: new Date(wallClock()).toISOString() };
}

/** Statuses without a response body (RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5). */
const bodiless: ReadonlySet<number> = new Set([204, 205, 304]);

/** Reads the request to its end, waits for the latency, and responds. */
export async function echo(
  options: FaultInjectionOptions,
  request: Request,
  remote: string,
): Promise<Response> {
  const { pathname: path, searchParams } = new URL(request.url);
  const echoOptions = readEchoOptions(searchParams);
  if ("problems" in echoOptions) return demoProblem(400, echoOptions.problems.join(" "));
  const bytes = await countBytes(request.body);
  if (bytes === undefined) return demoProblem(400, "Cannot read the request body: it was truncated.");
  await latency(options, echoOptions);
  const status = echoOptions.status ?? (options.random() < options.failRate ? 500 : 200);
  if (bodiless.has(status)) return new Response(null, { status });
  if (echoOptions.bytes !== undefined) {
    const headers = { "content-type": "application/octet-stream", "cache-control": "no-store" };
    return new Response(patternBytes(echoOptions.bytes), { status, headers });
  }
  const { method } = request;
  const seen = { path, method, headers: Object.fromEntries(request.headers), remote };
  return demoJson({ server: options.server(), request: request.body ? { ...seen, bytes } : seen }, status);
}

async function latency(
  { latencyMs, random, schedule }: FaultInjectionOptions,
  options: EchoOptions,
): Promise<void> {
  const delayMs = options.ms ?? latencyMs.min + random() * (latencyMs.max - latencyMs.min);
  if (delayMs > 0) await new Promise<void>((resolve) => void schedule(delayMs, resolve));
}

/** Query parameters of a request that control its response. */
export interface EchoOptions {
  /** Latency in milliseconds, instead of the configured one. */
  readonly ms?: number;
  /** Status, instead of 200 and of random failures. */
  readonly status?: number;
  /** Size of a response body in bytes, instead of JSON. */
  readonly bytes?: number;
}

interface Range {
  readonly min: number;
  readonly max: number;
}

/** A minute is longer than every timeout worth testing. A GiB is streamed and needs no memory. */
const ranges: Readonly<Record<keyof EchoOptions, Range>> = {
  ms: { min: 0, max: 60_000 },
  status: { min: 200, max: 599 },
  bytes: { min: 0, max: 2 ** 30 },
};

/** The options in the query, or all its problems. */
export function readEchoOptions(
  query: URLSearchParams,
): EchoOptions | { readonly problems: readonly string[] } {
  let options: EchoOptions = {};
  const problems: string[] = [];
  for (const name of ["ms", "status", "bytes"] as const) {
    const text = query.get(name);
    if (text === null) continue;
    const { min, max } = ranges[name];
    const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) options = { ...options, [name]: value };
    else
      problems.push(
        `Cannot use ${name}: expected a whole number from ${min} to ${max} (received ${quoteInput(text)}).`,
      );
  }
  return problems.length > 0 ? { problems } : options;
}
