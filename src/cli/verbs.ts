/** The commands for a running balancer ("verbs"): their syntax, and how their arguments are parsed. */

import { type Problem, quote } from "../config/problem.ts";
import { injectedErrors } from "../fault/fault.ts";
import { parseDuration } from "../lib/units.ts";
import { type DryRunCommand, dryRunFlags, readDryRun } from "./dry-run.ts";

/** A flag of a single verb. It has no variable, because it belongs to one call. */
export interface VerbFlag {
  readonly name: string;
  /** Placeholder of its value in help; empty for a flag without a value. */
  readonly value: string;
  readonly summary: string;
  /** Present if it may be given several times. Its values are joined with commas. */
  readonly isList?: true;
  /** One letter for it: "-H". */
  readonly short?: string;
  /** The same for values that may have commas: they are joined with line feeds. */
  readonly isRepeatable?: boolean;
}

export type VerbName =
  | "status"
  | "ready"
  | "drain"
  | "maintenance"
  | "weight"
  | "add"
  | "remove"
  | "rehearse"
  | "events"
  | "problems"
  | "explain"
  | "dry-run"
  | "upgrade";

/** A parsed verb with its arguments. */
export type Verb =
  | { readonly verb: "status"; readonly isWatched: boolean; readonly asJson: boolean }
  /** `evenkeel status --ready` */
  | { readonly verb: "readiness" }
  | { readonly verb: "ready" | "maintenance"; readonly upstream: string; readonly reason: string }
  | {
      readonly verb: "drain";
      readonly upstream: string;
      readonly reason: string;
      readonly waitMs: number;
      readonly isForced: boolean;
    }
  | {
      readonly verb: "weight";
      readonly upstream: string;
      /** Null selects the configured weight. */
      readonly weight: number | null;
      readonly reason: string;
    }
  | {
      readonly verb: "add";
      readonly pool: string;
      /** Body for the API; the balancer validates it. */
      readonly newUpstream: Readonly<Record<string, string | number | boolean>>;
      readonly reason: string;
    }
  | { readonly verb: "remove"; readonly upstream: string; readonly waitMs: number; readonly reason: string }
  | ({ readonly verb: "rehearse"; readonly reason: string } & FaultCommand)
  | {
      readonly verb: "events";
      readonly isFollowed: boolean;
      readonly upstream: string | undefined;
      readonly limit: number;
      readonly asJson: boolean;
    }
  | {
      readonly verb: "problems";
      readonly isWatched: boolean;
      readonly withClosed: boolean;
      readonly asJson: boolean;
    }
  | { readonly verb: "explain"; readonly request: string; readonly asJson: boolean }
  | { readonly verb: "dry-run"; readonly request: DryRunCommand; readonly asJson: boolean }
  | { readonly verb: "upgrade"; readonly reason: string; readonly asJson: boolean };

export interface VerbEntry {
  readonly summary: string;
  /** Required arguments, as shown in help: "<upstream>". */
  readonly operands: readonly string[];
  /** Flags of this verb alone, without variables. */
  readonly ownFlags: readonly VerbFlag[];
}

/** Flags of `evenkeel rehearse`. The admin API checks the limits. */
const faultFlags: readonly VerbFlag[] = [
  { name: "--latency", value: "<time>", summary: "delay of each attempt: 2s; at most 30s" },
  { name: "--errors", value: "<share>", summary: "share of attempts that fail, 0 to 1" },
  { name: "--kind", value: "<word>", summary: `type of the failures: ${injectedErrors.join(", ")}` },
  { name: "--for", value: "<time>", summary: "duration of the fault, at most 10m (default 30s)" },
  { name: "--probes", value: "", summary: "apply the fault to health checks too" },
  { name: "--force", value: "", summary: "even if too few upstreams would remain" },
  { name: "--end", value: "", summary: "stop the fault" },
];

