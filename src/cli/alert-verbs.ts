/** The arguments of `evenkeel problems`, `evenkeel alerts` and `evenkeel silence`. */

import { type Problem, quote } from "../config/problem.ts";

type AlertsCommand =
  | { readonly subcommand: "show"; readonly asJson: boolean }
  | { readonly subcommand: "test"; readonly receiver: string; readonly asJson: boolean };

type SilenceCommand =
  | { readonly subcommand: "list"; readonly asJson: boolean }
  | { readonly subcommand: "end"; readonly id: string }
  /** Body for the API; the balancer validates it. */
  | { readonly subcommand: "create"; readonly body: Readonly<Record<string, string>> };

type ProblemsCommand =
  | {
      readonly subcommand: "list";
      readonly isWatched: boolean;
      readonly withClosed: boolean;
      readonly asJson: boolean;
    }
  | { readonly subcommand: "dismiss"; readonly id: string; readonly reason: string };

export type AlertVerb =
  | ({ readonly verb: "problems" } & ProblemsCommand)
  | ({ readonly verb: "alerts" } & AlertsCommand)
  | ({ readonly verb: "silence" } & SilenceCommand);

const jsonFlag = { name: "--json", value: "", summary: "print the API response as JSON" };

const reasonFlag = { name: "--reason", value: "<text>", summary: "reason, recorded in the event" };

export const problemsEntry = {
  summary:
    "Lists what is wrong, worst first; exits 1 if clients notice one of them. `problems dismiss ID` ends a refused reload.",
  operands: ["[dismiss]", "[id]"],
  ownFlags: [
    { name: "--all", value: "", summary: "also problems that have ended" },
    { name: "--watch", value: "", summary: "refresh every second" },
    reasonFlag,
    jsonFlag,
  ],
};

const alertsEntry = {
  summary:
    "Shows receivers of alerts and what waits; `alerts test NAME` sends a test. Exits 1 if a receiver fails.",
  operands: ["[test]", "[name]"],
  ownFlags: [jsonFlag],
};

/** Each becomes a field of the request. */
const silenceFlags = [
  { name: "--kind", value: "<kind>", summary: "problems of this kind, such as upstream_slow" },
  { name: "--pool", value: "<name>", summary: "problems of this pool and its upstreams" },
  { name: "--upstream", value: "<name>", summary: "problems of this upstream" },
  { name: "--for", value: "<time>", summary: "how long: 2h, at most 30d" },
  { name: "--until", value: "<time>", summary: "end, as 2026-11-30T06:00:00Z; instead of --for" },
  { name: "--reason", value: "<text>", summary: "reason, shown beside the problems" },
];

const silenceEntry = {
  summary:
    "Keeps problems from receivers of alerts for a time; `silence list` and `silence end ID` show and end silences.",
  operands: ["[list|end]", "[id]"],
  ownFlags: [...silenceFlags, jsonFlag],
};

export const alertVerbs = { alerts: alertsEntry, silence: silenceEntry };

/** @param written raw values of the flags, by name */
export function readAlertVerb(
  verb: AlertVerb["verb"],
  operands: readonly string[],
  written: ReadonlyMap<string, string>,
): AlertVerb | readonly Problem[] {
  if (verb === "problems") {
    const command = readProblemsCommand(operands, written);
    return "subcommand" in command ? { verb, ...command } : command;
  }
  if (verb === "alerts") {
    const command = readAlertsCommand(operands, written.has("--json"));
    return "subcommand" in command ? { verb, ...command } : command;
  }
  const command = readSilenceCommand(operands, written);
  return "subcommand" in command ? { verb, ...command } : command;
}

function readProblemsCommand(
  [subcommand, id, ...more]: readonly string[],
  written: ReadonlyMap<string, string>,
): ProblemsCommand | readonly Problem[] {
  const has = (name: string) => written.has(name);
  const unused = (names: readonly string[], why: string) =>
    names.filter(has).map((name) => ({ action: `use ${name}`, why }));
  if (subcommand === undefined) {
    const problems = unused(["--reason"], "only together with dismiss");
    if (problems.length > 0) return problems;
    return {
      subcommand: "list",
      isWatched: has("--watch"),
      withClosed: has("--all"),
      asJson: has("--json"),
    };
  }
  if (subcommand !== "dismiss")
    return [
      {
        action: "run evenkeel problems",
        why: "expected dismiss, or no argument",
        received: quote(subcommand),
      },
    ];
  const problems = unused(["--all", "--watch", "--json"], "not allowed with dismiss");
  if (problems.length > 0) return problems;
  if (id === undefined || more.length > 0)
    return [
      {
        action: "run evenkeel problems dismiss",
        why: "expected the id of one problem; `evenkeel problems` shows it",
      },
    ];
  return { subcommand, id, reason: written.get("--reason") ?? "" };
}

function readAlertsCommand(
  [subcommand, receiver, ...more]: readonly string[],
  asJson: boolean,
): AlertsCommand | readonly Problem[] {
  if (subcommand === undefined) return { subcommand: "show", asJson };
  if (subcommand !== "test")
    return [
      { action: "run evenkeel alerts", why: "expected test, or no argument", received: quote(subcommand) },
    ];
  if (receiver === undefined || more.length > 0)
    return [{ action: "run evenkeel alerts test", why: "expected the name of one receiver" }];
  return { subcommand, receiver, asJson };
}

function readSilenceCommand(
  [subcommand, id]: readonly string[],
  written: ReadonlyMap<string, string>,
): SilenceCommand | readonly Problem[] {
  const given = silenceFlags.filter(({ name }) => written.has(name));
  const action = `run evenkeel silence${subcommand === undefined ? "" : ` ${subcommand}`}`;
  if (subcommand !== undefined) {
    if (subcommand !== "list" && subcommand !== "end")
      return [
        { action: "run evenkeel silence", why: "expected list, end or flags", received: quote(subcommand) },
      ];
    if (given.length > 0)
      return given.map(({ name }) => ({ action: `use ${name}`, why: `not allowed with ${subcommand}` }));
    if (subcommand === "list")
      return id === undefined
        ? { subcommand, asJson: written.has("--json") }
        : [{ action, why: "unexpected argument", received: quote(id) }];
    return id === undefined
      ? [{ action, why: "expected the id of a silence; `evenkeel silence list` shows them" }]
      : { subcommand, id };
  }
  if (given.length === 0) return { subcommand: "list", asJson: written.has("--json") };
  return {
    subcommand: "create",
    body: Object.fromEntries(given.map(({ name }) => [name.slice(2), written.get(name) ?? ""])),
  };
}
