/** Where timers and other requests reach a relay, outside of its sockets' events: a bug on the way costs that relay alone. */

import type { Attempt, AttemptDriver } from "../../pool/attempt.ts";
import type { Failure } from "../../pool/outcome.ts";
import type { ParkedRequest } from "../../proxy/queue.ts";
import type { Refusal } from "../../proxy/refusal.ts";
import type { EngineLog } from "../engine.ts";
import { reportBug } from "./attempt-failures.ts";
import type { RequestForwarder } from "./request-forwarder.ts";
import type { AttemptRunner } from "./attempt-runner.ts";

export class GuardedDriver implements AttemptDriver, ParkedRequest {
  readonly #runner: AttemptRunner;
  readonly #forwarder: RequestForwarder;
  readonly #log: EngineLog;

  constructor(runner: AttemptRunner, forwarder: RequestForwarder, log: EngineLog) {
    this.#runner = runner;
    this.#forwarder = forwarder;
    this.#log = log;
  }

  resume(step: Attempt | Refusal): void {
    this.run(() => this.#runner.runStep(step));
  }

  failed(bug: unknown): void {
    reportBug(this.#forwarder, bug, this.#log);
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

  /** @returns what the step returns; undefined if it met a bug */
  run<Result>(step: () => Result): Result | undefined {
    try {
      return step();
    } catch (bug) {
      this.failed(bug);
      return undefined;
    }
  }
}
