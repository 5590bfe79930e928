/** Commands that change a running balancer, each with one sentence about its result. */

import type { Verb } from "../cli/verbs.ts";
import { isSnapshot } from "../client/decoders.ts";
import { defaultFaultMs, describeFault } from "../fault/fault.ts";
import { areStrings, asRecord } from "../lib/json.ts";
import { formatDuration } from "../lib/units.ts";
import type { UpstreamSnapshot } from "../snapshot/snapshot.ts";
import { findReference } from "../snapshot/upstream-reference.ts";
import { effectOf } from "../wording/effect.ts";
import type { AdminCall, Failed } from "./admin-call.ts";
import { type ExitCode, plainText } from "./terminal.ts";

export type CliCommand = Extract<
  Verb,
  { verb: "ready" | "maintenance" | "drain" | "weight" | "add" | "remove" | "rehearse" }
>;

export interface CommandResult {
  readonly kind: "done";
  readonly exitCode: ExitCode;
  readonly text: string;
}

export async function runCommand(command: CliCommand, call: AdminCall): Promise<CommandResult | Failed> {
  const body = command.reason === "" ? {} : { reason: command.reason };
  switch (command.verb) {
    case "ready":
    case "maintenance": {
      const response = await call({
        method: "POST",
        path: `${pathOf(command.upstream)}/mode`,
        body: { ...body, mode: command.verb },
      });
      if (response.kind === "failed") return response;
      const { status, inFlight } = asRecord(response.value);
      const mode = command.verb === "ready" ? `ready (${status})` : "in maintenance";
      return done(
        `${command.upstream} is ${mode}: ${requestsInFlight(inFlight)}.${unsharedNote(command, response)}`,
      );
    }
    case "drain": {
      const { waitMs, isForced, upstream } = command;
      const query = queryOf({ wait: waitMs > 0 ? formatDuration(waitMs) : "", force: isForced ? "1" : "" });
      const path = `${pathOf(upstream)}/drain${query}`;
      const response = await call({ method: "POST", path, body, waitMs });
      return response.kind === "failed" ? response : drained(command, asRecord(response.value));
    }
    case "weight": {
      const path = pathOf(command.upstream);
      const response = await call({ method: "PATCH", path, body: { ...body, weight: command.weight } });
      if (response.kind === "failed") return response;
      const { weight } = asRecord(response.value);
      const suffix = command.weight === null ? ", as configured" : "";
      return done(`${command.upstream} has weight ${weight}${suffix}.${unsharedNote(command, response)}`);
    }
    case "add": {
      const path = `/api/pools/${encodeURIComponent(command.pool)}/upstreams`;
      const response = await call({ method: "POST", path, body: { ...command.newUpstream, ...body } });
      if (response.kind === "failed") return response;
      const { id, status, lastProbe } = asRecord(response.value);
      const { detail } = asRecord(lastProbe);
      const why = status === "passing" || detail === undefined ? "" : ` (${detail})`;
      return done(`${id} was added to ${command.pool}: ${status}${why}.${unsharedNote(command, response)}`);
    }
    case "remove": {
      const { waitMs, upstream } = command;
      const path = `${pathOf(upstream)}${queryOf({ wait: waitMs > 0 ? formatDuration(waitMs) : "" })}`;
      const response = await call({ method: "DELETE", path, body, waitMs });
      if (response.kind === "failed") return response;
      const result = removed(command, asRecord(response.value));
      return { ...result, text: result.text + unsharedNote(command, response) };
    }
    case "rehearse": {
      const result = await runFault(command, call);
      return typeof result === "string" ? done(result) : result;
    }
  }
}

type JsonMap = Readonly<Record<string, unknown>>;

function drained(
  { upstream, waitMs }: Extract<CliCommand, { verb: "drain" }>,
  response: JsonMap,
): CommandResult {
  const { drained: isDrained, inFlight, undone, cut, elsewhere } = response;
  // In a fleet a drain is over when it is over at all balancers.
  const left = [requestsInFlight(inFlight), ...(areStrings(elsewhere) ? elsewhere : [])].join("; ");
  if (undone === true) return done(`${upstream} was set to another mode during the drain: ${left}.`, 1);
  const aborted = Number(cut);
  if (isDrained === true)
    return done(`${upstream} is drained${aborted > 0 ? `: ${countOf(aborted)} aborted` : ""}.`);
  if (waitMs === 0) return done(`${upstream} is draining: ${left}.`);
  return done(`${upstream} did not drain within ${formatDuration(waitMs)}: ${left}.`, 1);
}

