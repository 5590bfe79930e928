/** Orders to a running balancer, and the sentence that says what became of each. */

import type { Verb } from "../cli/verbs.ts";
import { isSnapshot } from "../client/decoders.ts";
import type { AdminCall, Failed } from "./admin-call.ts";
import { type ExitCode, plainText } from "./terminal.ts";
import { defaultFaultMs, describeFault } from "../fault/fault.ts";
import { asRecord } from "../lib/json.ts";
import { formatDuration } from "../lib/units.ts";
import type { UpstreamSnapshot } from "../snapshot/snapshot.ts";
import { effectOf } from "../wording/effect.ts";

export type CliCommand = Extract<
  Verb,
  { verb: "ready" | "maintenance" | "drain" | "weight" | "add" | "remove" | "rehearse" }
>;

export interface CommandResult {
  readonly kind: "done";
  readonly exitCode: ExitCode;
  readonly text: string;
}

export async function runCommand(order: CliCommand, call: AdminCall): Promise<CommandResult | Failed> {
  const body = order.reason === "" ? {} : { reason: order.reason };
  switch (order.verb) {
    case "ready":
    case "maintenance": {
      const response = await call({
        method: "POST",
        path: `${pathOf(order.upstream)}/mode`,
        body: { ...body, mode: order.verb },
      });
      if (response.kind === "failed") return response;
      const { status, inFlight } = asRecord(response.value);
      const says = order.verb === "ready" ? `ready: ${status}` : "in maintenance";
      return done(`${order.upstream} is ${says}, ${inFlight} in flight.`);
    }
    case "drain": {
      const { waitMs, isForced, upstream } = order;
      const query = queryOf({ wait: waitMs > 0 ? formatDuration(waitMs) : "", force: isForced ? "1" : "" });
      const path = `${pathOf(upstream)}/drain${query}`;
      const response = await call({ method: "POST", path, body, waitMs });
      return response.kind === "failed" ? response : drained(order, asRecord(response.value));
    }
    case "weight": {
      const path = pathOf(order.upstream);
      const response = await call({ method: "PATCH", path, body: { ...body, weight: order.weight } });
      if (response.kind === "failed") return response;
      const { weight } = asRecord(response.value);
      return done(`${order.upstream} has weight ${weight}${order.weight === null ? ", as configured" : ""}.`);
    }
    case "add": {
      const path = `/api/pools/${encodeURIComponent(order.pool)}/upstreams`;
      const response = await call({ method: "POST", path, body: { ...order.newcomer, ...body } });
      if (response.kind === "failed") return response;
      const { id, status, lastProbe } = asRecord(response.value);
      const { detail } = asRecord(lastProbe);
      const why = status === "passing" || detail === undefined ? "" : ` (${detail})`;
      return done(`${id} belongs to ${order.pool}: ${status}${why}.`);
    }
    case "remove": {
      const { waitMs, upstream } = order;
      const path = `${pathOf(upstream)}${queryOf({ wait: waitMs > 0 ? formatDuration(waitMs) : "" })}`;
      const response = await call({ method: "DELETE", path, body, waitMs });
      return response.kind === "failed" ? response : removed(order, asRecord(response.value));
    }
    case "rehearse": {
      const said = await runFault(order, call);
      return typeof said === "string" ? done(said) : said;
    }
  }
}

type Map = Readonly<Record<string, unknown>>;

function drained({ upstream, waitMs }: Extract<CliCommand, { verb: "drain" }>, report: Map): CommandResult {
  const { drained: isEmpty, inFlight, undone, cut } = report;
  if (undone === true)
    return done(`${upstream} was set to another mode meanwhile: ${inFlight} in flight.`, 1);
  if (isEmpty === true) return done(`${upstream} is empty${Number(cut) > 0 ? `: ${cut} cut` : ""}.`);
  if (waitMs === 0) return done(`${upstream} is draining: ${inFlight} in flight.`);
  return done(`${upstream} is not empty after ${formatDuration(waitMs)}: ${inFlight} in flight.`, 1);
}

function removed({ upstream, waitMs }: Extract<CliCommand, { verb: "remove" }>, report: Map): CommandResult {
  const { removed: isGone, drained: isEmpty, inFlight } = report;
  if (isGone === true && isEmpty === true) return done(`${upstream} is gone.`);
  if (isGone === true) return done(`${upstream} is gone; ${inFlight} in flight there still finish.`, 1);
  const text = `${upstream} gets nothing new, and goes when it is empty: ${inFlight} in flight.`;
  return done(text, waitMs > 0 ? 1 : 0);
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

// What an order would do to clients, told before it is given: the dashboard asks for a confirmation, scripts cannot.

/** A sentence for each pool that the order would leave with nobody that is known to be well. */
export async function warningsBefore(order: CliCommand, call: AdminCall): Promise<readonly string[]> {
  switch (order.verb) {
    case "drain":
    case "maintenance":
    case "remove":
    case "weight": {
      const response = await call({ path: "/api/snapshot" });
      // Then the order itself fails, and says why.
      if (response.kind === "failed" || !isSnapshot(response.value)) return [];
      const weight = order.verb === "weight" ? order.weight : undefined;
      const wish = { action: order.verb, ids: [order.upstream], weight, deadlineMs: 0 };
      const { pools } = response.value;
      const isAlone = pools.some(({ upstreams: [one, other] }) => one?.id === order.upstream && !other);
      // Which the balancer refuses.
      if (order.verb === "remove" && isAlone) return [];
      return effectOf(response.value, wish).dangers;
    }
    default:
      return [];
  }
}

// `evenkeel rehearse`: plays a fault on an upstream of a running balancer, or ends one.

/** The sentence that says what became of it. */
export async function runFault(
  { upstream, method, body, reason }: Extract<Verb, { verb: "rehearse" }>,
  call: AdminCall,
): Promise<string | Failed> {
  const path = `/api/upstreams/${encodeURIComponent(upstream)}/rehearsal`;
  const response = await call({ method, path, body: reason === "" ? body : { ...body, reason } });
  if (response.kind === "failed") return response;
  if (method === "DELETE") return `The rehearsal on ${upstream} has ended.`;
  const { rehearsal: fault } = asRecord(response.value) as Partial<Pick<UpstreamSnapshot, "rehearsal">>;
  const plays = fault ? describeFault(fault) : "nothing any more";
  const { seconds = defaultFaultMs / 1_000 } = body;
  const left = formatDuration(Number(seconds) * 1_000);
  return `Rehearsal on ${upstream}: ${plays}, for ${left}. It ends by itself.`;
}
