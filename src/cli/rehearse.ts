/** The words of `evenkeel rehearse`: what they mean for the admin API, which knows the limits. */

import { type Problem, quote } from "../config/problem.ts";
import { parseDuration } from "../lib/units.ts";
import { injectedErrors } from "../fault/fault.ts";
import type { VerbFlag } from "./switch.ts";

export const faultFlags: readonly VerbFlag[] = [
  { name: "--latency", value: "<time>", summary: "delays each request by so long: 2s; at most 30s" },
  { name: "--errors", value: "<share>", summary: "lets this share of the requests fail, 0 to 1" },
  { name: "--kind", value: "<word>", summary: `how they fail: ${injectedErrors.join(", ")}` },
  { name: "--for", value: "<time>", summary: "ends after so long, at most 10m (default 30s)" },
  { name: "--probes", value: "", summary: "lets active checks fail too" },
  { name: "--force", value: "", summary: "also where the pool would be left with too few" },
  { name: "--end", value: "", summary: "ends the rehearsal that runs" },
];

/** What the admin API is asked for. */
export interface FaultCommand {
  readonly upstream: string;
  readonly method: "PUT" | "DELETE";
  readonly body: Readonly<Record<string, string | number | boolean>>;
}

/** @param written values of the switches, by name */
export function readFaultCommand(
  upstream: string,
  written: ReadonlyMap<string, string>,
): FaultCommand | readonly Problem[] {
  const problems: Problem[] = [];
  if (written.has("--end")) {
    for (const { name } of faultFlags) {
      if (name === "--end" || !written.has(name)) continue;
      problems.push({ action: `use ${name}`, why: "it means nothing together with --end" });
    }
    return problems.length > 0 ? problems : { upstream, method: "DELETE", body: {} };
  }
  const number = (name: string, read: (text: string) => number | undefined, wanted: string) => {
    const text = written.get(name);
    if (text === undefined) return undefined;
    const value = read(text);
    if (value === undefined)
      problems.push({ action: `use ${name}`, why: `it needs ${wanted}`, received: quote(text) });
    return value;
  };
  const latencyMs = number("--latency", parseDuration, "a duration, such as 2s");
  const forMs = number("--for", parseDuration, "a duration, such as 30s");
  const isShare = (text: string) => (/^(\d+(\.\d+)?|\.\d+)$/.test(text) ? Number(text) : undefined);
  const errorShare = number("--errors", isShare, "a number from 0 to 1, such as 0.3");
  if (problems.length > 0) return problems;
  const error = written.get("--kind");
  const body = {
    ...(latencyMs !== undefined && { latencyMs }),
    ...(errorShare !== undefined && { errorShare }),
    ...(error !== undefined && { error }),
    ...(forMs !== undefined && { seconds: forMs / 1_000 }),
    ...(written.has("--probes") && { probes: true }),
    ...(written.has("--force") && { force: true }),
  };
  return { upstream, method: "PUT", body };
}
