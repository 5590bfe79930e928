/** Reads what charts of a time show: the course of the traffic, the events that are marked, and the problems that are bands. */

import type { HistoryResult } from "../../history/history.ts";
import { momentText } from "../../lib/time-range.ts";
import type { ProblemSpan } from "../../client/decoders.ts";
import type { AdminApiError } from "../../wording/verdict.ts";
import type { AdminClient, AdminResult } from "../admin-client.ts";
import type { PageRange } from "../page-range.ts";
import { type Mark, marksOf } from "./marks.ts";

export interface RangeData {
  readonly history: AdminResult<HistoryResult>;
  readonly marks: readonly Mark[];
  readonly problems: readonly ProblemSpan[];
  /** Why there are no marks; undefined if they could be read. */
  readonly eventsError: AdminApiError | undefined;
}

/** Events that are read for marks. */
const maxEvents = 1_000;

/** Bands that are drawn; further ones would hide each other. */
const maxProblems = 200;

type RangeReader = Pick<AdminClient, "historyRange" | "events" | "problems">;

export async function readRange(admin: RangeReader, range: PageRange): Promise<RangeData> {
  const [history, moments] = await Promise.all([readHistory(admin, range), readMoments(admin, range)]);
  return { history, ...moments };
}

/** In place of a reading that would fail: it would let the page wait for its time limit. */
export function unreadRange(error: AdminApiError): RangeData {
  return { history: { error }, marks: [], problems: [], eventsError: undefined };
}

/** @param shiftMs how much earlier than the range */
export function readHistory(
  admin: Pick<AdminClient, "historyRange">,
  { from, to, pool, upstream }: PageRange,
  shiftMs = 0,
): Promise<AdminResult<HistoryResult>> {
  return admin.historyRange({ pool, upstream, from: from - shiftMs, to: to - shiftMs });
}

/** What happened in the time: its marks and its bands. */
export async function readMoments(
  admin: Pick<RangeReader, "events" | "problems">,
  range: PageRange,
): Promise<Omit<RangeData, "history">> {
  const ofPool = range.pool === undefined ? {} : { pool: range.pool };
  const [marks, problems] = await Promise.all([
    readMarks(admin, range),
    admin.problems(new URLSearchParams({ ...timeOf(range), ...ofPool, state: "all" })),
  ]);
  // An older balancer has no list of problems.
  const all = "value" in problems ? problems.value : [];
  const { upstream } = range;
  const own = upstream === undefined ? all : all.filter(({ upstreams }) => upstreams.includes(upstream));
  return { ...marks, problems: own.slice(0, maxProblems) };
}

async function readMarks(
  admin: Pick<RangeReader, "events">,
  range: PageRange,
): Promise<Pick<RangeData, "marks" | "eventsError">> {
  const events = await admin.events(new URLSearchParams({ ...timeOf(range), limit: String(maxEvents) }));
  return "value" in events
    ? { marks: marksOf(events.value, range), eventsError: undefined }
    : { marks: [], eventsError: events.error };
}

function timeOf({ from, to }: PageRange): Readonly<Record<"from" | "to", string>> {
  return { from: momentText(from), to: momentText(to) };
}
