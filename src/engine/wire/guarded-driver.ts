/** How timers and other requests call the attempt runner, outside of its own sockets' events. */

import type { Attempt, AttemptDriver } from "../../pool/attempt.ts";
import type { Failure } from "../../pool/outcome.ts";
import type { ParkedRequest } from "../../proxy/queue.ts";
import type { Refusal } from "../../proxy/refusal.ts";

/** The attempt runner, as its driver calls it. */
export interface DrivenRunner extends Required<AttemptDriver> {
  readonly sink: { reportBug(error: unknown): void };
  runStep(step: Attempt | Refusal): void;
}

/** A bug fails this request only. */
export class GuardedDriver implements AttemptDriver, ParkedRequest {
  readonly #runner: DrivenRunner;

  constructor(runner: DrivenRunner) {
    this.#runner = runner;
  }

  resume(step: Attempt | Refusal): void {
    this.run(() => this.#runner.runStep(step));
  }

  failed(bug: unknown): void {
    this.#runner.sink.reportBug(bug);
  }

  rescue(attempt: Attempt): void {
    this.run(() => this.#runner.rescue(attempt));
  }

  hedge(attempt: Attempt): void {
    this.run(() => this.#runner.hedge(attempt));
  }

  abort(attempt: Attempt, failed?: Failure): void {
    this.run(() => this.#runner.abort(attempt, failed));
  }

  yieldSlot(attempt: Attempt, now: number): boolean {
    return this.run(() => this.#runner.yieldSlot(attempt, now)) ?? true;
  }

  /** @returns the step's result; undefined if the step threw, which is reported */
  run<Result>(step: () => Result): Result | undefined {
    try {
      return step();
    } catch (bug) {
      this.failed(bug);
      return undefined;
    }
  }
}
