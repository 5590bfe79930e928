/** Reconciles pools, prober and drains with the desired configuration, one change at a time. */

import type { Config } from "../config/config.ts";
import type { ConfigError } from "../config/problem.ts";
import type { Clock, Schedule, WallClock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { Prober } from "../probe/prober.ts";
import { type PoolRegistry, probeTargets } from "../registry/pool-registry.ts";
import type { ConfigurationSnapshot } from "../snapshot/snapshot.ts";
import type { Intent, IntentRemoval } from "../state/intent.ts";
import type { Actor } from "./control.ts";
import type { DiscoveredUpstreams } from "./discovered-upstreams.ts";
import { desiredConfig, type Intents, redundantIntents } from "./desired-state.ts";
import type { Drain, Drains } from "./drains.ts";
import type { EventLog } from "./event-log.ts";
import { planSteps } from "./plan.ts";
import type { Step } from "./step.ts";

/** Loads the configuration again, with the same flags and variables. @param file replaces the configuration file */
export type ConfigLoader = (file?: { readonly name: string; readonly text: string }) => Config | ConfigError;

export type ReloadOutcome =
  | { readonly result: "applied" | "unchanged"; readonly needsRestart: readonly string[] }
  | { readonly result: "refused"; readonly by: string; readonly problems: readonly string[] };

export interface ReconcilerOptions {
  readonly config: Config;
  readonly loadConfig: ConfigLoader;
  readonly intents: Intents;
  readonly registry: PoolRegistry;
  readonly prober: Prober;
  readonly drains: Drains;
  /** What sources report; without it pools have only what the configuration lists. */
  readonly discovered?: DiscoveredUpstreams;
  readonly eventLog: EventLog;
  readonly log: Log;
  readonly wallClock: WallClock;
  /** Defaults to the system's clock. */
  readonly clock?: Clock;
  /** Defaults to the system's timers. */
  readonly schedule?: Schedule;
  /** The function that aborts all attempts on one upstream and returns how many; undefined if the engine cannot. */
  readonly abortAttempts: () => ((upstream: Upstream) => number | Promise<number>) | undefined;
  /** Called after pools or modes have changed. */
  readonly onReconciled?: () => void;
  /** Called with the result of every reload. */
  readonly onReload: (outcome: ReloadOutcome) => void;
  /**
   * Whether intents that a configuration makes redundant may be withdrawn. In a fleet they may not while another balancer has
   * another configuration, where they are not redundant.
   */
  readonly mayWithdraw?: (config: Config) => boolean;
}

export interface Reconciler extends Omit<ReconcilerOptions, "config"> {
  /** Intents that this configuration makes redundant, if they may be withdrawn. */
  redundantWith(config: Config): readonly IntentRemoval[];
  /** The configuration as loaded; settings that need a restart keep their running values. */
  readonly config: Config;
  /** The configuration with the intents applied: what runs now. */
  readonly desired: Config;
  /** The desired configuration for this configuration and these intents. Includes upstreams that drain before removal. */
  desiredWith(config: Config, intents: readonly Intent[]): Config;
  /** Runs tasks one at a time, in the order of the calls. */
  runExclusive<T>(task: () => Promise<T>): Promise<T>;
  /**
   * Makes the pools match configuration and intents: new upstreams are probed, then all changes apply at once.
   * @param config a new configuration; defaults to the current one
   * @returns the changes
   */
  reconcile(
    actor: Actor,
    trigger: "operator" | "configuration" | "discovery",
    config?: Config,
  ): Promise<readonly Step[]>;
}

export function createReconciler(options: ReconcilerOptions): Reconciler {
  const { intents, registry, prober, drains, discovered, eventLog } = options;
  let { config } = options;
  const redundantWith = (newConfig: Config) =>
    (options.mayWithdraw?.(newConfig) ?? true) ? redundantIntents(newConfig, intents.all) : [];
  intents.write(redundantWith(config));
  let desired = desiredConfig(config, intents.all);
  let lastTask: Promise<unknown> = Promise.resolve();

  const desiredWith = (newConfig: Config, newIntents: readonly Intent[]) => {
    const leaving = registry.pools.flatMap(({ name: pool, upstreams }) =>
      upstreams
        .filter((upstream) => isBeingRemoved(drains.get(upstream)))
        .map(({ id, address, weight, backup }) => ({ pool, spec: { id, address, weight, backup } })),
    );
    return desiredConfig(discovered?.extend(newConfig) ?? newConfig, newIntents, leaving);
  };
  const adopt = (next: ReturnType<PoolRegistry["prepare"]>) => {
    registry.commit(next);
    for (const { pool } of registry.entries) {
      for (const upstream of pool.upstreams) {
        const intent = intents.get("mode", upstream.id);
        const drain = drains.get(upstream);
        pool.setMode(upstream, drain?.isRemoval ? "draining" : (intent?.mode ?? "ready"));
        // The intent is from before a restart, or from a time when the configuration lacked the upstream.
        if (intent?.mode === "draining" && !drain) drains.restore(upstream, intent.at);
      }
    }
  };

  adopt(registry.prepare(desired));

  return {
    ...options,
    get config() {
      return config;
    },
    get desired() {
      return desired;
    },
    desiredWith,
    redundantWith,
    runExclusive(task) {
      const result = lastTask.then(task);
      lastTask = result.catch(() => {});
      return result;
    },
    async reconcile(actor, trigger, newConfig = config) {
      if (newConfig === config) discovered?.refresh(config);
      else discovered?.adopt(newConfig);
      const newDesired = desiredWith(newConfig, intents.all);
      const steps = planSteps(desired, newDesired);
      const next = registry.prepare(newDesired);
      const before = new Set(registry.pools.flatMap((pool) => pool.upstreams));
      await prober.watch(probeTargets(next));
      const after = new Set(next.entries.flatMap(({ upstreams }) => upstreams));
      for (const upstream of before) if (!after.has(upstream)) drains.end(upstream);
      adopt(next);
      prober.retain(after);
      [config, desired] = [newConfig, newDesired];
      options.onReconciled?.();
      for (const step of steps) {
        const source = step.upstream === undefined ? undefined : discovered?.sourceOf(step.upstream)?.[1];
        const isOwn = source === undefined || (step.action === "change" && trigger !== "discovery");
        recordStep(
          eventLog,
          step,
          isOwn ? { actor, trigger } : { actor: { by: source, reason: "" }, trigger: "discovery" },
        );
      }
      return steps;
    },
  };
}

function isBeingRemoved(drain: Drain | undefined): boolean {
  return drain !== undefined && drain.isRemoval && !drain.isOver;
}

/** Each upstream has its own events; all other changes are in the event of the reload. */
function recordStep(
  eventLog: EventLog,
  step: Step,
  { actor, trigger }: { readonly actor: Actor; readonly trigger: string },
): void {
  const { subject, action, pool = null, upstream = null, key, from = "", to = "" } = step;
  if (subject !== "upstream") return;
  const { by, reason } = (upstream === null ? undefined : actor.ofUpstream?.(upstream)) ?? actor;
  const named = { pool, upstream, reason: trigger, by, detail: reason };
  if (action === "add") eventLog.add({ kind: "member", ...named, from: "absent", to: "added" });
  else if (action === "remove") eventLog.add({ kind: "member", ...named, from: "present", to: "removed" });
  else if (key === "weight" || key === "backup") eventLog.add({ kind: key, ...named, from, to });
  else if (key?.startsWith("tls.") || key === "http2")
    eventLog.add({ kind: "member", ...named, from: `${key} ${from}`, to: `${key} ${to}` });
  else eventLog.add({ kind: "member", ...named, from, to });
}

/** The configuration's status in the snapshot after a reload. @param at epoch milliseconds */
export function configurationStatusAfter(
  outcome: ReloadOutcome,
  before: ConfigurationSnapshot,
  at: number,
): ConfigurationSnapshot {
  if (outcome.result === "refused") {
    const { by, problems } = outcome;
    return { ...before, refused: { at, by, problems } };
  }
  const takenAt = outcome.result === "applied" ? at : before.takenAt;
  return { takenAt, refused: null, needsRestart: outcome.needsRestart };
}
