/** The answer that a backend exists for: what came in, told back after a while, or whatever the knobs ask for. */

import { countBytes, demoJson, demoProblem, patternBytes, quoteInput } from "./bodies.ts";
import type { Schedule, WallClock } from "../lib/clock.ts";
import type { Random } from "../lib/random.ts";

export interface FaultInjectionOptions {
  /** Milliseconds, drawn evenly from this range. */
  readonly latencyMs: { readonly min: number; readonly max: number };
  /** Share of answers that are 500, 0–1. */
  readonly failRate: number;
  readonly random: Random;
  readonly schedule: Schedule;
  readonly server: () => ServerDescription;
}

/** How a backend names itself in its answers. */
export interface ServerDescription {
  readonly name: string;
  readonly port: number;
  /** ISO 8601, in UTC. */
  readonly time: string;
}

export function describeRequest(name: string, port: number, wallClock: WallClock): ServerDescription {
  return { name, port, time: new Date(wallClock()).toISOString() };
}

/** Statuses whose answers have no body (RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5). */
const bodiless: ReadonlySet<number> = new Set([204, 205, 304]);

/** Reads the request to its end, waits as long as latency or knob say, and answers. */
export async function echo(
  options: FaultInjectionOptions,
  request: Request,
  remote: string,
): Promise<Response> {
  const { pathname: path, searchParams } = new URL(request.url);
  const knobs = readEchoOptions(searchParams);
  if ("problems" in knobs) return demoProblem(400, knobs.problems.join("; "));
  const bytes = await countBytes(request.body);
  if (bytes === undefined) return demoProblem(400, "Cannot read the body: it breaks off");
  await latency(options, knobs);
  const status = knobs.status ?? (options.random() < options.failRate ? 500 : 200);
  if (bodiless.has(status)) return new Response(null, { status });
  if (knobs.bytes !== undefined) {
    const headers = { "content-type": "application/octet-stream", "cache-control": "no-store" };
    return new Response(patternBytes(knobs.bytes), { status, headers });
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

// The knobs of a rehearsal: what a request's query may ask of the demo backend's answer.

export interface EchoOptions {
  /** Takes the place of the simulated latency, in milliseconds. */
  readonly ms?: number;
  /** Takes the place of 200, and of the dice. */
  readonly status?: number;
  /** Answers with this many bytes instead of JSON. */
  readonly bytes?: number;
}

interface Range {
  readonly min: number;
  readonly max: number;
}

/** A minute outlasts every timeout worth rehearsing; a GiB is streamed and costs no memory. */
const ranges: Readonly<Record<keyof EchoOptions, Range>> = {
  ms: { min: 0, max: 60_000 },
  status: { min: 200, max: 599 },
  bytes: { min: 0, max: 2 ** 30 },
};

/** The knobs that the query sets, or everything that is wrong with them. */
export function readEchoOptions(
  query: URLSearchParams,
): EchoOptions | { readonly problems: readonly string[] } {
  let options: EchoOptions = {};
  const problems: string[] = [];
  for (const name of ["ms", "status", "bytes"] as const) {
    const given = query.get(name);
    if (given === null) continue;
    const { min: least, max: most } = ranges[name];
    const value = /^\d{1,10}$/.test(given) ? Number(given) : Number.NaN;
    if (value >= least && value <= most) options = { ...options, [name]: value };
    else
      problems.push(
        `Cannot use ${name}: it must be a whole number from ${least} to ${most}, received ${quoteInput(given)}`,
      );
  }
  return problems.length > 0 ? { problems } : options;
}
