/** Builds the fleet's part of a snapshot. */

import type { FleetControl } from "../control/fleet-control.ts";
import { describeOrder, type Entry } from "../fleet/entry.ts";
import type { PeerReport } from "../fleet/peer-report.ts";
import type { FleetSample } from "../problems/sample.ts";
import type {
  FleetOrderSnapshot,
  FleetSnapshot,
  PeerSnapshot,
  SeenSnapshot,
} from "../snapshot/fleet-snapshot.ts";
import type { BalancerEvent } from "../state/event.ts";
import { maxSeen, type SeenFrom, seenUpstream, seenUpstreams } from "./seen-upstreams.ts";

export interface FleetViewOptions {
  readonly control: FleetControl;
  /** The pool of an upstream; undefined for one that does not run here. */
  readonly poolOf: (upstream: string) => string | undefined;
  /** The last events of the fleet. */
  readonly events: readonly BalancerEvent[];
}

const maxUpstreams = 500;

export function fleetSnapshot({ control, poolOf, events }: FleetViewOptions): FleetSnapshot {
  const { fleet } = control;
  const { settings, journal, peers, alone } = fleet;
  const own = fleet.ownReport();
  const revision = journal.known.nonce;
  const self = peerSnapshot(
    { name: settings.name, state: "alive", ageMs: 0, report: own },
    { own, revision, isSelf: true, isBehind: false },
  );
  const others = peers.others.map((peer) =>
    peerSnapshot(peer, { own, revision, isSelf: false, isBehind: control.isBehind(peer.name) }),
  );
  const seen = seenUpstreams(balancersOf(control, own), poolOf);
  const waiting = [...journal.entries.values()].filter(
    ({ order }) =>
      order.kind !== "forgotten" && order.kind !== "removed" && poolOf(order.upstream) === undefined,
  );
  return {
    name: settings.name,
    group: settings.group,
    alone: alone ?? null,
    revision,
    namesake: peers.namesake !== undefined,
    pending: journal.pending.map(orderSnapshot),
    waiting: waiting.map(orderSnapshot),
    differing: others.filter(({ isSameConfiguration }) => !isSameConfiguration).map(({ name }) => name),
    peers: [self, ...others],
    seen: seen.slice(0, maxSeen),
    seenOmitted: Math.max(0, seen.length - maxSeen),
    events,
  };
}

/** What the problems of a fleet are found in. */
export function fleetSample({ fleet, configuration }: FleetControl): FleetSample {
  const { peers, alone } = fleet;
  const others = peers.others;
  return {
    alone: alone ?? null,
    differing: others.filter(({ report }) => report.configuration !== configuration).map(({ name }) => name),
    peers: others.map(({ name, state, ageMs }) => ({ name, ageMs, isAlive: state === "alive" })),
  };
}

/** One upstream as all balancers see it. */
export function seenByFleet(
  id: string,
  control: FleetControl,
  poolOf: (upstream: string) => string | undefined,
): SeenSnapshot {
  return seenUpstream(id, balancersOf(control, control.fleet.ownReport()), poolOf);
}

function balancersOf({ fleet }: FleetControl, own: PeerReport): readonly SeenFrom[] {
  const others = fleet.peers.others.map(({ name, state, report }) => ({
    ...{ name, report },
    isAlive: state === "alive",
  }));
  return [{ name: fleet.settings.name, isAlive: true, report: own }, ...others];
}

function orderSnapshot({ order, peer }: Entry): FleetOrderSnapshot {
  const { upstream, by, at } = order;
  return { upstream, order: describeOrder(order), by, peer, at };
}

interface PeerContext {
  readonly own: PeerReport;
  readonly revision: string;
  readonly isSelf: boolean;
  readonly isBehind: boolean;
}

function peerSnapshot(
  {
    name,
    state,
    ageMs,
    report,
  }: Pick<PeerSnapshot, "name" | "state" | "ageMs"> & { readonly report: PeerReport },
  { own, revision, isSelf, isBehind }: PeerContext,
): PeerSnapshot {
  const { version, configuration, startedAt, url, inFlight, requestsPerSecond, errorShare } = report;
  return {
    ...{ name, isSelf, state, version, configuration, startedAt },
    ageMs: Math.round(ageMs),
    isSameConfiguration: configuration === own.configuration,
    differs: differencesOf(report, own, isBehind),
    isCurrent: report.nonce === revision,
    url: url === "" ? null : url,
    ...{ inFlight, requestsPerSecond, errorShare, problems: report.problems },
    upstreams: Object.entries(report.upstreams)
      .slice(0, maxUpstreams)
      .map(([id, seen]) => ({ id, ...seen })),
  };
}

/** A version that does not tell something does not differ in it. */
function differencesOf(report: PeerReport, own: PeerReport, isBehind: boolean): readonly string[] {
  const orders = isBehind ? ["orders"] : [];
  if (report.configuration !== own.configuration) {
    const parts = differingKeys(own.parts, report.parts);
    return [...(parts.length > 0 ? parts : ["configuration"]), ...orders];
  }
  const isTold = Object.keys(report.pools).length > 0;
  if (isTold && differingKeys(own.pools, report.pools).length > 0) return ["members", ...orders];
  const isSettled = report.nonce === own.nonce && report.settings !== "";
  return isSettled && report.settings !== own.settings ? ["settings", ...orders] : orders;
}

function differingKeys(
  own: Readonly<Record<string, string>>,
  other: Readonly<Record<string, string>>,
): readonly string[] {
  if (Object.keys(other).length === 0) return [];
  // Only names that are known here: the others come from the store.
  const isMissingHere = Object.keys(other).some((key) => !Object.hasOwn(own, key));
  const differing = Object.keys(own).filter((key) => !Object.hasOwn(other, key) || own[key] !== other[key]);
  return differing.length > 0 || !isMissingHere ? differing : ["configuration"];
}
