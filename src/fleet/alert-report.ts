/** What a balancer tells the others of alerts: the problems that it sees, and what receivers know of them. */

import { asArray, asRecord } from "../lib/json.ts";
import { type ProblemLevel, problemLevels } from "../problems/problem.ts";
import type { ToldRow } from "../state/alert-record.ts";

export interface AlertReport {
  /** Names of its receivers. */
  readonly receivers: readonly string[];
  /** By the keys of problems. */
  readonly seen: Readonly<Record<string, SeenProblem>>;
  /** What receivers know, the latest first. */
  readonly told: readonly ToldRow[];
}

/** A problem that a balancer sees. */
export interface SeenProblem {
  /** `closed`: it has ended in the last ten minutes. */
  readonly level: ProblemLevel | "closed";
  /** Another problem takes it in. */
  readonly isPart: boolean;
  /** Positions, in `receivers`, of the ones that this balancer would tell. */
  readonly to: readonly number[];
  /** Grows with each time that the balancer begins to see it, or to see it worse, also across restarts. */
  readonly claim: number;
}

export const noAlertReport: AlertReport = { receivers: [], seen: {}, told: [] };

/** Characters of each of the two lists: what does not fit is sent without asking the others. */
const maxListLength = 16_384;
const roomForNumber = 32;
const maxTextLength = 512;
const maxReceivers = 16;

/** As many of the first ones as a report has room for. */
export function fittingOf<Item>(items: readonly Item[]): readonly Item[] {
  let length = 0;
  const end = items.findIndex(
    (item) => (length += JSON.stringify(item).length + roomForNumber) > maxListLength,
  );
  return end === -1 ? items : items.slice(0, end);
}

/** Reads with distrust: others may write to the store too. Empty for a version that does not tell. */
export function readAlertReport(value: unknown): AlertReport {
  const { receivers, seen, told } = asRecord(value);
  return {
    receivers: asArray(receivers).slice(0, maxReceivers).filter(isText),
    seen: Object.fromEntries(
      Object.entries(asRecord(seen)).flatMap(([key, inside]) => {
        const found = isText(key) ? seenProblemIn(inside) : undefined;
        return found ? [[key, found] as const] : [];
      }),
    ),
    told: asArray(told).flatMap((row) => toldRowIn(row) ?? []),
  };
}

function seenProblemIn(value: unknown): SeenProblem | undefined {
  const { level: text, isPart, to, claim } = asRecord(value);
  const level = levelIn(text);
  if (level === undefined || !isCount(claim)) return undefined;
  return { level, claim, isPart: isPart === true, to: asArray(to).slice(0, maxReceivers).filter(isCount) };
}

function toldRowIn(value: unknown): ToldRow | undefined {
  const { receiver, thread, key, title, level: text, number, by, at } = asRecord(value);
  const level = levelIn(text);
  const isRow = [receiver, thread, key, title, by].every(isText) && isCount(number) && isCount(at);
  if (level === undefined || !isRow) return undefined;
  return { receiver, thread, key, title, level, number, by, at } as ToldRow;
}

function levelIn(value: unknown): SeenProblem["level"] | undefined {
  return value === "closed" ? value : problemLevels.find((level) => level === value);
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length <= maxTextLength;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
