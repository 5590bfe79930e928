/** The knobs of a rehearsal: what a request's query may ask of the demo backend's answer. */

import { quoteInput } from "./answers.ts";

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