const reasonFlag = { name: "--reason", value: "<text>", summary: "reason of the change, shown to others" };
const waitFlag = {
  name: "--wait",
  value: "<time>",
  summary: "wait until no requests are in flight, at most this long: 30s; exit 1 if some remain",
};
const readyFlag = {
  name: "--ready",
  value: "",
  summary: "only whether the balancer accepts clients, for health checks; needs no token",
};
const jsonFlag = { name: "--json", value: "", summary: "print the API response as JSON" };

export const verbs: Readonly<Record<VerbName, VerbEntry>> = {
  status: {
    summary:
      "Shows what is wrong and every upstream; exits 1 if a problem is critical, the balancer is not serving or a pool has no available upstream.",
    operands: [],
    ownFlags: [{ name: "--watch", value: "", summary: "refresh every second" }, readyFlag, jsonFlag],
  },
  problems: {
    summary: "Lists what is wrong, worst first; exits 1 if clients notice one of them.",
    operands: [],
    ownFlags: [
      { name: "--all", value: "", summary: "also problems that have ended" },
      { name: "--watch", value: "", summary: "refresh every second" },
      jsonFlag,
    ],
  },
  ready: {
    summary: "Lets an upstream take requests again and ends its ejection.",
    operands: ["<upstream>"],
    ownFlags: [reasonFlag],
  },
  drain: {
    summary: "Stops sending new requests to an upstream and lets in-flight requests finish.",
    operands: ["<upstream>"],
    ownFlags: [
      waitFlag,
      {
        name: "--force",
        value: "",
        summary: "abort the requests that remain after --wait; without --wait at once",
      },
      reasonFlag,
    ],
  },
  maintenance: {
    summary: "Takes an upstream out of service until it is set to ready.",
    operands: ["<upstream>"],
    ownFlags: [reasonFlag],
  },
  weight: {
    summary: "Sets the weight of an upstream: 0 to 256, or configured.",
    operands: ["<upstream>", "<weight>"],
    ownFlags: [reasonFlag],
  },
  add: {
    summary: "Adds an upstream to a pool.",
    operands: ["<pool>", "<url>"],
    ownFlags: [
      { name: "--weight", value: "<weight>", summary: "relative share of the pool's traffic, 0 to 256" },
      { name: "--backup", value: "", summary: "serve only when no other upstream is available" },
      { name: "--name", value: "<name>", summary: "name of the upstream (default: host and port)" },
      reasonFlag,
    ],
  },
  remove: {
    summary: "Drains an upstream, then removes it from its pool.",
    operands: ["<upstream>"],
    ownFlags: [
      {
        ...waitFlag,
        summary:
          "wait until no requests are in flight, at most this long; then it is removed in any case, exit 1 if some remain",
      },
      reasonFlag,
    ],
  },
  rehearse: {
    summary: "Injects a fault on an upstream for a limited time, or stops it.",
    operands: ["<upstream>"],
    ownFlags: [...faultFlags, reasonFlag],
  },
  events: {
    summary: "Shows what changed, by whom and why.",
    operands: [],
    ownFlags: [
      { name: "--follow", value: "", summary: "continue with new events" },
      { name: "--upstream", value: "<name>", summary: "only events of this upstream" },
      { name: "--limit", value: "<count>", summary: "number of recent events, 0 to 2000 (default 20)" },
      { ...jsonFlag, summary: "print one JSON object per line" },
    ],
  },
  explain: {
    summary: "Explains what happened to one request, by its X-Request-Id.",
    operands: ["<request-id>"],
    ownFlags: [jsonFlag],
  },
  "dry-run": {
    summary: "Shows which route a request would take and where it would go, without sending it.",
    operands: ["<url>"],
    ownFlags: [...dryRunFlags, jsonFlag],
  },
  upgrade: {
    summary: "Starts the executable on disk as a new process, which takes over without a lost connection.",
    operands: [],
    ownFlags: [reasonFlag, jsonFlag],
  },
};

export const exitCodes =
  "Exit codes: 0 success, 1 target state not reached, 2 usage error or refused, 3 balancer unreachable.";

