/** Budgets of shared limits for workers: the control plane asks the store for all of them. */

import { type BudgetAsk, type BudgetReply, type Budgets, maxAsks } from "../filter/budget.ts";
import type { Cancel, Schedule } from "../lib/clock.ts";
import type { FromWorker, ToWorker } from "./messages.ts";

type AskMessage = Extract<FromWorker, { kind: "ask-budgets" }>;
type ReplyMessage = Extract<ToWorker, { kind: "budgets" }>;

/** Longer than a call to the store may take: a control plane that stands still answers nothing. */
const replyTimeoutMs = 800;

/**
 * The side of a worker. One call at a time. Through the control plane, because then a machine has one connection to the store
 * however many workers it has, no worker has its password, and what several workers need goes in one call.
 */
export class WorkerBudgets implements Budgets {
  readonly #send: (message: AskMessage) => void;
  readonly #schedule: Schedule;
  #id = 0;
  #waiting: { readonly resolve: (reply: BudgetReply) => void; readonly fail: () => void } | undefined;

  constructor(send: (message: AskMessage) => void, schedule: Schedule) {
    this.#send = send;
    this.#schedule = schedule;
  }

  exchange(asks: readonly BudgetAsk[]): Promise<BudgetReply> {
    const { promise, resolve, reject } = Promise.withResolvers<BudgetReply>();
    const fail = () => reject(new Error("Cannot reach the store of the fleet"));
    const cancel: Cancel = this.#schedule(replyTimeoutMs, fail);
    this.#id += 1;
    this.#waiting = { resolve, fail };
    this.#send({ kind: "ask-budgets", id: this.#id, asks });
    return promise.finally(cancel);
  }

  receive({ id, reply }: ReplyMessage): void {
    if (id !== this.#id) return;
    if (reply) this.#waiting?.resolve(reply);
    else this.#waiting?.fail();
  }
}

interface WaitingAsk {
  readonly message: AskMessage;
  readonly answer: (message: ReplyMessage) => void;
}

/** The side of the control plane: one call at a time, for as many workers as wait. */
export class BudgetRelay {
  readonly #budgets: Budgets;
  #waiting: WaitingAsk[] = [];
  #isAsking = false;

  constructor(budgets: Budgets) {
    this.#budgets = budgets;
  }

  receive(message: AskMessage, answer: WaitingAsk["answer"]): void {
    this.#waiting.push({ message, answer });
    if (!this.#isAsking) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isAsking = true;
    while (this.#waiting.length > 0) await this.#ask(this.#next());
    this.#isAsking = false;
  }

  /** The asks of the workers that wait longest. */
  #next(): readonly WaitingAsk[] {
    let count = 0;
    let taken = 0;
    for (const { message } of this.#waiting) {
      if (taken > 0 && count + message.asks.length > maxAsks) break;
      count += message.asks.length;
      taken += 1;
    }
    return this.#waiting.splice(0, taken);
  }

  async #ask(chosen: readonly WaitingAsk[]): Promise<void> {
    try {
      const { answers, peers } = await this.#budgets.exchange(chosen.flatMap(({ message }) => message.asks));
      let from = 0;
      for (const { message, answer } of chosen) {
        const own = answers.slice(from, (from += message.asks.length));
        answer({ kind: "budgets", id: message.id, reply: { answers: own, peers } });
      }
    } catch {
      for (const { message, answer } of chosen) answer({ kind: "budgets", id: message.id, reply: null });
    }
  }
}
