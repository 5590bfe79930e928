/** The decisions of one request: among whom was chosen each time, who was tried, and why (not) again. */
/** @jsxImportSource @kitajs/html */

import type { SelectionRecord, RequestRecord } from "../../proxy/record.ts";
import { formatCount, joinList } from "../../wording/format.ts";
import { CandidateTable } from "./candidates.tsx";
import { scoringOf } from "./scores.ts";

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
