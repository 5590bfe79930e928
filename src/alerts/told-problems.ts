/** Which receivers know of which problems, and what has to be told: compares what they know with the list, each second. */

import type { AlertReceiverConfig } from "../config/alerts.ts";
import type { AlertType } from "../extension/alert-format.ts";
import { isSharedKey, isSharedKind, partKeys, problemKey } from "../problems/problem-key.ts";
import { type ProblemLevel, problemLevels, type ServiceProblem, severityOf } from "../problems/problem.ts";
import { reopenMs } from "../problems/tracker.ts";
import type { ToldRow } from "../state/alert-record.ts";
import type { AlertTurns } from "./alert-turns.ts";

/** A receiver knows of a problem that has ended for so long: the problem may come back under its id within ten minutes. */
const keptClosedMs = 30 * 60_000;

/** After a start, a problem that the list does not know has ended while nothing ran. */
const settledMs = 60_000;

/** Of one receiver; others learn no more from a store that is full of rubbish. */
const maxRows = 2_000;

/** Others refuse what is much longer. */
const maxTitle = 256;

/** One thing to tell. */
export interface Telling {
  readonly receiver: AlertReceiverConfig;
  readonly type: Exclude<AlertType, "test">;
  /** What the receiver knows when it has got it. */
  readonly row: ToldRow;
  /** Its level; for one that has ended, the level that the receiver knows. */
  readonly level: ProblemLevel;
  /** The balancer that told the receiver before. */
  readonly by: string;
  /** Undefined for one that ended unseen. */
  readonly problem: ServiceProblem | undefined;
}

/** The list, as far as alerts are concerned. */
export interface ListedProblems {
  readonly open: readonly ServiceProblem[];
  readonly closed: readonly ServiceProblem[];
}

export interface ToldOptions {
  /** Epoch milliseconds. */
  readonly at: number;
  /** By the clock. */
  readonly now: number;
  /** Undefined for a balancer on its own. */
  readonly turns: AlertTurns | undefined;
  readonly isSilenced: (problem: ServiceProblem) => boolean;
  /** What receivers know now, to be stored. */
  readonly onTold: (row: ToldRow) => void;
  readonly onForgotten: (row: ToldRow) => void;
}

/** The list of one second, by what it is looked up with. */
interface Listed {
  readonly open: readonly ServiceProblem[];
  readonly closed: readonly ServiceProblem[];
  /** Ids and keys of the open ones and their parts. */
  readonly known: ReadonlySet<string>;
}

/**
 * Of one receiver and one problem:
 * ```
 *             open, not silenced          a worse level, not silenced       closed
 *  (nothing) ────────────────────▶ told ─────────────────────────────▶ told ──────▶ closed ──half an hour──▶ (nothing)
 *                                    ▲──────────────── open again, not silenced ───────┘
 * ```
 * It looks at states and not at changes. So it tells what is missing also after a crash, a silence or a changed configuration. In a
 * fleet the balancers share what they have told, and take turns.
 */
export class ToldProblems {
  readonly #self: string;
  /** By the name of the receiver, then by thread. */
  readonly #told = new Map<string, Map<string, ToldRow>>();
  #startedAt = 0;

  /** @param self name of this balancer */
  constructor(self: string) {
    this.#self = self;
  }

  /** @param rows as {@link kept} @param at epoch milliseconds */
  restore(rows: readonly ToldRow[], at: number): void {
    this.#told.clear();
    this.#startedAt = at;
    for (const { thread, by, ...row } of rows) {
      const named = thread.startsWith("/") ? `${this.#self}${thread}` : thread;
      this.#of(row.receiver).set(named, { ...row, thread: named, by: by || this.#self });
    }
  }

  /** The row for the state file, without the own name: it may be another one after a restart. */
  kept(row: ToldRow): ToldRow {
    return {
      ...row,
      thread: this.#isOwn(row) ? `/${idIn(row.thread)}` : row.thread,
      by: row.by === this.#self ? "" : row.by,
    };
  }

