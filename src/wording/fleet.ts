/** Texts about a fleet: who is there, who differs and in what, and whether an upstream or the way to it is at fault. */

import type {
  FleetSnapshot,
  PeerSnapshot,
  SeenFromSnapshot,
  SeenSnapshot,
} from "../snapshot/fleet-snapshot.ts";
import { countWithNoun, formatRate, formatSpan, formatTime } from "./format.ts";

/** "silent for 12 s", "2 problems", "alive" */
export function peerStateText({ state, ageMs, problems }: PeerSnapshot): string {
  if (state === "silent") return `silent for ${formatSpan(ageMs)}`;
  const count = problems.critical + problems.warning;
  return count > 0 ? countWithNoun(count, "problem") : "alive";
}

/** Names of what two balancers can differ in; parts of the configuration have their own names. */
const differences: Readonly<Record<string, string>> = {
  members: "discovered members",
  orders: "orders that it has not taken over",
  settings: "modes or weights",
  trustedProxies: "trusted proxies",
  ambiguousPaths: "ambiguous paths",
};

/** "pools and routes"; empty if it differs in nothing. */
export function differencesText({ differs }: Pick<PeerSnapshot, "differs">): string {
  return listed(
    differs.map((name) => (Object.hasOwn(differences, name) ? (differences[name] ?? name) : name)),
  );
}

/** "a", "a and b", "a, b and c" */
export function listed(words: readonly string[]): string {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

/** "3 of 4 balancers heard from, 15,220 requests/s together" */
export function fleetSentence({ peers }: Pick<FleetSnapshot, "peers">): string {
  const alive = peers.filter(({ state }) => state === "alive");
  const rate = alive.reduce((sum, { requestsPerSecond }) => sum + requestsPerSecond, 0);
  return `${alive.length} of ${countWithNoun(peers.length, "balancer")} heard from, ${formatRate(rate)} requests/s together`;
}

/** What keeps the balancers from being as one, each in a sentence without a full stop; empty if nothing does. */
export function fleetConcerns(fleet: FleetSnapshot): readonly string[] {
  const { name, alone, namesake, pending, peers } = fleet;
  const others = peers.filter(({ isSelf }) => !isSelf);
  return [
    ...(alone
      ? [`${name} is alone since ${formatTime(alone.since)}: ${alone.why}. Orders given here count only here`]
      : []),
    ...(namesake ? [`Another process uses the name ${name}: give each balancer a name of its own`] : []),
    ...others
      .filter(({ state }) => state === "silent")
      .map((peer) => `${peer.name} is ${peerStateText(peer)}: what it does is unknown`),
    ...others
      .filter(({ state, differs }) => state === "alive" && differs.length > 0)
      .map((peer) => `${peer.name} differs from ${name} in ${differencesText(peer)}`),
    ...(pending.length > 0 ? [`${countWithNoun(pending.length, "order")} given here not shared yet`] : []),
  ];
}

/** Whether each balancer is heard, reaches the same orders, and has the same configuration. Versions may differ. */
export function isFleetWhole(fleet: FleetSnapshot): boolean {
  return fleetConcerns(fleet).length === 0;
}

/** Where the fault is: "the upstream", "the way from b, or b itself", "out everywhere, as ordered". */
export function conclusionText({ where, from, by }: SeenSnapshot): string {
  switch (where) {
    case "upstream":
      return "the upstream: all that use it agree";
    case "path":
      return `the way from ${listed(from)}: others find it well`;
    case "operator":
      return "out of service, as ordered";
    case "operator_in_part":
      return `out of service only at ${listed(from)}`;
    case "unclear": {
      const told = by.filter(({ isAlive, status }) => isAlive && status !== "absent" && status !== "unknown");
      return told.length < 2 ? `only ${listed(from)} tells` : "not known yet";
    }
    case "none":
      return "well everywhere";
  }
}

const problemWords: Readonly<Record<string, string>> = {
  upstream_down: "down",
  upstream_errors: "errors",
  upstream_slow: "slow",
  probe_flaps: "on and off",
  start_stalled: "start stalls",
};

/** "failing", "passing, slow", "not used", "silent" */
export function seenFromText({ status, problem, isAlive }: SeenFromSnapshot): string {
  if (status === "absent") return "not used";
  if (status === "unknown") return isAlive ? "does not tell" : "silent";
  const isNamed = problem !== undefined && Object.hasOwn(problemWords, problem);
  const word = isNamed ? problemWords[problem] : problem;
  const isSaid = word === undefined || (problem === "upstream_down" && status !== "passing");
  return `${status}${isSaid ? "" : `, ${word}`}${isAlive ? "" : " when last heard"}`;
}
