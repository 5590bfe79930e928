/** Sends the problems of the list to their receivers: what to tell, to whom, in order, kept over restarts. */

import { type AlertReceiverConfig, shownAddress } from "../config/alerts.ts";
import type { Config } from "../config/config.ts";
import type { Alert } from "../extension/alert-format.ts";
import type { Extensions } from "../extension/extensions.ts";
import { type AlertReport, noAlertReport } from "../fleet/alert-report.ts";
import { bugs } from "../lib/bugs.ts";
import type { Clock, Schedule, WallClock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Random } from "../lib/random.ts";
import type { ServiceProblem } from "../problems/problem.ts";
import type { AlertRow, AlertState, SilenceRow, ToldRow } from "../state/alert-record.ts";
import type { BalancerEvent } from "../state/event.ts";
import type { Store } from "../state/store.ts";
import { AlertJournal } from "./alert-journal.ts";
import { AlertSharing } from "./alert-sharing.ts";
import type { AlertPeer } from "./alert-turns.ts";
import {
  type AlertCounts,
  alertIn,
  type AlertsSnapshot,
  type AlertTestResult,
  type ReceiverSnapshot,
  sentAlertOf,
} from "./alerts-snapshot.ts";
import type { DeliveryResult } from "./delivery.ts";
import { requestOf } from "./formats.ts";
import { ReceiverQueue, type WaitingAlert } from "./receiver-queue.ts";
import { type NewSilence, Silences, silenceSubject, withSilence } from "./silences.ts";
import { closedTest, testAlert } from "./test-alert.ts";
import { idIn, type ListedProblems, type Telling, ToldProblems } from "./told-problems.ts";
import { endOfUnseen, type UnseenEnd, unseenProblem } from "./unseen-end.ts";

export interface AlertDispatcherOptions {
  /** Name of this balancer. */
  readonly balancer: string;
  readonly version: string;
  readonly config: () => Pick<Config, "alerts" | "allowLinkLocal" | "dashboardUrl">;
  readonly extensions: Pick<Extensions, "alertFormat">;
  readonly store: Pick<Store, "alerts" | "writeAlerts">;
  readonly record: (event: Omit<BalancerEvent, "seq" | "at">) => void;
  /** Writes events that wait. After a restart the list knows its problems from them. */
  readonly flushEvents: () => void;
  readonly log: Log;
  readonly clock: Clock;
  readonly wallClock: WallClock;
  readonly schedule: Schedule;
  readonly random: Random;
  /** Undefined for a balancer on its own. */
  readonly fleet?: { reportSoon(): void } | undefined;
}

/** Alerts that are over, for the page and the API. */
const maxSent = 500;

/** Events about lost alerts of one receiver: at most one in this time. */
const lostEventMs = 60_000;

interface Receiver {
  readonly queue: ReceiverQueue;
  readonly counts: Record<keyof AlertCounts, number>;
  isTesting: boolean;
  lost: number;
  lostEventAt: number;
}

/** `stopped ──start──▶ running ──stop──▶ stopped …`: one process at a time runs it. */
export class AlertDispatcher {
  readonly #options: AlertDispatcherOptions;
  readonly #receivers = new Map<string, Receiver>();
  readonly #told: ToldProblems;
  /** Undefined for a balancer on its own, and while it does not run. */
  #sharing: AlertSharing | undefined;
  readonly #journal: AlertJournal;
  readonly #silences = new Silences();
  #configured: readonly AlertReceiverConfig[] | undefined;
  /** The latest last. */
  #sent: AlertRow[] = [];
  #lastId = 0;
  #isRunning = false;

  constructor(options: AlertDispatcherOptions) {
    this.#options = options;
    this.#told = new ToldProblems(options.balancer);
    this.#journal = new AlertJournal(options);
  }

