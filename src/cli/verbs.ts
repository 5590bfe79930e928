/** The commands for a running balancer ("verbs"): their syntax, and how their arguments are parsed. */

import { type Problem, quote } from "../config/problem.ts";
import { parseDuration } from "../lib/units.ts";
import { type AlertVerb, alertVerbs, problemsEntry, readAlertVerb } from "./alert-verbs.ts";
import { type DryRunCommand, dryRunFlags, readDryRun } from "./dry-run.ts";
import { type FaultCommand, faultFlags, readFaultCommand } from "./fault-command.ts";

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
  | "fleet"
  | "ready"
  | "drain"
  | "maintenance"
  | "weight"
  | "add"
  | "remove"
  | "rehearse"
  | "events"
  | "problems"
  | "routes"
  | "alerts"
  | "silence"
  | "explain"
  | "dry-run"
  | "upgrade";

/** `--fleet`: how long to wait until all balancers of the fleet follow; missing without it. */
interface FleetWait {
  readonly fleetWaitMs?: number;
}

/** A parsed verb with its arguments. */
export type Verb =
  | {
      readonly verb: "status";
      readonly isWatched: boolean;
      readonly asJson: boolean;
      /** With the other balancers of its fleet. */
      readonly withFleet?: boolean;
    }
  | { readonly verb: "fleet"; readonly isWatched: boolean; readonly asJson: boolean }
  /** `evenkeel status --ready` */
  | { readonly verb: "readiness" }
  | ({
      readonly verb: "ready" | "maintenance";
      readonly upstream: string;
      readonly reason: string;
    } & FleetWait)
  | ({
      readonly verb: "drain";
      readonly upstream: string;
      readonly reason: string;
      readonly waitMs: number;
      readonly isForced: boolean;
    } & FleetWait)
  | ({
      readonly verb: "weight";
      readonly upstream: string;
      /** Null selects the configured weight. */
      readonly weight: number | null;
      readonly reason: string;
    } & FleetWait)
  | ({
      readonly verb: "add";
      readonly pool: string;
      /** Body for the API; the balancer validates it. */
      readonly newUpstream: Readonly<Record<string, string | number | boolean>>;
      readonly reason: string;
    } & FleetWait)
  | ({
      readonly verb: "remove";
      readonly upstream: string;
      readonly waitMs: number;
      readonly reason: string;
    } & FleetWait)
  | ({ readonly verb: "rehearse"; readonly reason: string } & FaultCommand)
  | {
      readonly verb: "events";
      readonly isFollowed: boolean;
      readonly upstream: string | undefined;
      readonly limit: number;
      readonly asJson: boolean;
    }
  | { readonly verb: "routes"; readonly isWatched: boolean; readonly asJson: boolean }
  | AlertVerb
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

const reasonFlag = { name: "--reason", value: "<text>", summary: "reason of the change, shown to others" };
const waitFlag = {
  name: "--wait",
  value: "<time>",
  summary: "wait until no requests are in flight, at most this long: 30s; exit 1 if some remain",
};
const fleetFlag = {
  name: "--fleet",
  value: "",
  summary:
    "wait until all balancers of the fleet follow (default 5s, see --wait); exit 1 with the names of the others",
};
const fleetWaitFlag = {
  name: "--wait",
  value: "<time>",
  summary: "with --fleet: how long to wait for the other balancers: 30s",
};
const readyFlag = {
  name: "--ready",
  value: "",
  summary: "only whether the balancer accepts clients, for health checks; needs no token",
};
const watchFlag = { name: "--watch", value: "", summary: "refresh every second" };
const jsonFlag = { name: "--json", value: "", summary: "print the API response as JSON" };

