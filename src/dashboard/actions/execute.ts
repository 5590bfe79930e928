/** Carries out what was asked for, one upstream after the other, and says what became of each. */

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
  readonly undo: UndoHistory;
  readonly state: DashboardState;
}

export async function executeAction(
  form: ActionForm,
  { admin, undo: undoHistory, state }: ActionContext,
): Promise<ActionOutcome> {
  const before = membersOf(state);
  const failures: Failure[] = [];
  const done: string[] = [];
  for (const id of form.ids) {
    const error = await admin.order(commandOf(form, id));
    if (error) failures.push({ id, error });
    else done.push(id);
  }
  if (done.length === 0) return { undo: undefined, failures };
  const undo = done.flatMap((id) => {
    const known = before.get(id);
    return (known && undoOf(form, known.upstream, known.pool)) ?? [];
  });
  return { undo: undoHistory.add(doneText(form, done), undo), failures };
}

/** Takes back what can be taken back, and says what cannot. */
export async function undoAction(
  undo: UndoEntry,
  { admin, undo: undoHistory, state }: ActionContext,
): Promise<ActionOutcome> {
  const now = membersOf(state);
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
    undo: undoHistory.add(`Undone: ${namesOf(done)} ${done.length === 1 ? "is" : "are"} as before`, []),
    failures,
  };
}

function membersOf({
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

/** Told at the place where it was asked for: the same reason is told once. */
export function failureText(failures: readonly Failure[]): string {
  const byMessage = Map.groupBy(failures, ({ error }) => adminApiErrorSentence(error));
  return [...byMessage]
    .slice(0, maxListed)
    .map(([message, those]) =>
      byMessage.size === 1 ? message : `${namesOf(those.map(({ id }) => id))}: ${message}`,
    )
    .join(" ");
}

/** More than anybody reads. */
const maxListed = 5;
