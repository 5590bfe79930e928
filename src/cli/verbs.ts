/** The commands that ask a running balancer for something or tell it to do something: their words, and what these mean. */

import { type Problem, quote } from "../config/problem.ts";
import { injectedErrors } from "../fault/fault.ts";
import { parseDuration } from "../lib/units.ts";

// The words of `evenkeel rehearse`: what they mean for the admin API, which knows the limits.

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
  | "explain";

/** What was said, understood. */
export type Verb =
  | { readonly verb: "status"; readonly isWatched: boolean; readonly asJson: boolean }
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
      /** Null for the configured one. */
      readonly weight: number | null;
      readonly reason: string;
    }
  | {
      readonly verb: "add";
      readonly pool: string;
      /** As the API takes it: the balancer knows the rules. */
      readonly newcomer: Readonly<Record<string, string | number | boolean>>;
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
  | { readonly verb: "explain"; readonly request: string; readonly asJson: boolean };

export interface VerbEntry {
  readonly summary: string;
  /** Words that have to follow, as help shows them: "<upstream>". */
  readonly operands: readonly string[];
  readonly switches: readonly VerbFlag[];
}

const reason = { name: "--reason", value: "<text>", summary: "kept with the change, and shown to others" };
const wait = {
  name: "--wait",
  value: "<time>",
  summary: "waits until it is empty, at most so long: 30s; not empty by then is exit 1",
};
const json = { name: "--json", value: "", summary: "what the API says, as JSON" };

export const verbs: Readonly<Record<VerbName, VerbEntry>> = {
  status: {
    summary: "Prints how everything is; exit 1 if it does not serve, or a pool has nobody fit.",
    operands: [],
    switches: [{ name: "--watch", value: "", summary: "anew every second" }, json],
  },
  ready: {
    summary: "Lets an upstream serve again, and ends its ejection.",
    operands: ["<upstream>"],
    switches: [reason],
  },
  drain: {
    summary: "Gives an upstream nothing new and lets what is under way finish.",
    operands: ["<upstream>"],
    switches: [
      wait,
      { name: "--force", value: "", summary: "cuts what is left when the time is up" },
      reason,
    ],
  },
  maintenance: {
    summary: "Takes an upstream out until it is ready.",
    operands: ["<upstream>"],
    switches: [reason],
  },
  weight: {
    summary: "Sets an upstream's share: 0 to 256, or configured.",
    operands: ["<upstream>", "<weight>"],
    switches: [reason],
  },
  add: {
    summary: "Adds an upstream to a pool.",
    operands: ["<pool>", "<url>"],
    switches: [
      { name: "--weight", value: "<weight>", summary: "share relative to its siblings, 0 to 256" },
      { name: "--backup", value: "", summary: "serves only when no other is fit" },
      { name: "--name", value: "<name>", summary: "by default its host and port" },
      reason,
    ],
  },
  remove: {
    summary: "Drains an upstream, then takes it out of its pool.",
    operands: ["<upstream>"],
    switches: [wait, reason],
  },
  rehearse: {
    summary: "Plays a fault on an upstream for a while, or ends it.",
    operands: ["<upstream>"],
    switches: [...faultFlags, reason],
  },
  events: {
    summary: "Prints what changed, who did it and why.",
    operands: [],
    switches: [
      { name: "--follow", value: "", summary: "goes on with what happens" },
      { name: "--upstream", value: "<name>", summary: "only those of this one" },
      { name: "--limit", value: "<count>", summary: "the last so many, 0 to 2000 (default 20)" },
      { ...json, summary: "a line of JSON each" },
    ],
  },
  explain: {
    summary: "Tells what became of one request, by its X-Request-Id.",
    operands: ["<request-id>"],
    switches: [json],
  },
};

export const exitCodes =
  "Exit: 0 done, 1 what was asked for is not reached, 2 misuse or refused, 3 no balancer answers.";

export function isVerb(name: string): name is VerbName {
  return Object.hasOwn(verbs, name);
}

const maxWaitMs = 3_600_000;
const eventsByDefault = 20;
const maxEvents = 2_000;

/**
 * @param operands as many as the verb has
 * @param written values of the switches, by name
 */
export function readVerb(
  verb: VerbName,
  operands: readonly string[],
  written: ReadonlyMap<string, string>,
): Verb | readonly Problem[] {
  const problems: Problem[] = [];
  const [first = "", second = ""] = operands;
  const has = (name: string) => written.has(name);
  const said = { reason: written.get("--reason") ?? "" };
  const number = (name: string, text: string | undefined, most: number): number | undefined => {
    if (text === undefined) return undefined;
    if (/^\d{1,5}$/.test(text) && Number(text) <= most) return Number(text);
    const further = name === "<weight>" ? ", or configured" : "";
    const why = `it needs a whole number from 0 to ${most}${further}`;
    problems.push({ action: `use ${name}`, why, received: quote(text) });
    return undefined;
  };
  const waitMs = () => {
    const text = written.get("--wait");
    const parsed = text === undefined ? 0 : parseDuration(text);
    if (parsed !== undefined && parsed <= maxWaitMs) return Math.round(parsed);
    const why = "it needs a duration of at most 1h, such as 30s";
    problems.push({ action: "use --wait", why, received: quote(text) });
    return 0;
  };
  const understood = (): Verb => {
    switch (verb) {
      case "status":
        return { verb, isWatched: has("--watch"), asJson: has("--json") };
      case "ready":
      case "maintenance":
        return { verb, upstream: first, ...said };
      case "drain":
        return { verb, upstream: first, waitMs: waitMs(), isForced: has("--force"), ...said };
      case "weight": {
        const weight = second === "configured" ? null : (number("<weight>", second, 256) ?? null);
        return { verb, upstream: first, weight, ...said };
      }
      case "add": {
        const weight = number("--weight", written.get("--weight"), 256);
        const name = written.get("--name");
        const newcomer = {
          url: second,
          ...(weight !== undefined && { weight }),
          ...(has("--backup") && { backup: true }),
          ...(name !== undefined && { name }),
        };
        return { verb, pool: first, newcomer, ...said };
      }
      case "remove":
        return { verb, upstream: first, waitMs: waitMs(), ...said };
      case "rehearse": {
        const order = readFaultCommand(first, written);
        if ("upstream" in order) return { verb, ...order, ...said };
        problems.push(...order);
        return { verb, upstream: first, method: "DELETE", body: {}, ...said };
      }
      case "events": {
        const limit = number("--limit", written.get("--limit"), maxEvents) ?? eventsByDefault;
        const upstream = written.get("--upstream");
        return { verb, isFollowed: has("--follow"), upstream, limit, asJson: has("--json") };
      }
      case "explain":
        return { verb, request: first, asJson: has("--json") };
    }
  };
  const read = understood();
  return problems.length > 0 ? problems : read;
}

// A flag of one verb alone. Apart from the verbs, so that each of them can have a file of its own.

/** No variable stands for it belongs to one call and to no environment. */
export interface VerbFlag {
  readonly name: string;
  /** What stands for its value in help; empty if it has none. */
  readonly value: string;
  readonly summary: string;
}
