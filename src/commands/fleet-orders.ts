/** Orders with `--fleet`: given at one balancer, and over when all balancers of its fleet follow them. */

import { sleep, systemClock } from "../lib/clock.ts";
import { areStrings, asArray, asRecord } from "../lib/json.ts";
import { formatDuration } from "../lib/units.ts";
import type { FleetSnapshot } from "../snapshot/fleet-snapshot.ts";
import { countWithNoun } from "../wording/format.ts";
import type { AdminCall, Failed } from "./admin-call.ts";
import { readFleet } from "./fleet.ts";
import type { CliCommand, CommandResult } from "./orders.ts";
import { plainText } from "./terminal.ts";

/** A command that waits for the whole fleet. */
export type FleetCommand = Exclude<CliCommand, { verb: "rehearse" }> & { readonly fleetWaitMs: number };

export function isFleetCommand(command: CliCommand): command is FleetCommand {
  return "fleetWaitMs" in command && command.fleetWaitMs !== undefined;
}

/** Before the order: why it cannot be one for a fleet; undefined if it can. */
export async function fleetRefusal(call: AdminCall): Promise<Failed | undefined> {
  const response = await readFleet(call);
  return response.kind === "failed" ? response : undefined;
}

const askAgainMs = 200;

/**
 * Asks until all balancers follow, or the time is over. Each question is short, so that a restart or a proxy in between does not end
 * the wait.
 * @param given the result of the order at the balancer that took it
 */
export async function afterFleet(
  command: FleetCommand,
  given: CommandResult,
  call: AdminCall,
): Promise<CommandResult> {
  const end = systemClock() + command.fleetWaitMs;
  for (;;) {
    const notes = await openNotes(command, call);
    if (notes.length === 0) return { ...given, text: `${given.text} All balancers of the fleet follow.` };
    const left = end - systemClock();
    if (left <= 0) {
      const time = formatDuration(command.fleetWaitMs);
      const text = `${given.text}\n${notFollowed(notes, time)}`;
      return { ...given, exitCode: 1, text };
    }
    await sleep(Math.min(left, askAgainMs));
  }
}

/** "Not by the whole fleet within 5s: c silent for 12 s: unknown; b does not follow the order yet." */
export function notFollowed(notes: readonly string[], time: string): string {
  return plainText(`Not by the whole fleet within ${time}: ${notes.join("; ")}.`);
}

/** Why the order is not over yet. */
async function openNotes(command: FleetCommand, call: AdminCall): Promise<readonly string[]> {
  if (command.verb === "add" || command.verb === "remove") {
    const response = await readFleet(call);
    return response.kind === "failed" ? [withoutStop(response)] : followNotes(response.fleet);
  }
  const response = await call({ path: `/api/upstreams/${encodeURIComponent(command.upstream)}` });
  if (response.kind === "failed") return [withoutStop(response)];
  const detail = asRecord(response.value);
  const { elsewhere, inFlight } = detail;
  // Behind one address there may be several balancers: another one may have been asked than the one that took the order.
  if (!isTaken(command, detail)) return ["the balancer that was asked does not follow the order yet"];
  const isOut = command.verb === "maintenance" || command.verb === "drain";
  const left =
    isOut && Number(inFlight) > 0 ? [`${countWithNoun(Number(inFlight), "request")} in flight here`] : [];
  return [...left, ...(areStrings(elsewhere) ? elsewhere : [])];
}

function isTaken(command: FleetCommand, detail: Readonly<Record<string, unknown>>): boolean {
  switch (command.verb) {
    case "ready":
    case "maintenance":
      return detail["mode"] === command.verb;
    case "drain":
      return detail["mode"] === "draining";
    case "weight":
      return command.weight === null ? detail["weightSet"] === null : detail["weight"] === command.weight;
    default:
      return true;
  }
}

/** Why not all balancers have the same orders. */
function followNotes({ pending, peers, alone }: FleetSnapshot): readonly string[] {
  const seconds = (ageMs: number) => Math.round(ageMs / 1_000);
  return [
    ...(alone ? [`the store cannot be reached: ${alone.why}`] : []),
    ...(!alone && asArray(pending).length > 0 ? ["the order is not shared yet"] : []),
    ...peers.flatMap(({ name, isSelf, state, ageMs, isCurrent }) => {
      if (isSelf) return [];
      if (state === "silent") return [`${name} silent for ${seconds(ageMs)} s: unknown`];
      return isCurrent ? [] : [`${name} does not follow the order yet`];
    }),
  ];
}

function withoutStop({ text }: Failed): string {
  return text.replace(/\.$/, "");
}
