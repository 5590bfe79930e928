/** Builds the fleet's part of a snapshot. */

import type { FleetControl } from "../control/fleet-control.ts";
import { describeOrder, type Entry } from "../fleet/entry.ts";
import type { PeerReport } from "../fleet/peer-report.ts";
import type { FleetSample } from "../problems/sample.ts";
import type { FleetOrderSnapshot, FleetSnapshot, PeerSnapshot } from "../snapshot/fleet-snapshot.ts";

/** @param runs whether an upstream of this id runs here */
export function fleetSnapshot(control: FleetControl, runs: (upstream: string) => boolean): FleetSnapshot {
  const { fleet } = control;
  const { settings, journal, peers, alone } = fleet;
  const own = fleet.ownReport();
  const revision = journal.known.nonce;
  const self = peerSnapshot(
    { name: settings.name, state: "alive", ageMs: 0, report: own },
    { own, revision, isSelf: true },
  );
  const others = peers.others.map((peer) => peerSnapshot(peer, { own, revision, isSelf: false }));
  const waiting = [...journal.entries.values()].filter(
    ({ order }) => order.kind !== "forgotten" && order.kind !== "removed" && !runs(order.upstream),
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
  };
}

/** What the problems of a fleet are found in. */
export function fleetSample({ fleet }: FleetControl): FleetSample {
  const { peers, alone } = fleet;
  const others = peers.others;
  const { configuration } = fleet.ownReport();
  return {
    alone: alone ?? null,
    differing: others.filter(({ report }) => report.configuration !== configuration).map(({ name }) => name),
    peers: others.map(({ name, state, ageMs }) => ({ name, ageMs, isAlive: state === "alive" })),
  };
}

function orderSnapshot({ order, peer }: Entry): FleetOrderSnapshot {
  const { upstream, by, at } = order;
  return { upstream, order: describeOrder(order), by, peer, at };
}

interface PeerContext {
  readonly own: PeerReport;
  readonly revision: string;
  readonly isSelf: boolean;
}

function peerSnapshot(
  {
    name,
    state,
    ageMs,
    report,
  }: Pick<PeerSnapshot, "name" | "state" | "ageMs"> & { readonly report: PeerReport },
  { own, revision, isSelf }: PeerContext,
): PeerSnapshot {
  const { version, configuration, startedAt, url, inFlight, requestsPerSecond, errorShare } = report;
  return {
    ...{ name, isSelf, state, version, configuration, startedAt },
    ageMs: Math.round(ageMs),
    isSameConfiguration: configuration === own.configuration,
    isCurrent: report.nonce === revision,
    url: url === "" ? null : url,
    ...{ inFlight, requestsPerSecond, errorShare },
    upstreams: Object.entries(report.upstreams).map(([id, seen]) => ({ id, ...seen })),
  };
}
