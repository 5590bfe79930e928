/** The decisions of one request: among whom was chosen each time, who was tried, and why (not) again. */
/** @jsxImportSource @kitajs/html */

import { Glyph } from "../layout/widgets.tsx";
import { pageOf } from "../location.ts";
import { attribute } from "../responses.ts";
import { policies } from "../../policy/policies.ts";
import type { Candidate, RequestRecord, SelectionRecord } from "../../proxy/record.ts";
import { formatCount, formatMs, joinList, nothing } from "../../wording/format.ts";

interface ChoicesProps {
  readonly request: RequestRecord;
  /** Of its pool; undefined where that is not there any more. */
  readonly policy: string | undefined;
}

export function DecisionList({ request, policy }: ChoicesProps): JSX.Element {
  const { choices, retried, attempts, notRetried } = request;
  // A record that nobody wanted from the start has only the choices of further attempts.
  const unknown = Math.max(0, 1 + retried.length - choices.length);
  const tried = [...new Set(attempts.map(({ upstream }) => upstream))];
  return (
    <section class="card" aria-labelledby="choices-name">
      <header class="card-head">
        <h2 id="choices-name">Why there</h2>
        {tried.length > 0 ? (
          <p class="quiet" safe>
            {`tried: ${joinList(tried)}`}
          </p>
        ) : (
          ""
        )}
      </header>
      {choices.length === 0 ? (
        <p class="empty">
          {attempts.length === 0
            ? "Nobody was chosen."
            : "Among whom was chosen is not known: it is kept from the start only of some requests."}
        </p>
      ) : (
        choices.map((choice, index) => (
          <OneChoice
            choice={choice}
            number={index + unknown}
            cause={retried[index + unknown - 1]}
            policy={policy}
            tried={[
              ...new Set(choices.slice(0, index).map(({ chosen }) => chosen)),
              ...triedBefore(request, unknown),
            ]}
          />
        ))
      )}
      {choices.length > 0 && unknown > 0 ? (
        <p class="choice-words quiet">The first choice was not kept.</p>
      ) : (
        ""
      )}
      <p class="choice-end" safe>
        {notRetried === null
          ? endText(request)
          : `Not tried again: ${notRetriedText[notRetried] ?? notRetried}.`}
      </p>
    </section>
  );
}

/** Where the choice was not kept, the attempts tell. */
function triedBefore({ attempts }: RequestRecord, unknown: number): readonly string[] {
  return attempts
    .toSorted((left, right) => left.startMs - right.startMs)
    .slice(0, unknown)
    .map(({ upstream }) => upstream);
}

interface OneChoiceProps {
  readonly choice: SelectionRecord;
  /** From 0. */
  readonly number: number;
  /** Why a further attempt was made. */
  readonly cause: string | undefined;
  readonly policy: string | undefined;
  readonly tried: readonly string[];
}

function OneChoice({ choice, number, cause, policy, tried }: OneChoiceProps): JSX.Element {
  const { chosen, candidates, fit } = choice;
  const scoring = scoringOf(policy, number > 0);
  const more = fit > candidates.length ? `, of which ${formatCount(candidates.length)} are shown` : "";
  const title = number === 0 ? "First attempt" : `Attempt ${number + 1}`;
  return (
    <section class="choice" aria-label={title}>
      <h3>
        <span>{title}</span>
        {cause === undefined ? "" : <span class="choice-cause" safe>{`after ${cause}`}</span>}
        <span class="choice-fit quiet" safe>
          {`${formatCount(fit)} ${fit === 1 ? "was" : "were"} fit${more}`}
        </span>
      </h3>
      <CandidateTable
        caption={`Candidates, ${title.toLowerCase()}`}
        candidates={candidates}
        chosen={chosen}
        scoring={scoring}
        tried={tried}
      />
      {scoring.text === "" ? (
        ""
      ) : (
        <p class="choice-words quiet" safe>
          {scoring.text}
        </p>
      )}
    </section>
  );
}

const notRetriedText: Readonly<Record<string, string | undefined>> = {
  retries_spent: "all retries of this pool were spent",
  method_not_idempotent: "the method is not idempotent, and the upstream may have done it already",
  body_not_replayable: "the request's body was gone and could not be sent again",
  answer_begun: "the answer had begun",
  no_other_upstream: "there was no other upstream",
  retry_budget: "the pool's retry budget was used up",
};

function endText({ retried, attempts, isClientGone, reason }: RequestRecord): string {
  if (isClientGone) return "The client left, so nothing more was tried.";
  if (attempts.length === 0) return reason === null ? "" : `The balancer answered itself: ${reason}.`;
  return retried.length > 0 ? "The last attempt was answered." : "No retry was needed.";
}

// Among whom was chosen, with the numbers that decided: for what happened and for what would.

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

// What the candidates were compared by: the policies' own measures, of the numbers that a choice has kept.

export interface Scoring {
  /** How this choice is made, for people. */
  readonly text: string;
  /** The smaller, the better; undefined where nothing is compared. */
  readonly scoreOf: ((candidate: Candidate) => number | null) | undefined;
}

/** The reading of src/policy/least-connections.ts and of src/pool/draw.ts. */
const load = ({ inFlight, weight }: Candidate) => inFlight / weight;

/** The reading of src/policy/p2c.ts; null for what it has not measured and does not want to flood. */
function cost({ inFlight, weight, latencyMs }: Candidate): number | null {
  if (latencyMs === null) return inFlight === 0 ? 0 : null;
  return (latencyMs * (inFlight + 1)) / weight;
}

/** A retry is not a turn: it goes by load alone, whatever the policy. */
const further: Scoring = {
  text: "A further attempt asks no policy: it goes to the lighter of two drawn from those not tried yet.",
  scoreOf: load,
};

const measures: Readonly<Record<string, Scoring["scoreOf"]>> = { p2c: cost, "least-connections": load };

/** @param policy of the pool; undefined where it is not known (any more) */
export function scoringOf(policy: string | undefined, isFurther: boolean): Scoring {
  if (isFurther) return further;
  if (policy === undefined) return { text: "", scoreOf: undefined };
  const summary = Object.hasOwn(policies, policy) ? policies[policy as keyof typeof policies].summary : "";
  return {
    text: summary === "" ? policy : `${policy}: ${summary}.`,
    scoreOf: Object.hasOwn(measures, policy) ? measures[policy] : undefined,
  };
}
