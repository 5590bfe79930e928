/** What the API and the pages show of alerts: receivers without secrets, what was sent and waits, and silences. */

import type { Alert, AlertType } from "../extension/alert-format.ts";
import { asRecord, parseJson } from "../lib/json.ts";
import type { ProblemKind, ProblemLevel, ProblemSubject } from "../problems/problem.ts";
import type { AlertRow, AlertState, SilenceRow } from "../state/alert-record.ts";
import type { DeliveryResult } from "./delivery.ts";

/** Times are epoch milliseconds. */
export interface ReceiverSnapshot {
  readonly name: string;
  readonly format: string;
  /** "ops.example.com/hook", without what may be a secret. */
  readonly address: string;
  /** Null for all. */
  readonly kinds: readonly ProblemKind[] | null;
  readonly level: ProblemLevel;
  /** Null for all. */
  readonly pools: readonly string[] | null;
  /** Since when deliveries fail, and why; null while they succeed. */
  readonly failing: { readonly since: number; readonly reason: string; readonly answer: string } | null;
  readonly waiting: number;
  /** When the first of the waiting ones is tried again; null if nothing waits, or a try is under way. */
  readonly nextTryAt: number | null;
  /** The last try; null before the first since the start. */
  readonly last:
    (Pick<DeliveryResult, "kind" | "status" | "answer" | "tookMs"> & { readonly at: number }) | null;
  readonly counts: AlertCounts;
}

/** Since the start of the process; `failed` counts tries, the others alerts. */
export type AlertCounts = Readonly<Record<"sent" | "failed" | "refused" | "expired" | "dropped", number>>;

export interface SentAlert {
  readonly id: number;
  readonly receiver: string;
  readonly type: AlertType;
  /** When the problem changed. */
  readonly at: number;
  readonly state: AlertState;
  readonly tries: number;
  readonly endedAt: number | null;
  /** The last answer; empty before the first try. */
  readonly answer: string;
  readonly problem: {
    readonly id: string;
    readonly kind: ProblemKind;
    readonly level: ProblemLevel;
    readonly title: string;
    readonly subject: ProblemSubject;
    /** "Closed after 17 min"; null while it was open. */
    readonly end: string | null;
  };
}

export interface AlertsSnapshot {
  readonly receivers: readonly ReceiverSnapshot[];
  /** The latest first, waiting ones included. */
  readonly sent: readonly SentAlert[];
  readonly silences: readonly SilenceRow[];
}

/** What came of a test. */
export interface AlertTestResult extends Pick<
  DeliveryResult,
  "kind" | "reason" | "status" | "answer" | "tookMs" | "text"
> {
  readonly receiver: string;
}

/** The alert of a row; undefined if a later version wrote it in another form. */
export function alertIn({ content }: Pick<AlertRow, "content">): Alert | undefined {
  const alert = asRecord(parseJson(content)) as unknown as Alert;
  const isAlert = typeof alert.type === "string" && typeof asRecord(alert.problem)["title"] === "string";
  return isAlert ? alert : undefined;
}

export function sentAlertOf(row: AlertRow): SentAlert | undefined {
  const alert = alertIn(row);
  if (!alert) return undefined;
  const { id, kind, level, title, subject, end } = alert.problem;
  const { content: _content, ...shown } = row;
  return {
    ...{ ...shown, type: alert.type },
    problem: { id, kind, level, title, subject, end: end?.words ?? null },
  };
}
