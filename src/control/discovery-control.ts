/** Reconciles the pools when sources of members report changes, and while members that have gone drain. */

import type { Cancel, Schedule, WallClock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { KeptMembers, Store } from "../state/store.ts";
import { AnswerKeeper } from "./answer-keeper.ts";
import type { DiscoveredUpstreams, RunningMember } from "./discovered-upstreams.ts";
import { describeReport, type Discovery, type SourceReport } from "./discovery.ts";
import type { EventLog } from "./event-log.ts";
import type { Reconciler } from "./reconciler.ts";

export interface DiscoveryControlOptions {
  readonly discovery: Discovery;
  readonly discovered: DiscoveredUpstreams;
  readonly reconciler: Pick<Reconciler, "config" | "reconcile" | "runExclusive">;
  readonly eventLog: Pick<EventLog, "add">;
  readonly schedule: Schedule;
  /** Where answers are kept over a restart. */
  readonly store: Pick<Store, "keepMembers">;
  readonly log: Log;
}

interface ModeStep {
  readonly from: string;
  readonly to: string;
  readonly detail?: string;
}

/** Members that have gone are checked this often: the ones that drain, and the last one of a pool, which stays. */
const checkMs = 250;

/** Changes of a source have its name as actor; this one stands where several may be the cause. */
const actor = { by: "discovery", reason: "" };

export class DiscoveryControl {
  readonly #options: DiscoveryControlOptions;
  readonly #keeper: AnswerKeeper;
  #unfollow: Cancel | undefined;
  #cancelCheck: Cancel | undefined;
  #isQueued = false;
  #isStopped = false;

  constructor(options: DiscoveryControlOptions) {
    this.#options = options;
    this.#keeper = new AnswerKeeper(options);
  }

  get answers(): readonly KeptMembers[] {
    return this.#options.discovery.answers;
  }

  get reports(): readonly SourceReport[] {
    return this.#options.discovery.reports;
  }

  /** Where upstreams come from, for explanations of requests. */
  originTexts(wallClock: WallClock) {
    const { discovered } = this.#options;
    return {
      ofUpstream: (id: string) => {
        const [pool, source] = discovered.sourceOf(id) ?? [];
        const report = this.reports.find((one) => one.pool === pool && one.source === source);
        return report && describeReport(report, wallClock());
      },
      ofPool: (pool: string) =>
        this.reports.filter((one) => one.pool === pool).map((one) => describeReport(one, wallClock())),
    };
  }

  /** Asks all sources, and resolves when the pools have what they answered: after five seconds and the first probes at the latest. */
  async start(): Promise<void> {
    const { discovery, discovered, reconciler } = this.#options;
    this.#unfollow = discovery.onChange(() => this.#queue());
    this.#keeper.start();
    discovered.adopt(reconciler.config);
    await discovery.firstReports();
    await reconciler.runExclusive(() => this.#update());
  }

  stop(): void {
    this.#isStopped = true;
    this.#keeper.stop();
    this.#unfollow?.();
    this.#cancelCheck?.();
    this.#options.discovery.stop();
  }

  #queue(): void {
    if (this.#isQueued || this.#isStopped) return;
    this.#isQueued = true;
    void this.#options.reconciler.runExclusive(() => {
      this.#isQueued = false;
      return this.#update();
    });
  }

  /** New members join after their first probe. Only then do others leave. */
  async #update(): Promise<void> {
    const { discovered, reconciler } = this.#options;
    if (this.#isStopped) return;
    discovered.refresh(reconciler.config);
    for (const member of discovered.recall()) this.#record(member, { from: "draining", to: "ready" });
    await reconciler.reconcile(actor, "discovery");
    await this.#depart();
  }

  /** Begins and ends the drains of members that have gone, as far as they may. */
  async #depart(): Promise<void> {
    const { discovered, reconciler } = this.#options;
    const called = discovered.callBack();
    for (const member of called)
      this.#record(member, { from: "draining", to: "ready", detail: "no other upstream passes" });
    // What serves again counts before others may leave.
    if (called.length > 0) await reconciler.reconcile(actor, "discovery");
    const begun = discovered.beginDepartures();
    for (const member of begun) this.#record(member, { from: member.upstream.mode, to: "draining" });
    if (begun.length > 0) await reconciler.reconcile(actor, "discovery");
    if (await discovered.finishDepartures()) await reconciler.reconcile(actor, "discovery");
    this.#cancelCheck?.();
    if (this.#isStopped || !discovered.hasGone) return;
    this.#cancelCheck = this.#options.schedule(checkMs, () => {
      void this.#options.reconciler.runExclusive(() => this.#depart());
    });
  }

  #record({ pool, upstream, origin }: RunningMember, change: ModeStep): void {
    const named = { kind: "mode", pool: pool.name, upstream: upstream.id } as const;
    this.#options.eventLog.add({ ...named, detail: "", ...change, reason: "discovery", by: origin.source });
  }
}
