/** `evenkeel fleet`: the balancers that share what operators set, once or every second. */

import type { Verb } from "../cli/verbs.ts";
import { hasPeers } from "../client/decoders.ts";
import { systemWallClock } from "../lib/clock.ts";
import type { FleetSnapshot, PeerSnapshot, SeenSnapshot } from "../snapshot/fleet-snapshot.ts";
import {
  conclusionText,
  differencesText,
  fleetConcerns,
  fleetSentence,
  isFleetWhole,
  peerStateText,
  peerUptime,
  seenFromText,
} from "../wording/fleet.ts";
import { formatCount, formatRate, formatShare, nothing } from "../wording/format.ts";
import type { AdminCall, Failed } from "./admin-call.ts";
import type { LineLayout } from "./problem-lines.ts";
import { showLines, showReadings } from "./screen.ts";
import { type Cell, type ExitCode, plainText, renderColumns, type Terminal } from "./terminal.ts";

/** With `--watch` it runs until it is interrupted, also while the balancer is unreachable. */
export async function showFleet(
  { isWatched, asJson }: Extract<Verb, { verb: "fleet" }>,
  call: AdminCall,
  terminal: Terminal,
): Promise<ExitCode | Failed> {
  return await showReadings(isWatched, {
    read: () => call({ path: "/api/fleet", isExpected: hasPeers }),
    show(value) {
      const fleet = value as FleetSnapshot;
      if (asJson) terminal.write(`${JSON.stringify(fleet)}\n`);
      else showLines((layout) => fleetLines(fleet, layout), terminal, isWatched);
      return isFleetWhole(fleet) ? 0 : 1;
    },
    showFailure: ({ text }) => terminal.warn(text),
  });
}

/** Fails with a sentence for a balancer that is in no fleet. */
export async function readFleet(
  call: AdminCall,
): Promise<Failed | { readonly kind: "read"; readonly fleet: FleetSnapshot }> {
  const response = await call({ path: "/api/fleet", isExpected: hasPeers });
  return response.kind === "failed" ? response : { kind: "read", fleet: response.value as FleetSnapshot };
}

/** What is not as it should be, a line for each balancer, and the upstreams that one of them does not find well. */
export function fleetLines(
  fleet: FleetSnapshot,
  layout: LineLayout,
  now = systemWallClock(),
): readonly string[] {
  const cut = (line: string) => plainText(line).slice(0, layout.width);
  const concerns = fleetConcerns(fleet);
  const seen = fleet.seen.filter(({ where }) => where !== "operator");
  return [
    cut(`Fleet ${fleet.group}: ${fleetSentence(fleet)}.`),
    ...concerns.flatMap((concern) =>
      renderColumns([[{ text: `  ${concern}.`, tone: "yellow" }]], { ...layout, right: [] }),
    ),
    ...fleet.pending.map(({ upstream, order }) => cut(`  not shared yet: ${upstream} ${order}`)),
    "",
    ...renderColumns(
      [heads.map((text): Cell => ({ text, tone: "dim" })), ...fleet.peers.map((peer) => rowOf(peer, now))],
      {
        ...layout,
        right: numbers,
      },
    ),
    ...(seen.length > 0 ? ["", ...seenLines(seen, fleet, layout)] : []),
  ];
}

const heads = [
  ...["BALANCER", "STATE", "VERSION", "CONFIGURATION", "RATE", "ERRORS"],
  ...["IN FLIGHT", "UP", "DIFFERS IN", "DASHBOARD"],
];
const numbers = [4, 5, 6, 7];

function rowOf(peer: PeerSnapshot, now: number): readonly (string | Cell)[] {
  const { name, isSelf, state, version, configuration, isSameConfiguration, url } = peer;
  const hasProblem = peer.problems.critical + peer.problems.warning > 0;
  const tone = state === "silent" ? "red" : hasProblem ? "yellow" : "green";
  return [
    isSelf ? `${name} (this)` : name,
    { text: peerStateText(peer), tone },
    version,
    `${configuration} ${isSelf ? "" : isSameConfiguration ? "same" : "differs"}`.trim(),
    formatRate(peer.requestsPerSecond),
    formatShare(peer.errorShare),
    formatCount(peer.inFlight),
    peerUptime(peer, now),
    differencesText(peer) || nothing,
    url ?? nothing,
  ];
}

function seenLines(
  seen: readonly SeenSnapshot[],
  { peers, seenOmitted }: FleetSnapshot,
  layout: LineLayout,
): readonly string[] {
  const names = peers.map(({ name }) => name.toUpperCase());
  const rows = [
    ["UPSTREAM", ...names, "SO IT IS"].map((text): Cell => ({ text, tone: "dim" })),
    ...seen.map((one) => [one.id, ...one.by.map(seenFromText), conclusionText(one)]),
  ];
  return [
    ...renderColumns(rows, { ...layout, right: [] }),
    ...(seenOmitted > 0 ? [`… ${formatCount(seenOmitted)} more upstreams`] : []),
  ];
}
