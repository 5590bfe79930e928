/** Where timers and other requests reach a relay, outside of its sockets' events: a bug on the way costs that relay alone. */

import type { Attempt, AttemptDriver } from "../../pool/attempt.ts";
import type { Failure } from "../../pool/outcome.ts";
import type { ParkedRequest } from "../../proxy/queue.ts";
import type { Refusal } from "../../proxy/refusal.ts";
import type { EngineLog } from "../engine.ts";
import { reportBug } from "./losses.ts";
import type { RequestForwarder } from "./relay.ts";
import type { AttemptRunner } from "./sending.ts";

export class GuardedDriver implements AttemptDriver, ParkedRequest {
  readonly #sending: AttemptRunner;
  readonly #relay: RequestForwarder;
  readonly #log: EngineLog;

  constructor(sending: AttemptRunner, relay: RequestForwarder, log: EngineLog) {
    this.#sending = sending;
    this.#relay = relay;
    this.#log = log;
  }

  resume(step: Attempt | Refusal): void {
    this.run(() => this.#sending.runStep(step));
  }

  failed(bug: unknown): void {
    reportBug(this.#relay, bug, this.#log);
  }

  rescue(attempt: Attempt): void {
    this.run(() => this.#sending.rescue(attempt));
  }

  hedge(attempt: Attempt): void {
    this.run(() => this.#sending.hedge(attempt));
  }

  abort(attempt: Attempt, failed?: Failure): void {
    this.run(() => this.#sending.abort(attempt, failed));
  }

  yieldSlot(attempt: Attempt, now: number): boolean {
    return this.run(() => this.#sending.yieldSlot(attempt, now)) ?? true;
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
