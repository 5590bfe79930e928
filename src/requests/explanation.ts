/** What befell a request, in sentences: why there, why (not) again, and where the time went. */

import type { AttemptRecord, SelectionRecord, RequestRecord } from "../proxy/record.ts";
import type { RetryVeto } from "../proxy/refusal.ts";
import type { StoredRequest } from "./recent-requests.ts";

export function explainRequest(request: RequestRecord): readonly string[] {
  const { attempts } = request;
  return [
    whither(request),
    ...(request.queuedMs > 0 ? [`It waited ${ms(request.queuedMs)} for a place.`] : []),
    ...attempts.flatMap((attempt, index) => [
      ...chosenFor(request, attempt),
      ofAttempt(attempt),
      ...(attempt.rehearsed ? [`A rehearsal on ${attempt.upstream} had a part in that.`] : []),
      ...again(request, index),
    ]),
    ...(request.notRetried === null ? [] : [`It was not tried again: ${whyNot[request.notRetried]}.`]),
    ...(request.complaint !== null && request.pool !== null ? [`It was refused: ${request.complaint}.`] : []),
    outcome(request),
    ...spent(request),
  ];
}

function whither({ pool, key, method, reason, complaint }: RequestRecord): string {
  if (complaint !== null && pool === null) return `It was not acceptable: ${complaint}.`;
  if (method === "") return "Its head was not looked at.";
  if (pool === null)
    return reason === "no_route" ? "No route matches it." : "It was refused before any route was asked.";
  return key === null
    ? `Its route leads to pool ${pool}.`
    : `Its route leads to pool ${pool}; its key there is "${key}".`;
}

/** The choice that led to this attempt, if it was noted. Nobody is asked twice: those before it were no choice any more. */
function chosenFor({ choices, attempts }: RequestRecord, attempt: AttemptRecord): readonly string[] {
  const { upstream, startMs } = attempt;
  const choice = choices.find(({ chosen }) => chosen === upstream);
  const tried = attempts.filter((other) => other !== attempt && other.startMs < startMs);
  const asked = new Set(tried.map((other) => other.upstream));
  return choice ? [`${upstream} was chosen ${among(choice, asked)}.`] : [];
}

function among({ candidates, chosen, fit: allFit }: SelectionRecord, asked: ReadonlySet<string>): string {
  const left = candidates.filter(({ upstream }) => !asked.has(upstream));
  const others = left.filter(({ upstream }) => upstream !== chosen).map(({ upstream }) => upstream);
  const unnamed = allFit - candidates.length;
  const fit = left.length + unnamed;
  if (asked.size > 0 && fit <= 1 && others.length === 0) return "as the only one that was left";
  if (fit <= 1 && others.length === 0) return "as the only one that was fit";
  return `among ${fit} that were fit, beside ${listed(others)}${unnamed > 0 ? ` and ${unnamed} more` : ""}`;
}

function ofAttempt({
  upstream,
  startMs,
  connectMs,
  headMs,
  endMs,
  status,
  outcome: kind,
  ...failed
}: AttemptRecord): string {
  const begun = `At ${ms(startMs)} it went to ${upstream}`;
  const connected = connectMs === null ? "" : `, over a new connection that took ${ms(connectMs)}`;
  if (kind === "failure" && headMs === null)
    return `${begun}${connected}, which failed after ${ms(endMs)}: ${failed.reason} (${failed.phase}).`;
  if (headMs === null) return `${begun}${connected}, and was given up after ${ms(endMs)}.`;
  const answered = `${begun}${connected}, which answered with ${status} after ${ms(headMs)}`;
  if (kind === "failure") return `${answered}, and broke off after ${ms(endMs)}: ${failed.reason}.`;
  return kind === "response"
    ? `${answered} and was done after ${ms(endMs)}.`
    : `${answered}; nobody took all of it.`;
}

/** Retries are noted in order, and each follows an attempt that ended before it. */
function again({ retried }: RequestRecord, index: number): readonly string[] {
  const cause = retried[index];
  if (cause === undefined) return [];
  if (cause === "rescued") return ["Its upstream was found down, so it moved on."];
  if (cause === "hedged")
    return ["It waited for longer than most, so a second attempt was made beside the first."];
  return [`Because of ${cause} it was tried elsewhere.`];
}

const whyNot: Readonly<Record<RetryVeto, string>> = {
  retries_spent: "the pool allows no further attempts",
  method_not_idempotent: "its method is not idempotent, and it may have been processed",
  body_not_replayable: "its body was no longer at hand to be sent again",
  answer_begun: "the client had a part of the answer already",
  no_other_upstream: "no other upstream was left to try",
  retry_budget: "the retry budget was spent",
  time_spent: "the time for all of it was spent",
};

function outcome({ status, reason, isClientGone, attempts }: RequestRecord): string {
  if (isClientGone) return "The client left before it had the whole answer.";
  if (status === 0) return "The client got no answer.";
  const isOurs = reason !== null && attempts.at(-1)?.status !== status;
  return isOurs ? `The client got ${status} from the balancer: ${reason}.` : `The client got ${status}.`;
}

function spent({ durationMs, queuedMs, attempts }: RequestRecord): readonly string[] {
  const last = attempts.at(-1);
  if (!last) return [`All of it took ${ms(durationMs)}.`];
  const before = last.startMs - queuedMs;
  const parts = [
    ...(queuedMs > 0 ? [`${ms(queuedMs)} in the queue`] : []),
    ...(attempts.length > 1 ? [`${ms(before)} on attempts before the last`] : []),
    ...(last.headMs === null
      ? []
      : [`${ms(last.headMs)} until the head`, `${ms(last.endMs - last.headMs)} for the body`]),
  ];
  return [`All of it took ${ms(durationMs)}${parts.length > 0 ? `: ${parts.join(", ")}` : ""}.`];
}

function listed(names: readonly string[]): string {
  return names.length < 2 ? (names[0] ?? "nobody") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

/** "0.42 ms", "38 ms", "2.1 s" */
function ms(value: number): string {
  if (value >= 1_000) return `${(value / 1_000).toFixed(1)} s`;
  return value >= 10 ? `${Math.round(value)} ms` : `${Number(value.toFixed(2))} ms`;
}

/** One request, explained. */
export interface ExplainedRequest extends StoredRequest {
  /** What happened, in sentences. */
  readonly account: readonly string[];
}
