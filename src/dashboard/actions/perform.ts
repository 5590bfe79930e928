/** Carries out what was asked for, one upstream after the other, and says what became of each. */

import type { UpstreamSnapshot } from "../../snapshot.ts";
import type { AdminClient } from "../admin-client.ts";
import { type DashboardState, type AdminApiError, adminApiErrorSentence } from "../picture.ts";
import type { ActionForm } from "./asked.ts";
import { type UndoEntry, type UndoHistory, undoOf } from "./deeds.ts";
import type { DashboardCommand } from "./order.ts";
import { doneWords, namesOf } from "./words.ts";

interface Failure {
  readonly id: string;
  readonly trouble: AdminApiError;
}

export interface ActionOutcome {
  /** Undefined if nothing was done. */
  readonly deed: UndoEntry | undefined;
  readonly failures: readonly Failure[];
}

export interface ActionContext {
  readonly admin: Pick<AdminClient, "order">;
  readonly deeds: UndoHistory;
  readonly picture: DashboardState;
}

export async function executeAction(
  asked: ActionForm,
  { admin, deeds, picture }: ActionContext,
): Promise<ActionOutcome> {
  const before = membersOf(picture);
  const failures: Failure[] = [];
  const done: string[] = [];
  for (const id of asked.ids) {
    const trouble = await admin.order(orderOf(asked, id));
    if (trouble) failures.push({ id, trouble });
    else done.push(id);
  }
  if (done.length === 0) return { deed: undefined, failures };
  const undo = done.flatMap((id) => {
    const known = before.get(id);
    return (known && undoOf(asked, known.upstream, known.pool)) ?? [];
  });
  return { deed: deeds.add(doneWords(asked, done), undo), failures };
}

/** Takes back what can be taken back, and says what cannot. */
export async function undoAction(
  deed: UndoEntry,
  { admin, deeds, picture }: ActionContext,
): Promise<ActionOutcome> {
  const now = membersOf(picture);
  const failures: Failure[] = [];
  const done: string[] = [];
  for (const { id, order, obstacle } of deed.undo) {
    const message = obstacle(now.get(id)?.upstream);
    const trouble = message ? ({ reason: "refused", message } as const) : await admin.order(order);
    if (trouble) failures.push({ id, trouble });
    else done.push(id);
  }
  if (done.length === 0) return { deed: undefined, failures };
  deeds.forget(deed.key);
  return {
    deed: deeds.add(`Undone: ${namesOf(done)} ${done.length === 1 ? "is" : "are"} as before`, []),
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

function orderOf({ act, weight, deadlineMs, reason }: ActionForm, id: string): DashboardCommand {
  const common = { id, reason };
  switch (act) {
    case "drain":
      return { to: "drain", deadlineMs, ...common };
    case "weight":
      return { to: "weight", weight: weight ?? null, ...common };
    case "remove":
    case "cut":
      return { to: act, ...common };
    case "ready":
    case "maintenance":
      return { to: "mode", mode: act, ...common };
  }
}

/** Told at the place where it was asked for: the same reason is told once. */
export function failureWords(failures: readonly Failure[]): string {
  const byMessage = Map.groupBy(failures, ({ trouble }) => adminApiErrorSentence(trouble));
  return [...byMessage]
    .slice(0, mostTold)
    .map(([message, those]) =>
      byMessage.size === 1 ? message : `${namesOf(those.map(({ id }) => id))}: ${message}`,
    )
    .join(" ");
}

/** More than anybody reads. */
const mostTold = 5;
