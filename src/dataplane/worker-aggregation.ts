/** Combines what workers report: verdicts, and the results of aborts. */

import type { Cancel, Schedule } from "../lib/clock.ts";
import type { OutlierVerdict } from "../pool/outlier-detector.ts";
import type { Pool, PoolObserver } from "../pool/pool.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { PoolRegistry } from "../registry/pool-registry.ts";
import type { WorkerReport } from "./messages.ts";
import type { WorkerSupervisor } from "./worker-supervisor.ts";

export interface MergeContext {
  readonly observer: PoolObserver;
  /** Called with each upstream of which the worker has an older verdict than ours, so that it gets ours once more. */
  readonly onOlder?: (upstream: Upstream) => void;
  /** Clock time, milliseconds. */
  readonly now: number;
}

/**
 * Adopts each outlier verdict of a worker that is newer than ours, if the pool's rules allow it for all workers together.
 * @returns true if a verdict differed, so workers have to receive the new state
 */
export function mergeVerdicts(
  registry: Pick<PoolRegistry, "locate">,
  report: Pick<WorkerReport, "upstreams">,
  context: MergeContext,
): boolean {
  let hasChanged = false;
  for (const { upstream: identity, verdict } of report.upstreams) {
    const found = registry.locate(identity);
    if (!found || verdict.decidedAt === found.upstream.outlier.decidedAt) continue;
    hasChanged = true;
    if (verdict.decidedAt < found.upstream.outlier.decidedAt) context.onOlder?.(found.upstream);
    else applyVerdict(found.entry.pool, found.upstream, { verdict, ...context });
  }
  return hasChanged;
}

function applyVerdict(
  pool: Pool,
  upstream: Upstream,
  { verdict, observer, now }: MergeContext & { readonly verdict: OutlierVerdict },
): void {
  const own = upstream.outlier.verdict;
  const activeHealth = upstream.activeHealth.state;
  const isEjection = verdict.state === "ejected" && own.state !== "ejected";
  if (isEjection && !pool.canEject(upstream)) {
    // Two workers may each eject a different upstream at the same time. A newer verdict of ours overrules the second.
    const decidedAt = Math.max(now, verdict.decidedAt + 1);
    pool.adoptHealth(upstream, { activeHealth, verdict: { ...own, decidedAt } });
    return;
  }
  if (!pool.adoptHealth(upstream, { activeHealth, verdict })) return;
  const { state: to, reason } = upstream.outlier;
  observer.outlierChanged(pool, { upstream, from: own.state, to, reason });
}

/** A worker that has not replied by then counts as having aborted nothing. */
const responseTimeoutMs = 1_000;

interface AbortRequest {
  /** Workers that have not replied yet. */
  readonly waiting: Set<WorkerSupervisor>;
  readonly cancel: Cancel;
  readonly resolve: (aborted: number) => void;
  aborted: number;
}

/**
 * Aborts the attempts on an upstream in all workers and sums how many there were.
 * `requested ──every worker has replied or exited, or after one second──▶ resolved`
 */
export class AbortCoordinator {
  readonly #schedule: Schedule;
  readonly #pending = new Map<number, AbortRequest>();
  #lastRequestId = 0;

  constructor(schedule: Schedule) {
    this.#schedule = schedule;
  }

  /** @param upstream id and origin @returns how many attempts were aborted */
  request(supervisors: readonly WorkerSupervisor[], upstream: string): Promise<number> {
    const serving = supervisors.filter(({ isReady }) => isReady);
    if (serving.length === 0) return Promise.resolve(0);
    const requestId = (this.#lastRequestId += 1);
    const { promise, resolve } = Promise.withResolvers<number>();
    const cancel = this.#schedule(responseTimeoutMs, () => this.#finish(requestId));
    this.#pending.set(requestId, { waiting: new Set(serving), cancel, resolve, aborted: 0 });
    for (const supervisor of serving) supervisor.send({ kind: "abort", upstream, requestId });
    return promise;
  }

  receive(supervisor: WorkerSupervisor, requestId: number, aborted: number): void {
    const pending = this.#pending.get(requestId);
    if (!pending?.waiting.delete(supervisor)) return;
    pending.aborted += aborted;
    if (pending.waiting.size === 0) this.#finish(requestId);
  }

  /** A process that has exited will not reply: counts as zero. */
  supervisorExited(supervisor: WorkerSupervisor): void {
    for (const requestId of this.#pending.keys()) this.receive(supervisor, requestId, 0);
  }

  #finish(requestId: number): void {
    const pending = this.#pending.get(requestId);
    this.#pending.delete(requestId);
    pending?.cancel();
    pending?.resolve(pending.aborted);
  }
}

/** A worker that hangs must not stop what waits for it: it answers nothing anyway, and is replaced. */
const confirmationTimeoutMs = 5_000;

interface Confirmation {
  readonly revision: number;
  /** Workers that have not applied it yet. */
  readonly missing: Set<WorkerSupervisor>;
  readonly resolve: () => void;
}

/** Waits until all workers that serve have applied a revision of the state. */
export class Confirmations {
  readonly #schedule: Schedule;
  readonly #waiting = new Set<Confirmation>();

  constructor(schedule: Schedule) {
    this.#schedule = schedule;
  }

  of(revision: number, supervisors: readonly WorkerSupervisor[]): Promise<void> {
    const missing = new Set(supervisors.filter(({ isReady }) => isReady));
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#schedule(confirmationTimeoutMs, resolve);
    const confirmation = { revision, missing, resolve };
    this.#waiting.add(confirmation);
    for (const supervisor of missing) this.reported(supervisor);
    if (missing.size === 0) resolve();
    return promise.finally(() => {
      cancel();
      this.#waiting.delete(confirmation);
    });
  }

  reported(supervisor: WorkerSupervisor): void {
    const applied = supervisor.reported?.latest.revision ?? 0;
    for (const one of this.#waiting) if (applied >= one.revision) settle(one, supervisor);
  }

  /** Its successor gets the current state before it serves. */
  supervisorExited(supervisor: WorkerSupervisor): void {
    for (const one of this.#waiting) settle(one, supervisor);
  }
}

function settle({ missing, resolve }: Confirmation, supervisor: WorkerSupervisor): void {
  if (missing.delete(supervisor) && missing.size === 0) resolve();
}
