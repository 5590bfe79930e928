/** Snapshots of a fleet of four, for the pages that show them. */

import type { FleetSnapshot, PeerSnapshot, SeenSnapshot } from "../../src/snapshot/fleet-snapshot.ts";
import type { Snapshot } from "../../src/snapshot/snapshot.ts";
import { busySnapshot } from "./fake-admin-api.ts";

export function peerOf(name: string, change: Partial<PeerSnapshot> = {}): PeerSnapshot {
  return {
    ...{ name, isSelf: false, state: "alive", ageMs: 240, version: "0.2.0", configuration: "20a3e5668d7d" },
    ...{ isSameConfiguration: true, differs: [], isCurrent: true, startedAt: Date.now() - 7_200_000 },
    ...{ url: `https://${name}.example.com`, inFlight: 40, requestsPerSecond: 4_312.4, errorShare: 0.0004 },
    ...{ problems: { critical: 0, warning: 0 }, upstreams: [] },
    ...change,
  };
}

export function fleetOf(change: Partial<FleetSnapshot> = {}): FleetSnapshot {
  return {
    ...{ name: "fra-1", group: "shop", alone: null, revision: "c-1", namesake: false },
    ...{ pending: [], waiting: [], differing: [], seen: [], seenOmitted: 0, events: [] },
    peers: [
      peerOf("fra-1", { isSelf: true, ageMs: 0 }),
      ...["ams-1", "fra-2", "lon-1"].map((name) => peerOf(name)),
    ],
    ...change,
  };
}

type Word = readonly [status: string, problem?: string];

function seenOf(
  id: string,
  words: readonly Word[],
  conclusion: Pick<SeenSnapshot, "where" | "from">,
): SeenSnapshot {
  const names = ["fra-1", "ams-1", "fra-2", "lon-1"];
  const by = words.map(([status, problem], index) => ({
    ...{ balancer: names[index] ?? "", isAlive: names[index] !== "lon-1", status, inFlight: 0 },
    ...(problem !== undefined && { problem }),
  }));
  return { id, pool: "main", by, ...conclusion };
}

/** One balancer is silent, one differs, orders are not shared yet, and three upstreams are not well. */
export function troubledFleet(): FleetSnapshot {
  const at = Date.now();
  const order = { by: "ann", peer: "fra-1", at: at - 9_000 };
  return fleetOf({
    alone: { since: at - 12_000, why: "connection refused" },
    differing: ["ams-1"],
    pending: [{ ...order, upstream: "localhost:8083", order: "draining" }],
    waiting: [{ ...order, upstream: "web-99", order: "weight 5", peer: "ams-1" }],
    peers: [
      peerOf("fra-1", { isSelf: true, ageMs: 0, problems: { critical: 1, warning: 1 } }),
      peerOf("ams-1", {
        ...{ isSameConfiguration: false, configuration: "9b1c07e2aa41", differs: ["pools", "routes"] },
        ...{ version: "0.1.9", problems: { critical: 0, warning: 1 } },
      }),
      peerOf("fra-2", { url: null }),
      peerOf("lon-1", { state: "silent", ageMs: 12_400 }),
    ],
    seen: [
      seenOf("localhost:8082", [["failing", "upstream_down"], ["failing"], ["failing"], ["passing"]], {
        ...{ where: "upstream", from: ["fra-1", "ams-1", "fra-2"] },
      }),
      seenOf("localhost:8081", [["passing"], ["passing", "upstream_slow"], ["passing"], ["unknown"]], {
        ...{ where: "path", from: ["ams-1"] },
      }),
      seenOf("localhost:8083", [["draining"], ["absent"], ["draining"], ["draining"]], {
        ...{ where: "operator", from: ["fra-1", "fra-2"] },
      }),
    ],
    seenOmitted: 3,
    events: [
      {
        ...{ seq: 9, at: at - 60_000, kind: "fleet", pool: "main", upstream: "localhost:8083" },
        ...{ from: "ready", to: "draining", reason: "intent_set_aside", by: "balancer" },
        detail: "ready by bob at ams-1 was set aside for draining by ann at fra-1",
      },
    ],
  });
}

export function inFleet(fleet: FleetSnapshot, snapshot: Snapshot = busySnapshot()): Snapshot {
  return { ...snapshot, fleet };
}
