/** Parses an operator action from the query of its confirmation or from the form that confirms it. */

import { type Action, type ActionRequest, actions } from "../../wording/effect.ts";
import type { PoolSnapshot } from "../../snapshot/snapshot.ts";
import { formLocation, type PageLocation } from "../location.ts";

export interface ActionForm extends ActionRequest {
  readonly reason: string;
  /** The operator confirmed an action that leaves a pool without an available upstream. */
  readonly confirmed: boolean;
  readonly location: PageLocation;
}

/** Actions that apply to several upstreams at once. */
export const bulkActions = ["ready", "drain", "maintenance", "weight"] as const satisfies readonly Action[];

/** Upper bound of one action; a selection by hand stays below it. */
const maxUpstreams = 500;

/** Characters. The admin API has the same limit. */
export const maxReason = 200;

export const deadlines = [
  { name: "10 seconds", ms: 10_000 },
  { name: "30 seconds", ms: 30_000 },
  { name: "1 minute", ms: 60_000 },
  { name: "5 minutes", ms: 300_000 },
  { name: "30 minutes", ms: 1_800_000 },
  { name: "no deadline", ms: 0 },
] as const;

const defaultDeadlineMs = 30_000;

/** The form field that names a pool, for all its upstreams. */
export const allOfField = "all-of";

/** The same form, with the upstreams of the pools that it names. */
export function withPoolMembers(
  fields: URLSearchParams,
  pools: readonly Pick<PoolSnapshot, "name" | "upstreams">[],
): URLSearchParams {
  const named = new Set(fields.getAll(allOfField));
  const result = new URLSearchParams(fields);
  result.delete(allOfField);
  for (const { name, upstreams } of pools) {
    if (named.has(name)) for (const { id } of upstreams) result.append("upstream", id);
  }
  return result;
}

/** Returns undefined if the form names no known action or no upstream. */
export function parseActionForm(fields: URLSearchParams): ActionForm | undefined {
  const action = actions.find((known) => known === fields.get("act"));
  const ids = [...new Set(fields.getAll("upstream"))].filter(Boolean).slice(0, maxUpstreams);
  if (!action || ids.length === 0) return undefined;
  const deadline = Number(fields.get("deadline") ?? defaultDeadlineMs);
  return {
    action,
    ids,
    weight: weightIn(fields.get("weight")),
    deadlineMs: deadlines.some(({ ms }) => ms === deadline) ? deadline : defaultDeadlineMs,
    reason: reasonIn(fields),
    confirmed: fields.get("confirmed") === "yes",
    location: formLocation(fields),
  };
}

export function reasonIn(fields: URLSearchParams): string {
  return (fields.get("reason") ?? "").trim().slice(0, maxReason);
}

/** Null for an empty field, which means the configured weight; undefined for a missing or invalid one. */
function weightIn(text: string | null): number | null | undefined {
  if (text === null) return undefined;
  const trimmed = text.trim();
  if (trimmed === "") return null;
  return /^\d{1,3}$/.test(trimmed) && Number(trimmed) <= 256 ? Number(trimmed) : undefined;
}

/** Bulk actions and actions that one click cannot undo need an explanation in the audit trail. */
export function needsReason({ action, ids }: Pick<ActionForm, "action" | "ids">): boolean {
  return ids.length > 1 || action === "maintenance" || action === "remove" || action === "cut";
}
