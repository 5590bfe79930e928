/** An upstream beside its peers: its error share and its p95, each on one line with those of the others. */
/** @jsxImportSource @kitajs/html */

import { isOpenProblem, type ProblemKind, type ServiceProblem } from "../../problems/problem.ts";
import { PeerValues } from "../../problems/statistics.ts";
import type { Traffic, UpstreamDetail } from "../../snapshot/snapshot.ts";
import { countWithNoun, formatMs, formatShare } from "../../wording/format.ts";
import type { DashboardState } from "../../wording/verdict.ts";
import { levelTones } from "../layout/tone-mark.tsx";
import { attribute } from "../responses.ts";
import { dotsOf, placeOn, topOf } from "./peer-scale.ts";

interface PeersProps {
  readonly detail: UpstreamDetail;
  readonly state: DashboardState;
  /** The ones of this upstream. */
  readonly problems: readonly ServiceProblem[];
}

/** Nothing for an upstream without peers. */
export function PeersCard({ detail, state, problems }: PeersProps): JSX.Element {
  const { id, traffic } = detail;
  const pool = state.snapshot?.pools.find(({ name }) => name === detail.pool);
  // As for problems: one that gets no requests is no peer.
  const peers = (pool?.upstreams ?? [])
    .filter((each) => each.id !== id && each.traffic.requestsPerSecond > 0)
    .map((each) => each.traffic);
  if (peers.length === 0) return "";
  return (
    <section class="card" aria-labelledby="peers-name">
      <header class="card-head">
        <h2 id="peers-name" safe>
          {`Beside its ${peers.length === 1 ? "peer" : countWithNoun(peers.length, "peer")}`}
        </h2>
        <p class="quiet">last minute</p>
      </header>
      {measures.map((measure) => (
        <PeerLine measure={measure} id={id} own={traffic} peers={peers} problems={problems} />
      ))}
    </section>
  );
}

interface Measure {
  readonly name: string;
  /** Null without requests. */
  readonly valueOf: (traffic: Traffic) => number | null;
  readonly format: (value: number) => string;
  readonly least: number;
  /** An upstream with this problem stands out. */
  readonly kind: ProblemKind;
}

const measures: readonly Measure[] = [
  {
    name: "Error share",
    valueOf: ({ requestsPerSecond, errorShare }) => (requestsPerSecond > 0 ? errorShare : null),
    format: formatShare,
    least: 0.04,
    kind: "upstream_errors",
  },
  { name: "p95", valueOf: ({ p95Ms }) => p95Ms, format: formatMs, least: 4, kind: "upstream_slow" },
];

interface LineProps {
  readonly measure: Measure;
  readonly id: string;
  readonly own: Traffic;
  readonly peers: readonly Traffic[];
  readonly problems: readonly ServiceProblem[];
}

function PeerLine({ measure, id, own, peers, problems }: LineProps): JSX.Element {
  const { name, valueOf, format, least, kind } = measure;
  const value = valueOf(own);
  const values = peers.flatMap((traffic) => valueOf(traffic) ?? []);
  const top = topOf(Math.max(value ?? 0, ...values), least);
  const text = peersText(values, format);
  const problem = problems.find((each) => each.kind === kind && isOpenProblem(each));
  return (
    <>
      <p class="peer-name quiet">
        <span safe>{name}</span> <span safe>{text}</span>
      </p>
      <svg
        class="peers"
        role="img"
        aria-label={attribute(`${name}: ${id} ${value === null ? "none" : format(value)}, ${text}`)}
      >
        <line class="grid-base" x1="0" x2="100%" y1="36" y2="36" />
        {[0, 0.25, 0.5, 1].map((part) => (
          <text x={percent(part)} y="52" text-anchor={anchorAt(part)} safe>
            {part === 0 ? "0" : format(top * part)}
          </text>
        ))}
        {dotsOf(values, top).map(({ place, row }) => (
          <circle class="peer" cx={percent(place)} cy={String(30 - row * 6)} r="4" />
        ))}
        {value === null ? (
          ""
        ) : (
          <g data-tone={problem ? levelTones[problem.level] : "calm"}>
            <circle class="own" cx={percent(placeOn(value, top))} cy="30" r="5.5" />
            <text
              class="own-name"
              x={percent(placeOn(value, top))}
              y="9"
              text-anchor={anchorAt(placeOn(value, top))}
              safe
            >
              {`${id} ${format(value)}`}
            </text>
          </g>
        )}
      </svg>
    </>
  );
}

/** "peers 0% to 1%, median 0.3%" */
function peersText(values: readonly number[], format: (value: number) => string): string {
  const { median } = new PeerValues(values);
  if (median === undefined) return "peers: none";
  const [lowest, highest] = [Math.min(...values), Math.max(...values)].map(format);
  if (lowest === highest) return `peers ${lowest}`;
  return `peers ${lowest} to ${highest}, median ${format(median)}`;
}

function percent(part: number): string {
  return `${(part * 100).toFixed(1)}%`;
}

/** Text at an end of the line stays inside. */
function anchorAt(part: number): "start" | "middle" | "end" {
  return part < 0.2 ? "start" : part > 0.8 ? "end" : "middle";
}
