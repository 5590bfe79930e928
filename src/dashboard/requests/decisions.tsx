/** The decisions of one request: the candidates of each selection with their scores, and why it was retried or not. */
/** @jsxImportSource @kitajs/html */

import { Glyph } from "../layout/widgets.tsx";
import { pageOf } from "../location.ts";
import { attribute } from "../responses.ts";
import { vetoTexts } from "../../requests/explanation.ts";
import { policies } from "../../policy/policies.ts";
import type { Candidate, RequestRecord, SelectionRecord } from "../../proxy/record.ts";
import type { RetryVeto } from "../../proxy/refusal.ts";
import { joinList } from "../../lib/list-text.ts";
import { formatCount, formatMs, nothing } from "../../wording/format.ts";

interface DecisionListProps {
  readonly request: RequestRecord;
  /** The pool's policy; undefined if the pool no longer exists. */
  readonly policy: string | undefined;
}

export function DecisionList({ request, policy }: DecisionListProps): JSX.Element {
  const { choices, retried, attempts, notRetried } = request;
  // A request that was not sampled from its start has only the selections of its retries.
  const unrecorded = Math.max(0, 1 + retried.length - choices.length);
  const tried = [...new Set(attempts.map(({ upstream }) => upstream))];
  return (
    <section class="card" aria-labelledby="choices-name">
      <header class="card-head">
        <h2 id="choices-name">Upstream selection</h2>
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
            ? "No upstream was selected."
            : "The candidates were not recorded: only a sample of requests stores them."}
        </p>
      ) : (
        choices.map((choice, index) => (
          <SelectionSection
            choice={choice}
            number={index + unrecorded}
            cause={retried[index + unrecorded - 1]}
            policy={policy}
            tried={[
              ...new Set(choices.slice(0, index).map(({ chosen }) => chosen)),
              ...triedBefore(request, unrecorded),
            ]}
          />
        ))
      )}
      {choices.length > 0 && unrecorded > 0 ? (
        <p class="choice-note quiet">The candidates of the first attempt were not recorded.</p>
      ) : (
        ""
      )}
      <p class="choice-end" safe>
        {notRetried === null ? endText(request) : `Not retried: ${vetoText(notRetried)}.`}
      </p>
    </section>
  );
}

/** The upstreams of attempts whose selection was not recorded. */
function triedBefore({ attempts }: RequestRecord, unrecorded: number): readonly string[] {
  return attempts
    .toSorted((left, right) => left.startMs - right.startMs)
    .slice(0, unrecorded)
    .map(({ upstream }) => upstream);
}

interface SelectionSectionProps {
  readonly choice: SelectionRecord;
  /** From 0. */
  readonly number: number;
  /** Why this retry was made; undefined for the first attempt. */
  readonly cause: string | undefined;
  readonly policy: string | undefined;
  readonly tried: readonly string[];
}

function SelectionSection({ choice, number, cause, policy, tried }: SelectionSectionProps): JSX.Element {
  const { chosen, candidates, fit } = choice;
  const scoring = scoringOf(policy, number > 0);
  const more = fit > candidates.length ? `, ${formatCount(candidates.length)} shown` : "";
  const title = number === 0 ? "First attempt" : `Attempt ${number + 1}`;
  return (
    <section class="choice" aria-label={title}>
      <h3>
        <span>{title}</span>
        {cause === undefined ? (
          ""
        ) : (
          <span class="choice-cause" safe>
            {causeText(cause)}
          </span>
        )}
        <span class="choice-fit quiet" safe>
          {`${formatCount(fit)} available${more}`}
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
        <p class="choice-note quiet" safe>
          {scoring.text}
        </p>
      )}
    </section>
  );
}

function causeText(cause: string): string {
  if (cause === "hedged") return "because the attempt was slow";
  return cause === "rescued" ? "because the upstream went down" : `after ${cause}`;
}

/** The reason itself for a reason of a later version. */
function vetoText(veto: RetryVeto): string {
  return Object.hasOwn(vetoTexts, veto) ? vetoTexts[veto] : veto;
}

function endText({ retried, attempts, isClientGone, reason }: RequestRecord): string {
  if (isClientGone) return "The client disconnected, so the request was not retried.";
  if (attempts.length === 0) return reason === null ? "" : `The balancer refused the request: ${reason}.`;
  return retried.length > 0 ? "The last attempt received a response." : "No retry was needed.";
}

interface CandidatesProps {
  readonly caption: string;
  readonly candidates: readonly Candidate[];
  readonly chosen: string | null;
  readonly scoring: Scoring;
  /** Upstreams of earlier attempts. */
  readonly tried?: readonly string[];
}

/** The candidates of one selection, recorded or of a dry run, with the numbers that decided it. */
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
                <ChosenMark isChosen={isChosen} />
                <a href={attribute(pageOf(candidate.upstream))} safe>
                  {candidate.upstream}
                </a>
                {isChosen ? <span class="candidate-note">chosen</span> : ""}
                {isTried && !isChosen ? <span class="candidate-note quiet">tried before</span> : ""}
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

/** Has the same width in every row, so that the names align. */
function ChosenMark({ isChosen }: { readonly isChosen: boolean }): JSX.Element {
  return (
    <span class="candidate-mark" data-tone="good">
      {isChosen ? <Glyph shape="check" /> : ""}
    </span>
  );
}

const twoDigits = new Intl.NumberFormat("en-US", { maximumFractionDigits: 2 });

/** During slow start the weight is a fraction of the configured one. */
function formatWeight(weight: number): string {
  return twoDigits.format(weight);
}

function formatScore(score: number | null): string {
  if (score === null) return nothing;
  return score < 100 ? twoDigits.format(score) : formatCount(score);
}

/** How a selection compares its candidates, computed from the numbers in its record. */
export interface Scoring {
  /** A sentence for people; empty if the policy is not known. */
  readonly text: string;
  /** Lower is better; null if unmeasured. Undefined if the policy compares nothing. */
  readonly scoreOf: ((candidate: Candidate) => number | null) | undefined;
}

/** The measure of src/policy/least-connections.ts and of `powerOfTwoChoices` in src/pool/selection.ts. */
const load = ({ inFlight, weight }: Candidate) => inFlight / weight;

/** The measure of src/policy/p2c.ts; null for an unmeasured upstream in use, which ranks last so that it is not flooded. */
function cost({ inFlight, weight, latencyMs }: Candidate): number | null {
  if (latencyMs === null) return inFlight === 0 ? 0 : null;
  return (latencyMs * (inFlight + 1)) / weight;
}

/** A retry bypasses the policy: it compares load alone. */
const retryScoring: Scoring = {
  text: "Retries bypass the policy: they go to the less loaded of two random upstreams that were not tried yet.",
  scoreOf: load,
};

const keyedRetryScoring: Scoring = {
  text: "Retries go to the next choice of the request's hash key that was not tried yet.",
  scoreOf: undefined,
};

const measures: Readonly<Record<string, Scoring["scoreOf"]>> = { p2c: cost, "least-connections": load };

/** @param policy the pool's policy; undefined if the pool no longer exists */
export function scoringOf(policy: string | undefined, isRetry: boolean): Scoring {
  if (isRetry) return policy === "hash" ? keyedRetryScoring : retryScoring;
  if (policy === undefined) return { text: "", scoreOf: undefined };
  const summary = Object.hasOwn(policies, policy) ? policies[policy as keyof typeof policies].summary : "";
  return {
    text: summary === "" ? policy : `${policy}: ${summary}.`,
    scoreOf: Object.hasOwn(measures, policy) ? measures[policy] : undefined,
  };
}
