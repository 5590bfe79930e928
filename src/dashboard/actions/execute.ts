/** Executes or undoes an operator action, one upstream after the other, and collects the failures. */

import type { UpstreamSnapshot } from "../../snapshot/snapshot.ts";
import type { AdminClient } from "../admin-client.ts";
import { type DashboardState, type AdminApiError, adminApiErrorSentence } from "../../wording/verdict.ts";
import type { ActionForm } from "./action-form.ts";
import { type UndoEntry, type UndoHistory, undoOf } from "./undo.ts";
import { type DashboardCommand, doneText, namesOf } from "./command.ts";

interface Failure {
  readonly id: string;
  readonly error: AdminApiError;
}

export interface ActionOutcome {
  /** Undefined if nothing was done. */
  readonly undo: UndoEntry | undefined;
  readonly failures: readonly Failure[];
}

export interface ActionContext {
  readonly admin: Pick<AdminClient, "order">;
  readonly undoHistory: UndoHistory;
  readonly state: DashboardState;
}

export async function executeAction(
  form: ActionForm,
  { admin, undoHistory, state }: ActionContext,
): Promise<ActionOutcome> {
  const before = upstreamsById(state);
  const failures: Failure[] = [];
  const done: string[] = [];
  for (const id of form.ids) {
    const error = await admin.order(commandOf(form, id));
    if (error) failures.push({ id, error });
    else done.push(id);
  }
  if (done.length === 0) return { undo: undefined, failures };
  const undo = done.flatMap((id) => {
    const previous = before.get(id);
    return (previous && undoOf(form, previous.upstream, previous.pool)) ?? [];
  });
  return { undo: undoHistory.add(doneText(form, done), undo), failures };
}

/** Sends the undo commands; an upstream that changed since is a failure. */
export async function undoAction(
  undo: UndoEntry,
  { admin, undoHistory, state }: ActionContext,
): Promise<ActionOutcome> {
  const now = upstreamsById(state);
  const failures: Failure[] = [];
  const done: string[] = [];
  for (const { id, order, obstacle } of undo.undo) {
    const message = obstacle(now.get(id)?.upstream);
    const error = message ? ({ reason: "refused", message } as const) : await admin.order(order);
    if (error) failures.push({ id, error });
    else done.push(id);
  }
  if (done.length === 0) return { undo: undefined, failures };
  undoHistory.forget(undo.key);
  return {
    undo: undoHistory.add(
      `Undone: ${namesOf(done)} ${done.length === 1 ? "is" : "are"} in the previous state again`,
      [],
    ),
    failures,
  };
}

function upstreamsById({
  snapshot,
}: DashboardState): ReadonlyMap<string, { pool: string; upstream: UpstreamSnapshot }> {
  return new Map(
    snapshot?.pools.flatMap(({ name, upstreams }) =>
      upstreams.map((upstream) => [upstream.id, { pool: name, upstream }] as const),
    ),
  );
}

function commandOf({ action, weight, deadlineMs, reason }: ActionForm, id: string): DashboardCommand {
  const common = { id, reason };
  switch (action) {
    case "drain":
      return { to: "drain", deadlineMs, ...common };
    case "weight":
      return { to: "weight", weight: weight ?? null, ...common };
    case "remove":
    case "cut":
      return { to: action, ...common };
    case "ready":
    case "maintenance":
      return { to: "mode", mode: action, ...common };
  }
}

/** Each distinct cause once, with the upstreams that it affects. */
export function failureText(failures: readonly Failure[]): string {
  const byMessage = Map.groupBy(failures, ({ error }) => adminApiErrorSentence(error));
  return [...byMessage]
    .slice(0, maxListed)
    .map(([message, group]) =>
      byMessage.size === 1 ? message : `${namesOf(group.map(({ id }) => id))}: ${message}`,
    )
    .join(" ");
}

/** Causes shown. */
const maxListed = 5;
