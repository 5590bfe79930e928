/** Texts about a fleet: who is there, who differs and in what, and whether an upstream or the way to it is at fault. */

import { joinList } from "../lib/list-text.ts";
import type {
  FleetSnapshot,
  PeerSnapshot,
  SeenFromSnapshot,
  SeenSnapshot,
} from "../snapshot/fleet-snapshot.ts";
import type { UpstreamSnapshot } from "../snapshot/snapshot.ts";
import { countWithNoun, formatRate, formatSpan, formatTime } from "./format.ts";
import type { Tone } from "./verdict.ts";

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
  return joinList(
    differs.map((name) => (Object.hasOwn(differences, name) ? (differences[name] ?? name) : name)),
  );
}

/** "2 h" by its own clock, which may differ. @param now epoch milliseconds by the clock of the balancer that was asked */
export function peerUptime({ startedAt }: Pick<PeerSnapshot, "startedAt">, now: number): string {
  return formatSpan(Math.max(0, now - startedAt));
}

/** "3 of 4 balancers heard from, 15,220 requests/s together" */
export function fleetSentence({ peers }: Pick<FleetSnapshot, "peers">): string {
  const alive = peers.filter(({ state }) => state === "alive");
  const rate = alive.reduce((sum, { requestsPerSecond }) => sum + requestsPerSecond, 0);
  return `${alive.length} of ${countWithNoun(peers.length, "balancer")} heard from, ${formatRate(rate)} requests/s together`;
}

/** "All 3 balancers are heard and agree", "1 of 3 balancers is silent" */
export function fleetHeadline(fleet: FleetSnapshot): string {
  const { name, alone, namesake, pending, peers } = fleet;
  const total = countWithNoun(peers.length, "balancer");
  const ofAll = (count: number, is: string, are: string) => `${count} of ${total} ${count === 1 ? is : are}`;
  if (alone) return `${name} is alone: the store of the fleet cannot be reached`;
  if (namesake) return `Two processes use the name ${name}`;
  const silent = peers.filter(({ state }) => state === "silent").length;
  if (silent > 0) return ofAll(silent, "is silent", "are silent");
  const differing = peers.filter(({ differs }) => differs.length > 0).length;
  if (differing > 0) return ofAll(differing, "differs", "differ");
  if (pending.length > 0) return `${countWithNoun(pending.length, "order")} not shared yet`;
  return peers.length === 1
    ? `${name} is the only balancer of its fleet`
    : `All ${total} are heard and agree`;
}

/** Grave while clients may be served otherwise than ordered. */
export function fleetTone(fleet: FleetSnapshot): Tone {
  if (isFleetWhole(fleet)) return "good";
  const { peers } = fleet;
  const silent = peers.filter(({ state }) => state === "silent").length;
  return silent * 2 >= peers.length ? "bad" : "warn";
}

/** Where an action counts, in sentences. @param isLocal it ends requests, which only the balancer can that carries them */
export function fleetEffect({ name, alone, peers }: FleetSnapshot, isLocal: boolean): readonly string[] {
  if (peers.length === 1) return [];
  if (isLocal) return [`Only requests through ${name} are aborted, and none through other balancers.`];
  if (alone) return [`It counts only at ${name} until the store of the fleet is back.`];
  const silent = peers.filter(({ state }) => state === "silent").map((peer) => peer.name);
  const late = `${joinList(silent)} ${silent.length === 1 ? "is" : "are"} silent: when back, the order counts there too.`;
  return [
    `It counts at all ${countWithNoun(peers.length, "balancer")} of the fleet.`,
    ...(silent.length > 0 ? [late] : []),
  ];
}

/** "not out everywhere: b: 2 in flight; c silent for 12 s: unknown" for an upstream that is out; empty if it is out at all. */
export function usedElsewhereText({ elsewhere = [] }: Pick<UpstreamSnapshot, "elsewhere">): string {
  return elsewhere.length === 0 ? "" : `not out everywhere: ${elsewhere.join("; ")}`;
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
      return `the way from ${joinList(from)}: others find it well`;
    case "operator":
      return "out of service, as ordered";
    case "operator_in_part":
      return `out of service only at ${joinList(from)}`;
    case "unclear": {
      const told = by.filter(isTold);
      return told.length < 2 ? `only ${joinList(from)} tells` : "not known yet";
    }
    case "none":
      return by.some(isTold) ? "well everywhere" : "not known: none that is heard from uses it";
    default:
      // A later version's.
      return where;
  }
}

function isTold({ isAlive, status }: SeenFromSnapshot): boolean {
  return isAlive && status !== "absent" && status !== "unknown";
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

export interface SharedFact {
  readonly name: string;
  readonly text: string;
  readonly isWell: boolean;
}

/** What the balancers have in common, and how many of them. */
export function sharedFacts(fleet: FleetSnapshot): readonly SharedFact[] {
  const { name, alone, peers, pending } = fleet;
  const alive = peers.filter(({ state }) => state === "alive");
  const alike = (isAlike: (peer: PeerSnapshot) => boolean) => {
    const count = alive.filter(isAlike).length;
    const isWell = count === alive.length;
    return { isWell, text: isWell ? "same on all" : `same on ${count} of ${alive.length}` };
  };
  const isIn = (peer: PeerSnapshot, kinds: readonly string[]) =>
    peer.differs.some((kind) => kinds.includes(kind));
  const versions = [...new Set(alive.map(({ version }) => version))];
  const pendingText = pending.length > 0 ? `, ${countWithNoun(pending.length, "order")} not shared yet` : "";
  const orders = alike((peer) => !isIn(peer, ["orders", "settings"]));
  return [
    {
      name: "Store",
      text: alone ? `not reached from ${name} since ${formatTime(alone.since)}: ${alone.why}` : "reached",
      isWell: !alone,
    },
    { name: "Configuration", ...alike(({ isSameConfiguration }) => isSameConfiguration) },
    { name: "Discovered members", ...alike((peer) => !isIn(peer, ["members"])) },
    {
      name: "Drains and weights",
      text: `${orders.text}${pendingText}`,
      isWell: orders.isWell && pending.length === 0,
    },
    { name: "Version", text: joinList(versions), isWell: true },
  ];
}