export const verbs: Readonly<Record<VerbName, VerbEntry>> = {
  status: {
    summary:
      "Shows what is wrong and every upstream; exits 1 if a problem is critical, the balancer is not serving or a pool has no available upstream.",
    operands: [],
    ownFlags: [
      watchFlag,
      { name: "--fleet", value: "", summary: "also the other balancers of the fleet; see evenkeel fleet" },
      readyFlag,
      jsonFlag,
    ],
  },
  fleet: {
    summary:
      "Lists the balancers of the fleet; exits 1 if one is silent or differs, or orders are not shared.",
    operands: [],
    ownFlags: [watchFlag, jsonFlag],
  },
  problems: problemsEntry,
  routes: {
    summary: "Lists the routes with their traffic of the last minute and where each leads, worst first.",
    operands: [],
    ownFlags: [watchFlag, jsonFlag],
  },
  ...alertVerbs,
  ready: {
    summary: "Lets an upstream take requests again and ends its ejection.",
    operands: ["<upstream>"],
    ownFlags: [fleetFlag, fleetWaitFlag, reasonFlag],
  },
  drain: {
    summary: "Stops sending new requests to an upstream and lets in-flight requests finish.",
    operands: ["<upstream>"],
    ownFlags: [
      waitFlag,
      fleetFlag,
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
    ownFlags: [
      fleetFlag,
      {
        ...fleetWaitFlag,
        summary: "with --fleet: how long to wait until none of them has requests in flight: 30s",
      },
      reasonFlag,
    ],
  },
  weight: {
    summary: "Sets the weight of an upstream: 0 to 256, or configured.",
    operands: ["<upstream>", "<weight>"],
    ownFlags: [fleetFlag, fleetWaitFlag, reasonFlag],
  },
  add: {
    summary: "Adds an upstream to a pool.",
    operands: ["<pool>", "<url>"],
    ownFlags: [
      { name: "--weight", value: "<weight>", summary: "relative share of the pool's traffic, 0 to 256" },
      { name: "--backup", value: "", summary: "serve only when no other upstream is available" },
      { name: "--name", value: "<name>", summary: "name of the upstream (default: host and port)" },
      fleetFlag,
      fleetWaitFlag,
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
      fleetFlag,
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

/** Without faults an order reaches all balancers within a tenth of a second, and with a short one of the store within three. */
const defaultFleetWaitMs = 5_000;

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
  const fleetWait = () => {
    if (has("--fleet")) return { fleetWaitMs: waitMs() || defaultFleetWaitMs };
    return {};
  };
  /** For orders that are over at once where they are given. */
  const onlyFleetWait = () => {
    if (has("--wait") && !has("--fleet"))
      problems.push({ action: "use --wait", why: "only together with --fleet" });
    return fleetWait();
  };
  const readReadiness = (): Verb => {
    const why = "not allowed together with --ready";
    for (const name of ["--watch", "--json", "--fleet"])
      if (has(name)) problems.push({ action: `use ${name}`, why });
    return { verb: "readiness" };
  };
  const parsed = (): Verb => {
    switch (verb) {
      case "status":
        if (has("--ready")) return readReadiness();
        return {
          ...{ verb, isWatched: has("--watch"), asJson: has("--json") },
          ...(has("--fleet") && { withFleet: true }),
        };
      case "fleet":
      case "routes":
        return { verb, isWatched: has("--watch"), asJson: has("--json") };
      case "ready":
      case "maintenance":
        return { verb, upstream: first, ...onlyFleetWait(), ...reason };
      case "drain": {
        const wait = fleetWait();
        // A forced drain without a time aborts at once, in a fleet too.
        const drainMs = has("--force") ? waitMs() : (wait.fleetWaitMs ?? waitMs());
        return { verb, upstream: first, waitMs: drainMs, isForced: has("--force"), ...wait, ...reason };
      }
      case "weight": {
        const weight = second === "configured" ? null : (number("<weight>", second, 256) ?? null);
        return { verb, upstream: first, weight, ...onlyFleetWait(), ...reason };
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
        return { verb, pool: first, newUpstream, ...onlyFleetWait(), ...reason };
      }
      case "remove":
        return { verb, upstream: first, waitMs: waitMs(), ...fleetWait(), ...reason };
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
      case "alerts":
      case "silence": {
        const command = readAlertVerb(verb, operands, written);
        if ("verb" in command) return command;
        problems.push(...command);
        return { verb: "alerts", subcommand: "show", asJson: false };
      }
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