  /** Reads what the process before has left, and sends what waits. */
  start(): void {
    const { balancer, fleet, clock, wallClock } = this.#options;
    const { alerts, told, silences } = this.#journal.read();
    this.#isRunning = true;
    const sharing = { balancer, told: this.#told, journal: this.#journal, silences: this.#silences };
    this.#sharing = fleet && new AlertSharing({ ...sharing, clock, wallClock });
    this.#told.restore(told, wallClock());
    this.#silences.restore(silences);
    this.#lastId = Math.max(this.#lastId, alerts.at(-1)?.id ?? 0);
    this.#sent = alerts.filter(({ state }) => state !== "waiting");
    this.#configure(alerts.filter(({ state }) => state === "waiting"));
    this.#journal.write();
  }

  /** Ends what is under way. What waits is in the store. */
  stop(): void {
    if (!this.#isRunning) return;
    this.#isRunning = false;
    this.#sharing = undefined;
    this.#journal.write();
    this.#journal.forget();
    for (const { queue } of this.#receivers.values()) queue.stop();
    this.#receivers.clear();
    this.#configured = undefined;
  }

  /** To be called once a second, after the list was brought up to date. Never throws. */
  advance(problems: ListedProblems): void {
    if (!this.#isRunning) return;
    const turns = this.#sharing?.turns;
    turns?.turn();
    try {
      const [at, now] = [this.#options.wallClock(), this.#options.clock()];
      if (this.#configured !== this.#options.config().alerts) this.#configure([]);
      for (const silence of this.#silences.expire(at)) this.#silenceEnded(silence, "balancer", "expired");
      const tellings = this.#told.advance(this.#configured ?? [], problems, {
        ...{ at, now, turns },
        isSilenced: (problem) => this.#silences.of(problem) !== undefined,
        onTold: (row) => this.#journal.putTold(this.#told.kept(row)),
        onForgotten: (row) => this.#journal.removeTold(this.#told.kept(row)),
      });
      const waiting = tellings.map((telling) => this.#waitingOf(telling, at));
      // Before anything is sent: after a crash it must know what it has sent, and the list its problems by their ids.
      this.#journal.write();
      if (waiting.length > 0) this.#options.flushEvents();
      for (const each of waiting) this.#receivers.get(each.row.receiver)?.queue.push(each);
      if (waiting.length > 0 || turns?.hasUnclaimed(problems.open)) this.#options.fleet?.reportSoon();
    } catch (error) {
      bugs.report(this.#options.log, error, { in: "alerts" });
    }
  }

  /** What the other balancers of the fleet have to know. */
  report(problems: ListedProblems): AlertReport {
    return this.#sharing?.report(problems, this.#configured ?? []) ?? noAlertReport;
  }

  /** After a report has reached the other balancers. @param peers the others, as of the same moment */
  exchanged(report: AlertReport, peers: readonly AlertPeer[]): void {
    this.#sharing?.exchanged(report, peers);
  }

  /** The problem, with all balancers that see it, and marked if it is silenced. */
  marked(problem: ServiceProblem): ServiceProblem {
    const seen = this.#sharing?.withWitnesses(problem) ?? problem;
    return withSilence(seen, this.#silences.of(problem));
  }

  get silences(): readonly SilenceRow[] {
    return this.#silences.all;
  }

  /** @returns undefined if there are too many */
  silence(silence: NewSilence): SilenceRow | undefined {
    const row = this.#silences.add(silence, this.#options.wallClock());
    if (!row) return undefined;
    this.#journal.putSilence(row);
    this.#journal.write();
    const detail = `${silenceSubject(row)} until ${new Date(row.until).toISOString()}: ${row.why}`;
    this.#recordSilence(row, { from: "", to: "silenced", by: row.by, reason: "operator", detail });
    return row;
  }

  /** @returns undefined if there is none with this id */
  endSilence(id: string, by: string): SilenceRow | undefined {
    const row = this.#silences.remove(id);
    if (row) this.#silenceEnded(row, by, "operator");
    this.#journal.write();
    return row;
  }

  #silenceEnded(row: SilenceRow, by: string, reason: string): void {
    this.#journal.removeSilence(row.id);
    this.#recordSilence(row, { from: "silenced", to: "ended", by, reason, detail: silenceSubject(row) });
  }

  #recordSilence(
    { pool, upstream }: SilenceRow,
    event: Pick<BalancerEvent, "from" | "to" | "by" | "reason" | "detail">,
  ): void {
    this.#options.record({ kind: "silence", pool, upstream, ...event });
  }

  /** Sends a test. @returns a word if that is not possible */
  async test(name: string, by: string): Promise<AlertTestResult | "unknown" | "busy"> {
    const receiver = this.#receivers.get(name);
    if (!receiver) return "unknown";
    if (receiver.isTesting) return "busy";
    receiver.isTesting = true;
    try {
      const { balancer, wallClock } = this.#options;
      const alert = testAlert({ balancer, at: wallClock(), by, url: this.#link("/alerts") });
      const result = await receiver.queue.test(alert);
      // An incident that stays open would go to the next level of an escalation.
      if (result.kind === "sent" && receiver.queue.receiver.format === "pagerduty")
        await receiver.queue.test(closedTest(alert));
      const { kind, reason, status, answer, tookMs, text } = result;
      this.#options.log.info("alert test", { receiver: name, by, kind, answer });
      return { receiver: name, kind, reason, status, answer, tookMs, text };
    } finally {
      receiver.isTesting = false;
    }
  }

  get snapshot(): AlertsSnapshot {
    const waiting = [...this.#receivers.values()].flatMap(({ queue }) => queue.waiting.map(({ row }) => row));
    const rows = [...this.#sent, ...waiting].sort((left, right) => right.id - left.id).slice(0, maxSent);
    return {
      receivers: this.receivers,
      sent: rows.flatMap((row) => sentAlertOf(row) ?? []),
      silences: this.silences,
    };
  }

  get receivers(): readonly ReceiverSnapshot[] {
    return [...this.#receivers.values()].map(({ queue, counts }) => {
      const { name, format, kinds = null, level, pools = null } = queue.receiver;
      const address = shownAddress(queue.receiver);
      return { name, format, address, kinds, level, pools, ...queue.state, counts: { ...counts } };
    });
  }

  #configure(waiting: readonly AlertRow[]): void {
    const { alerts } = this.#options.config();
    this.#configured = alerts;
    const names = new Set(alerts.map(({ name }) => name));
    for (const [name, { queue }] of this.#receivers) {
      if (names.has(name)) continue;
      queue.stop();
      this.#receivers.delete(name);
      for (const { row } of queue.waiting) this.#giveUp(row);
    }
    this.#told.keepOnly(names, (row) => this.#journal.removeTold(row));
    for (const receiver of alerts) {
      const known = this.#receivers.get(receiver.name);
      if (known) known.queue.configure(receiver);
      else this.#add(receiver);
    }
    for (const row of waiting) if (!names.has(row.receiver)) this.#giveUp(row);
    for (const [name, { queue }] of this.#receivers) {
      const own = waiting.filter(({ receiver }) => receiver === name);
      if (own.length > 0)
        queue.restore(
          own.flatMap((row) => {
            const alert = alertIn(row);
            return alert ? [{ row, alert }] : [];
          }),
        );
    }
  }

  /** Of a receiver that is gone. */
  #giveUp(row: AlertRow): void {
    this.#finish({
      ...row,
      state: "dropped",
      endedAt: this.#options.wallClock(),
      answer: "the receiver is gone",
    });
  }

  #add(receiver: AlertReceiverConfig): void {
    const { clock, wallClock, schedule, random, log } = this.#options;
    const queue = new ReceiverQueue(receiver, {
      ...{ clock, wallClock, schedule, random },
      allowLinkLocal: () => this.#options.config().allowLinkLocal,
      requestOf: (alert, to) => this.#requestOf(alert, to),
      onFailed: (waiting, result) => this.#onFailed(receiver.name, waiting.row, result),
      onEnd: (row, result) => this.#onEnd(row, result),
      onBug: (error) => bugs.report(log, error, { in: "alerts" }),
    });
    const counts = { sent: 0, failed: 0, refused: 0, expired: 0, dropped: 0 };
    this.#receivers.set(receiver.name, { queue, counts, isTesting: false, lost: 0, lostEventAt: -Infinity });
  }

  #requestOf(alert: Alert, receiver: AlertReceiverConfig) {
    const { extensions, wallClock, version } = this.#options;
    return requestOf(alert, receiver, { extensions, at: wallClock(), userAgent: `evenkeel/${version}` });
  }

  #waitingOf({ receiver, type, level, by, row: told, problem }: Telling, now: number): WaitingAlert {
    const { balancer } = this.#options;
    const end = { balancer, by, at: now };
    const known = problem ?? this.#lastTold(told, end) ?? unseenProblem(told, { ...end, level });
    const alert: Alert = {
      ...{ type, balancer, at: new Date(now).toISOString(), key: `${told.thread}/${told.number}` },
      url: this.#link(problem?.links.self ?? "/"),
      // Another balancer may have told it first, under its own id.
      problem: { ...known, id: idIn(told.thread) },
    };
    // The number is at least the time, so it grows across restarts even if nothing was stored.
    this.#lastId = Math.max(this.#lastId + 1, Math.floor(now));
    const row: AlertRow = {
      ...{ id: this.#lastId, receiver: receiver.name, at: now, state: "waiting", tries: 0, endedAt: null },
      ...{ answer: "", content: JSON.stringify(alert) },
    };
    this.#journal.putAlert(row);
    return { row, alert };
  }

  /** A problem that ended unseen, as this balancer has told it last. */
  #lastTold({ receiver, thread }: ToldRow, end: UnseenEnd): ServiceProblem | undefined {
    const waiting = this.#receivers.get(receiver)?.queue.waiting.map(({ alert }) => alert) ?? [];
    const sent = this.#sent.flatMap((row) => (row.receiver === receiver && alertIn(row)) || []);
    const last = [...sent, ...waiting].findLast(({ key }) => key.startsWith(`${thread}/`));
    return last && { ...last.problem, ...endOfUnseen(end) };
  }

  #link(path: string): string | null {
    const { dashboardUrl } = this.#options.config();
    return dashboardUrl === undefined ? null : `${dashboardUrl}${path}`;
  }

  #onFailed(name: string, row: AlertRow, result: DeliveryResult): void {
    const receiver = this.#receivers.get(name);
    this.#journal.putAlert(row);
    this.#journal.write();
    if (!receiver) return;
    receiver.counts.failed += 1;
    const { failing, last } = receiver.queue.state;
    if (failing?.since === last?.at) this.#startedToFail(name, result);
  }

