/** Forced ends across processes: asks each worker to cut what it has on an upstream, and adds up what they answer. */

import type { Cancel, Schedule } from "../lib/clock.ts";
import type { WorkerSupervisor } from "../dataplane/worker-supervisor.ts";

/** Whoever has not said by then how many it cut is counted with none. */
const responseTimeoutMs = 1_000;

interface AbortRequest {
  readonly unresponsive: Set<WorkerSupervisor>;
  readonly cancel: Cancel;
  readonly resolve: (cut: number) => void;
  cut: number;
}

/** `asked ──every worker has answered, or is gone, or a second is over──▶ told` */
export class AbortCoordinator {
  readonly #schedule: Schedule;
  readonly #orders = new Map<number, AbortRequest>();
  #last = 0;

  constructor(schedule: Schedule) {
    this.#schedule = schedule;
  }

  /** @param upstream id and origin @returns how many were cut */
  request(supervisors: readonly WorkerSupervisor[], upstream: string): Promise<number> {
    const serving = supervisors.filter(({ isReady }) => isReady);
    if (serving.length === 0) return Promise.resolve(0);
    const request = (this.#last += 1);
    const { promise, resolve } = Promise.withResolvers<number>();
    const cancel = this.#schedule(responseTimeoutMs, () => this.#notify(request));
    this.#orders.set(request, { unresponsive: new Set(serving), cancel, resolve, cut: 0 });
    for (const supervisor of serving) supervisor.send({ kind: "cut", upstream, request });
    return promise;
  }

  receive(supervisor: WorkerSupervisor, request: number, cut: number): void {
    const order = this.#orders.get(request);
    if (!order?.unresponsive.delete(supervisor)) return;
    order.cut += cut;
    if (order.unresponsive.size === 0) this.#notify(request);
  }

  /** What went with a process was cut by nobody. */
  supervisorExited(supervisor: WorkerSupervisor): void {
    for (const request of this.#orders.keys()) this.receive(supervisor, request, 0);
  }

  #notify(request: number): void {
    const order = this.#orders.get(request);
    this.#orders.delete(request);
    order?.cancel();
    order?.resolve(order.cut);
  }
}
