/** Forced ends across processes: asks each worker to cut what it has on an upstream, and adds up what they answer. */

import type { Cancel, Schedule } from "../lib/clock.ts";
import type { WorkerSupervisor } from "./seat.ts";

/** Whoever has not said by then how many it cut is counted with none. */
const answerWithinMs = 1_000;

interface Order {
  readonly silent: Set<WorkerSupervisor>;
  readonly cancel: Cancel;
  readonly resolve: (cut: number) => void;
  cut: number;
}

/** `asked ──every worker has answered, or is gone, or a second is over──▶ told` */
export class AbortCoordinator {
  readonly #schedule: Schedule;
  readonly #orders = new Map<number, Order>();
  #last = 0;

  constructor(schedule: Schedule) {
    this.#schedule = schedule;
  }

  /** @param upstream id and origin @returns how many were cut */
  ask(seats: readonly WorkerSupervisor[], upstream: string): Promise<number> {
    const serving = seats.filter(({ isReady }) => isReady);
    if (serving.length === 0) return Promise.resolve(0);
    const request = (this.#last += 1);
    const { promise, resolve } = Promise.withResolvers<number>();
    const cancel = this.#schedule(answerWithinMs, () => this.#tell(request));
    this.#orders.set(request, { silent: new Set(serving), cancel, resolve, cut: 0 });
    for (const seat of serving) seat.send({ kind: "cut", upstream, request });
    return promise;
  }

  hear(seat: WorkerSupervisor, request: number, cut: number): void {
    const order = this.#orders.get(request);
    if (!order?.silent.delete(seat)) return;
    order.cut += cut;
    if (order.silent.size === 0) this.#tell(request);
  }

  /** What went with a process was cut by nobody. */
  lose(seat: WorkerSupervisor): void {
    for (const request of this.#orders.keys()) this.hear(seat, request, 0);
  }

  #tell(request: number): void {
    const order = this.#orders.get(request);
    this.#orders.delete(request);
    order?.cancel();
    order?.resolve(order.cut);
  }
}