  #startedToFail(name: string, { reason, answer }: DeliveryResult): void {
    this.#options.log.warn("alerts are not delivered", { receiver: name, reason });
    this.#recordReceiver({ from: "delivering", to: "failing", reason, detail: `${name}: ${answer}` });
  }

  #onEnd(row: AlertRow, result?: DeliveryResult): void {
    this.#finish(row);
    // Many may be given up at once; they are written within a second.
    if (row.state === "sent") this.#journal.write();
    const receiver = this.#receivers.get(row.receiver);
    const state = row.state as Exclude<AlertState, "waiting">;
    if (!receiver) return;
    receiver.counts[state] += 1;
    const { log } = this.#options;
    if (state !== "sent") return this.#lost(receiver, row, result);
    log.info("alert sent", { receiver: row.receiver, tries: row.tries, status: result?.status ?? 0 });
    if (row.tries > 1)
      this.#recordReceiver({
        ...{ from: "failing", to: "delivering", reason: "sent" },
        detail: `${row.receiver}: ${row.tries} tries`,
      });
  }

  #lost(receiver: Receiver, row: AlertRow, result?: DeliveryResult): void {
    const { clock, log } = this.#options;
    receiver.lost += 1;
    log.warn("alert lost", { receiver: row.receiver, why: row.state, answer: row.answer });
    const now = clock();
    if (now - receiver.lostEventAt < lostEventMs) return;
    receiver.lostEventAt = now;
    const why = result ? result.answer : row.state === "dropped" ? "too many wait" : "not taken in 24 h";
    const title = sentAlertOf(row)?.problem.title ?? "";
    this.#recordReceiver({
      ...{ from: "waiting", to: "lost", reason: row.state },
      detail: `${row.receiver}: ${why}; ${receiver.lost} lost since the start, last: ${title}`,
    });
  }

  #recordReceiver(event: Pick<BalancerEvent, "from" | "to" | "reason" | "detail">): void {
    this.#options.record({ kind: "alert", pool: null, upstream: null, by: "balancer", ...event });
  }

  #finish(row: AlertRow): void {
    this.#sent.push(row);
    this.#journal.putAlert(row);
    while (this.#sent.length > maxSent) {
      const oldest = this.#sent.shift();
      if (oldest) this.#journal.removeAlert(oldest.id);
    }
  }
}
