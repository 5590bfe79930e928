/** Problems of a fleet: a balancer that is not heard, one that is configured in another way, and a store that is away. */

import { advice, readAct } from "./advice.ts";
import type { Detection } from "./detection.ts";
import type { Description, DescriptionContext, Finding, FindingVerdict } from "./finding.ts";
import type { ProblemHits, ProblemKind, ProblemLevel } from "./problem.ts";
import type { FleetSample } from "./sample.ts";
import { foreignText, secondsText, someNames, spanText } from "./wording.ts";

export const fleetKinds = [
  ...(["peer_gone", "fleet_alone", "fleet_differs"] as const),
] satisfies readonly ProblemKind[];

type FleetKind = (typeof fleetKinds)[number];

export function detectFleet(detection: Detection): void {
  const { fleet, at } = detection.sample;
  if (!fleet) return;
  const { alone, peers } = fleet;
  if (alone) detection.report(aloneFinding(alone));
  if (fleet.differing.length > 0) detection.report(differsFinding(fleet));
  for (const peer of peers) {
    // Without the store no balancer hears another one.
    const verdict = alone ? "unknown" : "enter";
    if (!peer.isAlive) detection.report(peerFinding(peer.name, { fleet, verdict, since: at - peer.ageMs }));
  }
  // The store forgets a balancer after a minute: that is no sign of life.
  const present = new Set(peers.map(({ name }) => name));
  for (const name of detection.openKeys("peer_gone"))
    if (!present.has(name)) detection.report(peerFinding(name, { fleet, verdict: "unknown", since: at }));
}

interface FleetFinding {
  readonly key?: string;
  readonly verdict?: FindingVerdict;
  readonly level?: ProblemLevel;
  readonly since?: number;
  readonly describe: (context: DescriptionContext) => Omit<Description, "measure" | "links">;
}

function findingOf(kind: FleetKind, given: FleetFinding): Finding {
  const { key = "", verdict = "enter", level = "warning", since, describe } = given;
  return {
    ...{ kind, key, pool: null, upstream: null, verdict, level, failing: 0 },
    ...(since !== undefined && { since }),
    describe: (context) => ({
      ...describe(context),
      measure: null,
      links: { requests: null, history: null },
    }),
  };
}

function noneHit(words: string): ProblemHits {
  return { words, routes: [], share: null, perSecond: 0, requests: 0 };
}

interface SilentPeer {
  readonly fleet: FleetSample;
  readonly verdict: FindingVerdict;
  readonly since: number;
}

function peerFinding(name: string, { fleet: { peers }, verdict, since }: SilentPeer): Finding {
  // This balancer is alive, and not among its peers.
  const alive = 1 + peers.filter(({ isAlive }) => isAlive).length;
  const total = 1 + peers.length;
  return findingOf("peer_gone", {
    ...{ key: name, verdict, since },
    level: alive < total / 2 ? "critical" : "warning",
    describe: (context) => ({
      title: `${name} has not been heard since ${secondsText(context.since)}`,
      hits: noneHit(
        `${alive} of ${total} balancers are left. Its clients reach it, or they do not: look there`,
      ),
      cause: {
        words: `Silence, without a word that it leaves. The store and ${alive === 1 ? "this balancer" : "the others"} are there.`,
        code: "silence",
        event: null,
      },
      do: advice(
        readAct("Open its page", "evenkeel fleet"),
        "Look at the machine, and at its way to the store of the fleet.",
      ),
    }),
  });
}

function aloneFinding({ since, why }: NonNullable<FleetSample["alone"]>): Finding {
  return findingOf("fleet_alone", {
    since,
    describe: ({ at }) => ({
      title: `The store of the fleet cannot be reached: ${foreignText(why)}`,
      hits: noneHit("No client. Orders count here alone until it is back"),
      cause: {
        words: `For ${spanText(at - since)}: ${foreignText(why)}`,
        code: "store_away",
        event: null,
      },
      do: advice(
        readAct("See the fleet", "evenkeel fleet"),
        "Look at the store, and at the network to it. What was ordered meanwhile is shared when it is back.",
      ),
    }),
  });
}

function differsFinding({ differing }: FleetSample): Finding {
  const names = someNames(differing);
  const isOne = differing.length === 1;
  return findingOf("fleet_differs", {
    describe: () => ({
      title: `${names} ${isOne ? "is" : "are"} configured in another way than this balancer`,
      hits: noneHit("Clients may get other answers, depending on the balancer"),
      cause: { words: `Pools or routes of ${names} differ.`, code: "configuration_differs", event: null },
      do: advice(
        readAct("See the difference", "evenkeel fleet"),
        "Give all of them the same file, and reload it.",
        readAct("Compare with a file", "evenkeel plan"),
      ),
    }),
  });
}
