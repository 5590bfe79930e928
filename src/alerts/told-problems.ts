/** Which receivers know of which problems, and what has to be told: compares what they know with the list, each second. */

import type { AlertReceiverConfig } from "../config/alerts.ts";
import type { AlertType } from "../extension/alert-format.ts";
import { type ProblemLevel, problemLevels, type ServiceProblem, severityOf } from "../problems/problem.ts";
import type { ToldRow } from "../state/alert-record.ts";

/** A receiver knows of a problem that has ended for so long: the problem may come back under its id within ten minutes. */
const keptClosedMs = 30 * 60_000;

/** After a start, a problem that the list does not know has ended while nothing ran. */
const settledMs = 60_000;

/** One thing to tell. */
export interface Telling {
  readonly receiver: AlertReceiverConfig;
  readonly type: Exclude<AlertType, "test">;
  readonly number: number;
  /** Undefined for one that ended while nothing ran: only its id is known. */
  readonly problem: ServiceProblem | undefined;
  readonly id: string;
}

/** The list, as far as alerts are concerned. */
export interface ListedProblems {
  readonly open: readonly ServiceProblem[];
  readonly closed: readonly ServiceProblem[];
}

export interface ToldOptions {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly isSilenced: (problem: ServiceProblem) => boolean;
  /** What receivers know now, to be stored. */
  readonly onTold: (row: ToldRow) => void;
  readonly onForgotten: (row: ToldRow) => void;
}

/**
 * Of one receiver and one problem:
 * ```
 *             open, not silenced          a worse level, not silenced       closed
 *  (nothing) ────────────────────▶ told ─────────────────────────────▶ told ──────▶ closed ──half an hour──▶ (nothing)
 *                                    ▲──────────────── open again, not silenced ───────┘
 * ```
 * It looks at states and not at changes. So it tells what is missing also after a crash, a silence or a changed configuration.
 */
export class ToldProblems {
  /** By the name of the receiver, then by problem. */
  readonly #told = new Map<string, Map<string, ToldRow>>();
  #startedAt = 0;

  /** @param at epoch milliseconds */
  restore(rows: readonly ToldRow[], at: number): void {
    this.#told.clear();
    this.#startedAt = at;
    for (const row of rows) this.#of(row.receiver).set(row.problem, row);
  }

  /** Forgets receivers that are gone. */
  keepOnly(names: ReadonlySet<string>, onForgotten: (row: ToldRow) => void): void {
    for (const [name, rows] of this.#told) {
      if (names.has(name)) continue;
      for (const row of rows.values()) onForgotten(row);
      this.#told.delete(name);
    }
  }

  /** What each receiver has to be told now. It counts as told when this returns. */
  advance(
    receivers: readonly AlertReceiverConfig[],
    problems: ListedProblems,
    options: ToldOptions,
  ): readonly Telling[] {
    if (receivers.length === 0) return [];
    // Read once: the list may compute them, and a spread takes no getters of a class along.
    const { open, closed } = problems;
    const known = new Set(open.flatMap(({ id, parts }) => [id, ...parts.map((part) => part.id)]));
    return receivers.flatMap((receiver) => [
      ...this.#opened(receiver, open, options),
      ...this.#closed(receiver, { closed, known }, options),
    ]);
  }

  #opened(
    receiver: AlertReceiverConfig,
    open: readonly ServiceProblem[],
    { at, isSilenced, onTold }: ToldOptions,
  ): readonly Telling[] {
    const rows = this.#of(receiver.name);
    const tellings: Telling[] = [];
    for (const problem of open) {
      const { id, level } = problem;
      const row = rows.get(id);
      const toldLevel = row && levelIn(row.level);
      if (toldLevel !== undefined && severityOf(level) >= severityOf(toldLevel)) continue;
      if (!concerns(receiver, problem) || isSilenced(problem)) continue;
      const next = { receiver: receiver.name, problem: id, level, number: (row?.number ?? 0) + 1, at };
      rows.set(id, next);
      onTold(next);
      const type = toldLevel === undefined ? "problem.opened" : "problem.worse";
      tellings.push({ receiver, type, number: next.number, problem, id });
    }
    return tellings;
  }

  /** Also while it is silenced, and if the receiver would not be told of it any more: it has something open. */
  #closed(
    receiver: AlertReceiverConfig,
    { closed, known }: Pick<ListedProblems, "closed"> & { readonly known: ReadonlySet<string> },
    { at, onTold, onForgotten }: ToldOptions,
  ): readonly Telling[] {
    const rows = this.#of(receiver.name);
    const tellings: Telling[] = [];
    for (const row of rows.values()) {
      const { problem: id } = row;
      if (levelIn(row.level) === undefined) {
        if (at - row.at < keptClosedMs) continue;
        rows.delete(id);
        onForgotten(row);
        continue;
      }
      if (known.has(id)) continue;
      const problem = closed.find((one) => one.id === id);
      // A part beyond the listed fifty is neither open nor closed.
      const hasEnded =
        problem !== undefined || (row.at < this.#startedAt && at - this.#startedAt > settledMs);
      if (!hasEnded) continue;
      const next = { ...row, level: "closed", number: row.number + 1, at };
      rows.set(id, next);
      onTold(next);
      tellings.push({ receiver, type: "problem.closed", number: next.number, problem, id });
    }
    return tellings;
  }

  #of(name: string): Map<string, ToldRow> {
    const found = this.#told.get(name);
    if (found) return found;
    const rows = new Map<string, ToldRow>();
    this.#told.set(name, rows);
    return rows;
  }
}

function levelIn(text: string): ProblemLevel | undefined {
  return problemLevels.find((level) => level === text);
}

function concerns({ kinds, level, pools }: AlertReceiverConfig, problem: ServiceProblem): boolean {
  const { pool } = problem.subject;
  return (
    severityOf(problem.level) <= severityOf(level) &&
    (!kinds || kinds.includes(problem.kind)) &&
    (!pools || (pool !== null && pools.includes(pool)))
  );
}
