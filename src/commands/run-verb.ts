/** Runs a verb against a running balancer and returns the exit code of the process. */

import type { AdminTarget } from "../cli/side-commands.ts";
import type { Verb } from "../cli/verbs.ts";
import { eventsIn } from "../client/decoders.ts";
import { asArray, asRecord } from "../lib/json.ts";
import type { BalancerEvent } from "../state/event.ts";
import { type AdminCall, adminCalls, type Failed } from "./admin-call.ts";
import { runSilence, showAlerts } from "./alerts.ts";
import { showDryRun } from "./dry-run.ts";
import { eventLine, followEvents } from "./events.ts";
import { explain } from "./explain.ts";
import { showFleet } from "./fleet.ts";
import { afterFleet, fleetRefusal, isFleetCommand } from "./fleet-orders.ts";
import { runProblems } from "./problems.ts";
import { showRoutes } from "./routes.ts";
import { runCommand, warningsBefore } from "./orders.ts";
import { showReadiness, showStatus } from "./status.ts";
import { upgradeBalancer } from "./upgrade-verb.ts";
import { type ExitCode, plainText, type Terminal } from "./terminal.ts";

export interface VerbContext {
  readonly target: AdminTarget;
  /** Actor in the event log. */
  readonly actor: string;
  readonly terminal: Terminal;
}

/** Never rejects because of the balancer or the network. */
export async function runVerb(verb: Verb, context: VerbContext): Promise<ExitCode> {
  const result = await run(verb, context, adminCalls(context.target, context.actor));
  if (typeof result === "number") return result;
  context.terminal.warn(result.text);
  return result.exitCode;
}

async function run(verb: Verb, context: VerbContext, call: AdminCall): Promise<ExitCode | Failed> {
  const { target, terminal } = context;
  switch (verb.verb) {
    case "status":
      return showStatus(verb, { target, call, terminal });
    case "readiness":
      return showReadiness(call, terminal);
    case "events":
      return showEvents(verb, context, call);
    case "fleet":
      return showFleet(verb, call, terminal);
    case "routes":
      return showRoutes(verb, call, terminal);
    case "problems":
      return runProblems(verb, { target, call, terminal });
    case "alerts":
      return showAlerts(verb, call, terminal);
    case "silence":
      return runSilence(verb, call, terminal);
    case "explain":
      return explain(verb, call, terminal);
    case "dry-run":
      return showDryRun(verb, call, terminal);
    case "upgrade":
      return upgradeBalancer(verb, call, terminal);
    default: {
      const isForFleet = isFleetCommand(verb);
      const refusal = isForFleet ? await fleetRefusal(call) : undefined;
      if (refusal) return refusal;
      for (const warning of await warningsBefore(verb, call)) terminal.warn(plainText(warning));
      const given = await runCommand(verb, call);
      if (given.kind === "failed") return given;
      const result = isForFleet && given.exitCode === 0 ? await afterFleet(verb, given, call) : given;
      terminal.write(`${result.text}\n`);
      return result.exitCode;
    }
  }
}

async function showEvents(
  { isFollowed, upstream, limit, asJson }: Extract<Verb, { verb: "events" }>,
  { target, actor, terminal }: VerbContext,
  call: AdminCall,
): Promise<ExitCode | Failed> {
  const filter = upstream === undefined ? "" : `&upstream=${encodeURIComponent(upstream)}`;
  const show = (event: BalancerEvent) =>
    terminal.write(`${asJson ? JSON.stringify(event) : eventLine(event)}\n`);
  // One more than shown, so that even with a limit of 0 there is a sequence number to continue from.
  const response = await call({
    path: `/api/events?limit=${limit + 1}${filter}`,
    isExpected: (value) => eventsIn(value) !== undefined,
  });
  if (response.kind === "failed") return response;
  const events = asArray(asRecord(response.value)["events"]) as readonly BalancerEvent[];
  if (limit > 0) for (const event of events.slice(-limit)) show(event);
  if (!isFollowed) return 0;
  const onDisconnect = () => terminal.warn("The event stream was disconnected; reconnecting.");
  const after = events.at(-1)?.seq ?? 0;
  return followEvents({ target, actor, upstream, after, onEvent: show, onDisconnect });
}
