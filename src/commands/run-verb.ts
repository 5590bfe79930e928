/** Runs the commands that talk to a running balancer, and says how the process is to end. */

import type { AdminTarget } from "../cli/side-commands.ts";
import type { Verb } from "../cli/verbs.ts";
import type { BalancerEvent } from "../state/event.ts";
import { asArray, asRecord } from "../lib/json.ts";
import { adminCalls, type AdminCall, type Failed } from "./admin-call.ts";
import { runCommand, warningsBefore } from "./orders.ts";
import { eventLine, followEvents } from "./events.ts";
import { explain } from "./explain.ts";
import { showStatus } from "./status.ts";
import { type ExitCode, plainText, type Terminal } from "./terminal.ts";

export interface VerbTools {
  readonly target: AdminTarget;
  /** Who the record says it was. */
  readonly actor: string;
  readonly terminal: Terminal;
}

/** Never rejects for anything that the balancer or the network does. */
export async function runVerb(verb: Verb, tools: VerbTools): Promise<ExitCode> {
  const end = await run(verb, tools, adminCalls(tools.target, tools.actor));
  if (typeof end === "number") return end;
  tools.terminal.warn(end.text);
  return end.exitCode;
}

async function run(verb: Verb, tools: VerbTools, call: AdminCall): Promise<ExitCode | Failed> {
  const { target, terminal } = tools;
  switch (verb.verb) {
    case "status":
      return showStatus(verb, { ask: target, call, terminal });
    case "events":
      return showEvents(verb, tools, call);
    case "explain":
      return explain(verb, call, terminal);
    default: {
      for (const danger of await warningsBefore(verb, call)) terminal.warn(plainText(danger));
      const done = await runCommand(verb, call);
      if (done.kind === "failed") return done;
      terminal.write(`${done.text}\n`);
      return done.exitCode;
    }
  }
}

async function showEvents(
  { isFollowed, upstream, limit, asJson }: Extract<Verb, { verb: "events" }>,
  { target, actor, terminal }: VerbTools,
  call: AdminCall,
): Promise<ExitCode | Failed> {
  const of = upstream === undefined ? "" : `&upstream=${encodeURIComponent(upstream)}`;
  const show = (event: BalancerEvent) =>
    terminal.write(`${asJson ? JSON.stringify(event) : eventLine(event)}\n`);
  // One more than is shown, so that even with none there is a number to go on from.
  const response = await call({ path: `/api/events?limit=${limit + 1}${of}` });
  if (response.kind === "failed") return response;
  const events = asArray(asRecord(response.value)["events"]) as readonly BalancerEvent[];
  if (limit > 0) for (const event of events.slice(-limit)) show(event);
  if (!isFollowed) return 0;
  const onLoss = () => terminal.warn("The stream of events has ended; trying again.");
  const after = events.at(-1)?.seq ?? 0;
  return followEvents({ target, actor, upstream, after, onEvent: show, onDisconnect: onLoss });
}
