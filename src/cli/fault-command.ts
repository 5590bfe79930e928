/** The flags of `evenkeel rehearse`, and the request that they make. */

import { type Problem, quote } from "../config/problem.ts";
import { injectedErrors } from "../fault/fault.ts";
import { parseDuration } from "../lib/units.ts";

/** Flags of `evenkeel rehearse`. The admin API checks the limits. */
export const faultFlags = [
  { name: "--latency", value: "<time>", summary: "delay of each attempt: 2s; at most 30s" },
  { name: "--errors", value: "<share>", summary: "share of attempts that fail, 0 to 1" },
  { name: "--kind", value: "<word>", summary: `type of the failures: ${injectedErrors.join(", ")}` },
  { name: "--for", value: "<time>", summary: "duration of the fault, at most 10m (default 30s)" },
  { name: "--probes", value: "", summary: "apply the fault to health checks too" },
  { name: "--force", value: "", summary: "even if too few upstreams would remain" },
  { name: "--end", value: "", summary: "stop the fault" },
];

/** A request to the admin API. */
export interface FaultCommand {
  readonly upstream: string;
  readonly method: "PUT" | "DELETE";
  readonly body: Readonly<Record<string, string | number | boolean>>;
}

/** @param written raw values of the flags, by name */
export function readFaultCommand(
  upstream: string,
  written: ReadonlyMap<string, string>,
): FaultCommand | readonly Problem[] {
  const problems: Problem[] = [];
  if (written.has("--end")) {
    for (const { name } of faultFlags) {
      if (name === "--end" || !written.has(name)) continue;
      problems.push({ action: `use ${name}`, why: "not allowed together with --end" });
    }
    return problems.length > 0 ? problems : { upstream, method: "DELETE", body: {} };
  }
  const number = (name: string, read: (text: string) => number | undefined, expected: string) => {
    const text = written.get(name);
    if (text === undefined) return undefined;
    const value = read(text);
    if (value === undefined)
      problems.push({ action: `use ${name}`, why: `expected ${expected}`, received: quote(text) });
    return value;
  };
  const latencyMs = number("--latency", parseDuration, "a duration such as 2s");
  const forMs = number("--for", parseDuration, "a duration such as 30s");
  const shareIn = (text: string) => (/^(\d+(\.\d+)?|\.\d+)$/.test(text) ? Number(text) : undefined);
  const errorShare = number("--errors", shareIn, "a number from 0 to 1");
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
