/** Reads what somebody wants to rehearse: every problem at once, each with its path. */

import { quote, problemSentence } from "../config/problem.ts";
import {
  maxFaultLatencyMs,
  maxFaultMs,
  type FaultSpec,
  type InjectedError,
  injectedErrors,
  defaultFaultMs,
} from "../fault/fault.ts";
import { type CommandError, commandError } from "./control.ts";

export interface FaultRequest extends Pick<FaultSpec, "latencyMs" | "errorShare" | "error" | "probes"> {
  readonly durationMs: number;
  /** Also where the pool would have to do without too many. */
  readonly force: boolean;
}

const keys = ["latencyMs", "errorShare", "error", "seconds", "probes", "force"] as const;

/** @param given `{latencyMs, errorShare, error, seconds, probes, force}`; what is left out is 0, `connect_refused`, 30, false */
export function parseFaultRequest(given: Readonly<Record<string, unknown>>): FaultRequest | CommandError {
  const problems: string[] = [];
  const refuse = (key: string, why: string) => {
    problems.push(problemSentence({ action: `use ${key}`, why, received: quote(given[key]) }));
  };
  const number = (key: string, [least, most, fallback]: readonly [number, number, number]) => {
    const value = given[key] ?? fallback;
    if (typeof value === "number" && value >= least && value <= most) return value;
    refuse(key, `it must be a number from ${least} to ${most}`);
    return fallback;
  };
  const choice = (key: string) => {
    const value = given[key] ?? false;
    if (typeof value !== "boolean") refuse(key, "it must be true or false");
    return value === true;
  };
  for (const key of Object.keys(given)) {
    if (!keys.some((known) => known === key)) refuse(key, `it must be one of ${keys.join(", ")}`);
  }
  const latencyMs = number("latencyMs", [0, maxFaultLatencyMs, 0]);
  const errorShare = number("errorShare", [0, 1, 0]);
  const seconds = number("seconds", [1, maxFaultMs / 1_000, defaultFaultMs / 1_000]);
  const error = errorIn(given["error"] ?? "connect_refused");
  if (!error) refuse("error", `it must be one of ${injectedErrors.join(", ")}`);
  const [probes, force] = [choice("probes"), choice("force")];
  if (problems.length === 0 && latencyMs === 0 && errorShare === 0 && !probes) {
    problems.push("Cannot rehearse nothing: name a latencyMs or an errorShare above 0, or probes");
  }
  if (problems.length > 0 || !error) {
    return { ...commandError(422, "rehearsal_invalid", problems.join("; ")), problems };
  }
  return { latencyMs, errorShare, error, probes, force, durationMs: seconds * 1_000 };
}

function errorIn(value: unknown): InjectedError | undefined {
  return injectedErrors.find((known) => known === value);
}
