/** Among whom was chosen, with the numbers that decided: for what happened and for what would. */
/** @jsxImportSource @kitajs/html */

import type { Candidate } from "../../proxy/record.ts";
import { Glyph } from "../layout/widgets.tsx";
import { attribute } from "../escape.ts";
import { formatCount, formatMs, nothing } from "../../wording/format.ts";
import { pageOf } from "../location.ts";
import type { Scoring } from "./scores.ts";

interface CandidatesProps {
  readonly caption: string;
  readonly candidates: readonly Candidate[];
  readonly chosen: string | null;
  readonly scoring: Scoring;
  /** Where it has been already. */
  readonly tried?: readonly string[];
}

export function CandidateTable({
  caption,
  candidates,
  chosen,
  scoring: { scoreOf },
  tried = [],
}: CandidatesProps): JSX.Element {
  return (
    <table class="candidates">
      <caption class="unseen" safe>
        {caption}
      </caption>
      <thead>
        <tr>
          <th scope="col">Upstream</th>
          <th scope="col">In flight</th>
          <th scope="col">Weight</th>
          <th scope="col">Latency</th>
          {scoreOf ? <th scope="col">Score</th> : ""}
        </tr>
      </thead>
      <tbody>
        {candidates.map((candidate) => {
          const isTried = tried.includes(candidate.upstream);
          const isChosen = candidate.upstream === chosen;
          return (
            <tr data-chosen={isChosen ? "yes" : "no"}>
              <th scope="row">
                <ScoreMark isChosen={isChosen} />
                <a href={attribute(pageOf(candidate.upstream))} safe>
                  {candidate.upstream}
                </a>
                {isChosen ? <span class="candidate-word">chosen</span> : ""}
                {isTried && !isChosen ? <span class="candidate-word quiet">tried before</span> : ""}
              </th>
              <td safe>{formatCount(candidate.inFlight)}</td>
              <td safe>{formatWeight(candidate.weight)}</td>
              <td safe>{candidate.latencyMs === null ? nothing : formatMs(candidate.latencyMs)}</td>
              {scoreOf ? <td safe>{formatScore(scoreOf(candidate))}</td> : ""}
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

/** As wide for all, so that names stand below each other. */
function ScoreMark({ isChosen }: { readonly isChosen: boolean }): JSX.Element {
  return (
    <span class="candidate-mark" data-tone="good">
      {isChosen ? <Glyph shape="check" /> : ""}
    </span>
  );
}

const twoDigits = new Intl.NumberFormat("en-US", { maximumFractionDigits: 2 });

/** Less than the configured one during a slow start, and then no whole number. */
function formatWeight(weight: number): string {
  return twoDigits.format(weight);
}

function formatScore(score: number | null): string {
  if (score === null) return nothing;
  return score < 100 ? twoDigits.format(score) : formatCount(score);
}