export function isVerb(name: string): name is VerbName {
  return Object.hasOwn(verbs, name);
}

const maxWaitMs = 3_600_000;
const defaultEvents = 20;
const maxEvents = 2_000;

/**
 * Parses the arguments of a verb, or reports all problems.
 * @param operands as many as the verb requires
 * @param written raw values of the flags, by name
 */
export function readVerb(
  verb: VerbName,
  operands: readonly string[],
  written: ReadonlyMap<string, string>,
): Verb | readonly Problem[] {
  const problems: Problem[] = [];
  const [first = "", second = ""] = operands;
  const has = (name: string) => written.has(name);
  const reason = { reason: written.get("--reason") ?? "" };
  const number = (name: string, text: string | undefined, max: number): number | undefined => {
    if (text === undefined) return undefined;
    if (/^\d{1,5}$/.test(text) && Number(text) <= max) return Number(text);
    const alternative = name === "<weight>" ? ", or configured" : "";
    const why = `expected a whole number from 0 to ${max}${alternative}`;
    problems.push({ action: `use ${name}`, why, received: quote(text) });
    return undefined;
  };
  const waitMs = () => {
    const text = written.get("--wait");
    const parsed = text === undefined ? 0 : parseDuration(text);
    if (parsed !== undefined && parsed <= maxWaitMs) return Math.round(parsed);
    const why = "expected a duration of at most 1h";
    problems.push({ action: "use --wait", why, received: quote(text) });
    return 0;
  };
  const readReadiness = (): Verb => {
    const why = "not allowed together with --ready";
    for (const name of ["--watch", "--json"]) if (has(name)) problems.push({ action: `use ${name}`, why });
    return { verb: "readiness" };
  };
  const parsed = (): Verb => {
    switch (verb) {
      case "status":
        if (has("--ready")) return readReadiness();
        return { verb, isWatched: has("--watch"), asJson: has("--json") };
      case "ready":
      case "maintenance":
        return { verb, upstream: first, ...reason };
      case "drain":
        return { verb, upstream: first, waitMs: waitMs(), isForced: has("--force"), ...reason };
      case "weight": {
        const weight = second === "configured" ? null : (number("<weight>", second, 256) ?? null);
        return { verb, upstream: first, weight, ...reason };
      }
      case "add": {
        const weight = number("--weight", written.get("--weight"), 256);
        const name = written.get("--name");
        const newUpstream = {
          url: second,
          ...(weight !== undefined && { weight }),
          ...(has("--backup") && { backup: true }),
          ...(name !== undefined && { name }),
        };
        return { verb, pool: first, newUpstream, ...reason };
      }
      case "remove":
        return { verb, upstream: first, waitMs: waitMs(), ...reason };
      case "rehearse": {
        const command = readFaultCommand(first, written);
        if ("upstream" in command) return { verb, ...command, ...reason };
        problems.push(...command);
        return { verb, upstream: first, method: "DELETE", body: {}, ...reason };
      }
      case "events": {
        const limit = number("--limit", written.get("--limit"), maxEvents) ?? defaultEvents;
        const upstream = written.get("--upstream");
        return { verb, isFollowed: has("--follow"), upstream, limit, asJson: has("--json") };
      }
      case "upgrade":
        return { verb, asJson: has("--json"), ...reason };
      case "problems":
        return { verb, isWatched: has("--watch"), withClosed: has("--all"), asJson: has("--json") };
      case "explain":
        return { verb, request: first, asJson: has("--json") };
      case "dry-run": {
        const request = readDryRun(first, written);
        problems.push(...request.problems);
        return { verb, request: request.command, asJson: has("--json") };
      }
    }
  };
  const result = parsed();
  return problems.length > 0 ? problems : result;
}

/** A request to the admin API. */
export interface FaultCommand {
  readonly upstream: string;
  readonly method: "PUT" | "DELETE";
  readonly body: Readonly<Record<string, string | number | boolean>>;
}

/** @param written raw values of the flags, by name */
function readFaultCommand(
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