function removed(
  { upstream, waitMs }: Extract<CliCommand, { verb: "remove" }>,
  response: JsonMap,
): CommandResult {
  const { removed: isRemoved, drained: isDrained, inFlight } = response;
  const left = requestsInFlight(inFlight);
  if (isRemoved === true && isDrained === true) return done(`${upstream} was removed.`);
  if (isRemoved === true) return done(`${upstream} was removed: ${left} will still finish.`, 1);
  const text = `${upstream} is draining and will be removed when idle: ${left}.`;
  return done(text, waitMs > 0 ? 1 : 0);
}

/** Of an order that counts only where it was given as yet. A command for the whole fleet waits, and says what came of that. */
function unsharedNote(command: CliCommand, { value }: { readonly value: unknown }): string {
  const { shared } = asRecord(value);
  if (typeof shared !== "string" || ("fleetWaitMs" in command && command.fleetWaitMs !== undefined))
    return "";
  return plainText(` Other balancers do not know of it yet: ${shared.replace(/^not yet: /, "")}.`);
}

/** "3 requests in flight" */
function requestsInFlight(count: unknown): string {
  return `${countOf(Number(count))} in flight`;
}

function countOf(requests: number): string {
  return `${requests} request${requests === 1 ? "" : "s"}`;
}

function done(text: string, exitCode: ExitCode = 0): CommandResult {
  return { kind: "done", exitCode, text: plainText(text) };
}

function pathOf(upstream: string): string {
  return `/api/upstreams/${encodeURIComponent(upstream)}`;
}

function queryOf(given: Readonly<Record<string, string>>): string {
  const query = new URLSearchParams(Object.entries(given).filter(([, value]) => value !== ""));
  return query.size > 0 ? `?${query}` : "";
}

/**
 * Warnings to print before a command: one sentence per pool that it would leave without a healthy upstream. The
 * dashboard asks for a confirmation instead, which a script cannot give.
 */
export async function warningsBefore(command: CliCommand, call: AdminCall): Promise<readonly string[]> {
  switch (command.verb) {
    case "drain":
    case "maintenance":
    case "remove":
    case "weight": {
      const response = await call({ path: "/api/snapshot" });
      // The command itself will fail with the reason.
      if (response.kind === "failed" || !isSnapshot(response.value)) return [];
      const { pools } = response.value;
      const found = findReference(command.upstream, pools);
      if (found.kind !== "found") return [];
      const weight = command.verb === "weight" ? command.weight : undefined;
      const action = { action: command.verb, ids: [found.id], weight, deadlineMs: 0 };
      const isLast = pools.some(({ upstreams: [one, other] }) => one?.id === found.id && !other);
      // The balancer refuses to remove the last upstream of a pool.
      if (command.verb === "remove" && isLast) return [];
      return effectOf(response.value, action).dangers;
    }
    default:
      return [];
  }
}

/** `evenkeel rehearse`: starts or stops a fault on an upstream. Returns a sentence about the result. */
async function runFault(
  { upstream, method, body, reason }: Extract<Verb, { verb: "rehearse" }>,
  call: AdminCall,
): Promise<string | Failed> {
  const path = `/api/upstreams/${encodeURIComponent(upstream)}/rehearsal`;
  const response = await call({ method, path, body: reason === "" ? body : { ...body, reason } });
  if (response.kind === "failed") return response;
  if (method === "DELETE") return `Fault injection on ${upstream} stopped.`;
  const { rehearsal: fault } = asRecord(response.value) as Partial<Pick<UpstreamSnapshot, "rehearsal">>;
  if (!fault) return `Fault injection on ${upstream} is already over.`;
  const { seconds = defaultFaultMs / 1_000 } = body;
  return `Fault injection on ${upstream}: ${describeFault(fault)}, for ${formatDuration(Number(seconds) * 1_000)}.`;
}