  /** What others may have to know, the latest first. @param at epoch milliseconds */
  current(at: number): readonly ToldRow[] {
    return [...this.#told.values()]
      .flatMap((rows) => [...rows.values()].filter((row) => levelIn(row.level) || at - row.at < reopenMs))
      .sort((one, other) => other.at - one.at);
  }

  /** Takes over what other balancers have told. @returns what is new @param at epoch milliseconds */
  learn(rows: readonly ToldRow[], at: number): readonly ToldRow[] {
    return rows.flatMap((row) => {
      const ofReceiver = this.#told.get(row.receiver);
      const known = ofReceiver?.get(row.thread);
      if (!ofReceiver || (known ? known.number >= row.number : ofReceiver.size >= maxRows)) return [];
      const learned = { ...row, at };
      ofReceiver.set(row.thread, learned);
      return [learned];
    });
  }

  /** Forgets receivers that are gone. */
  keepOnly(names: ReadonlySet<string>, onForgotten: (row: ToldRow) => void): void {
    for (const name of names) this.#of(name);
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
    const known = new Set(
      open.flatMap((problem) => [
        ...[problem.id, problemKey(problem), ...partKeys(problem)],
        ...problem.parts.map(({ id }) => id),
      ]),
    );
    return receivers.flatMap((receiver) => [
      ...this.#opened(receiver, open, options),
      ...this.#closed(receiver, { open, closed, known }, options),
    ]);
  }

  #opened(
    receiver: AlertReceiverConfig,
    open: readonly ServiceProblem[],
    options: ToldOptions,
  ): readonly Telling[] {
    const { at, now, turns, isSilenced } = options;
    const foreign = turns && this.#foreignRows(receiver.name, at);
    const tellings: Telling[] = [];
    for (const problem of open) {
      const { id, kind, level, title } = problem;
      const [key, thread] = [problemKey(problem), `${this.#self}/${id}`];
      const own = this.#of(receiver.name).get(thread);
      const other = foreign?.get(key);
      const told = worstOf(own, other);
      if (told !== undefined && severityOf(level) >= severityOf(told)) continue;
      if (!concerns(receiver, problem) || isSilenced(problem)) continue;
      if (turns && isSharedKind(kind) && !turns.mayTell({ receiver: receiver.name, key, level, told }, now))
        continue;
      const before = own ?? other ?? { receiver: receiver.name, thread, number: 0, by: this.#self };
      const type = told === undefined ? "problem.opened" : "problem.worse";
      tellings.push(
        this.#tell(
          receiver,
          { type, level, problem, row: { ...before, key, title: title.slice(0, maxTitle), level, at } },
          options,
        ),
      );
    }
    return tellings;
  }

  /** What others told first, by key: open, or closed so recently that the problem may come back. */
  #foreignRows(receiver: string, at: number): ReadonlyMap<string, ToldRow> {
    const found = new Map<string, ToldRow>();
    for (const row of this.#of(receiver).values()) {
      const isOpen = levelIn(row.level) !== undefined;
      if (this.#isOwn(row) || (!isOpen && at - row.at >= reopenMs)) continue;
      if (isOpen || !found.has(row.key)) found.set(row.key, row);
    }
    return found;
  }

  /** Also while it is silenced, and if the receiver would not be told of it any more: it has something open. */
  #closed(receiver: AlertReceiverConfig, listed: Listed, options: ToldOptions): readonly Telling[] {
    const { at, now, turns, onForgotten } = options;
    const rows = this.#of(receiver.name);
    const tellings: Telling[] = [];
    for (const row of rows.values()) {
      const level = levelIn(row.level);
      // Without a fleet, what another balancer has told is that one's.
      if (level ? !turns && row.by !== this.#self : at - row.at >= keptClosedMs) {
        rows.delete(row.thread);
        onForgotten(row);
        continue;
      }
      const isOwn = this.#isOwn(row);
      const id = idIn(row.thread);
      if (!level || listed.known.has(isOwn ? id : row.key)) continue;
      const problem = listed.closed.find((one) => (isOwn ? one.id === id : problemKey(one) === row.key));
      // A part beyond the listed fifty is neither open nor closed.
      const hasEnded =
        problem !== undefined || (isOwn && row.at < this.#startedAt && at - this.#startedAt > settledMs);
      const isOwnMatter = !turns || (isOwn && !isSharedKey(row.key));
      if (isOwnMatter ? !hasEnded : !turns.mayClose(row, { isOver: hasEnded, now, at })) continue;
      const closing = {
        type: "problem.closed",
        level,
        problem,
        row: { ...row, level: "closed", at },
      } as const;
      tellings.push(this.#tell(receiver, closing, options));
    }
    return tellings;
  }

  #tell(
    receiver: AlertReceiverConfig,
    { row, ...telling }: Omit<Telling, "receiver" | "by">,
    { now, turns, onTold }: ToldOptions,
  ): Telling {
    // One that is gone may have told something that it could share with no one: this must not look like a repetition of it.
    const step = row.by === this.#self || turns?.isThere(row.by, now) ? 1 : 2;
    const next = { ...row, number: row.number + step, by: this.#self };
    this.#of(row.receiver).set(row.thread, next);
    onTold(next);
    return { ...telling, receiver, by: row.by, row: next };
  }

  #isOwn({ thread }: ToldRow): boolean {
    return thread.startsWith(`${this.#self}/`);
  }

  #of(name: string): Map<string, ToldRow> {
    const found = this.#told.get(name);
    if (found) return found;
    const rows = new Map<string, ToldRow>();
    this.#told.set(name, rows);
    return rows;
  }
}

/** Id of the problem at the balancer that told it first. */
export function idIn(thread: string): string {
  return thread.slice(thread.lastIndexOf("/") + 1);
}

function worstOf(...rows: readonly (ToldRow | undefined)[]): ProblemLevel | undefined {
  const levels = rows.flatMap((row) => (row && levelIn(row.level)) ?? []);
  return problemLevels.find((level) => levels.includes(level));
}

function levelIn(text: string): ProblemLevel | undefined {
  return problemLevels.find((level) => level === text);
}

/** Whether a receiver is to know of a problem. */
export function concerns({ kinds, level, pools }: AlertReceiverConfig, problem: ServiceProblem): boolean {
  const { pool } = problem.subject;
  return (
    severityOf(problem.level) <= severityOf(level) &&
    (!kinds || kinds.includes(problem.kind)) &&
    (!pools || (pool !== null && pools.includes(pool)))
  );
}
