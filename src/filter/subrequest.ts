/** Requests of the balancer itself to the upstreams of a pool: an ordinary exchange, with its retries, queue and verdicts. */

import type { Clock } from "../lib/clock.ts";
import { hostHeaderOf } from "../net/address.ts";
import type { Attempt } from "../pool/attempt.ts";
import { cancelled, type Failure, failure } from "../pool/outcome.ts";
import type { Upstream } from "../pool/upstream.ts";
import { Exchange } from "../proxy/exchange.ts";
import type { ExchangeOptions } from "../proxy/exchange-options.ts";
import { applySyntheticResponse, capDelay } from "../proxy/interception.ts";
import type { Wait } from "../proxy/queue.ts";
import type { Refusal } from "../proxy/refusal.ts";
import type { RequestHead } from "../proxy/request-head.ts";
import type { Destination, RouteTable } from "../proxy/route.ts";
import {
  gone,
  type IncomingResponse,
  late,
  readResponse,
  type SubrequestFailure,
  SubrequestLimit,
  type SubrequestResponse,
  SubrequestRun,
  unreachable,
} from "./subrequest-run.ts";

/** One attempt of a request without a body. */
export interface OutgoingSubrequest {
  readonly method: string;
  readonly upstream: Upstream;
  /** Path and query. */
  readonly target: string;
  readonly headers: Headers;
  readonly body: null;
  /** Aborted when the response is not needed any more. */
  readonly signal: AbortSignal;
  readonly endsConnection: false;
}

/** Moves the bytes of one attempt over HTTP/1.1. Each runtime has one. */
export interface SubrequestSender {
  /** Resolves with the final head; decodes no body, follows no redirect. Rejects with the system's error. */
  send(outgoing: OutgoingSubrequest): Promise<IncomingResponse>;
  /** The failure that an error before the response's head means. */
  failureOf(error: unknown, attempt: Attempt): Failure;
}

export interface SubrequestOptions {
  readonly sender: SubrequestSender;
  readonly clock: Clock;
  /** Counts its attempts and refusals like those of clients. */
  readonly observer: ExchangeOptions["observer"];
  readonly attemptFilters?: ExchangeOptions["attemptFilters"];
  /** Called for each attempt that failed. */
  readonly warn?: (message: string, fields: Readonly<Record<string, unknown>>) => void;
}

export interface Subrequest {
  /** For routing decisions of the pool, such as a hash key. */
  readonly head: RequestHead;
  readonly headers: Headers;
  /** Whether Host is that of the upstream. */
  readonly usesUpstreamHost: boolean;
  readonly requestId: string;
  readonly destination: Destination;
  /** Over all attempts and waits, to the last byte of the response, milliseconds. */
  readonly timeoutMs: number;
  readonly maxBodyBytes: number;
  /** Aborted when the client leaves. */
  readonly client: AbortSignal;
}

/** What follows an attempt: its result, or another attempt or a refusal. */
type Step = SubrequestResponse | SubrequestFailure | Attempt | Refusal;

export class Subrequests {
  readonly #options: SubrequestOptions;

  constructor(options: SubrequestOptions) {
    this.#options = options;
  }

  /** Never rejects but for a bug. */
  async ask(request: Subrequest): Promise<SubrequestResponse | SubrequestFailure> {
    const { clock, observer, attemptFilters } = this.#options;
    const table = tableTo(request.destination);
    const exchange = new Exchange({
      clock,
      observer,
      routes: () => table,
      ...(attemptFilters && { attemptFilters }),
    });
    const limit = new SubrequestLimit(request);
    try {
      exchange.open(request.head);
      let step: Step | "over" = await turnOf(exchange, exchange.next(), limit);
      while (step !== "over" && step.kind === "attempt")
        step = await this.#run(exchange, request, step, limit);
      if (step === "over") return limit.isLate ? late : gone;
      return step.kind === "refusal" ? unreachable : step;
    } finally {
      limit.end();
      exchange.close(summaryOf(request));
    }
  }

  /** One attempt. It has ended when this resolves; the next one may be the same object, started again. */
  async #run(
    exchange: Exchange,
    request: Subrequest,
    attempt: Attempt,
    limit: SubrequestLimit,
  ): Promise<Step> {
    const run = new SubrequestRun(exchange, attempt, limit);
    try {
      const intercepted = await this.#intercept(exchange, attempt, run);
      if (intercepted === "over" || run.isOver) return this.#lost(exchange, request, run, undefined);
      if (intercepted) return intercepted;
      const { head, destination } = request;
      const headers = request.usesUpstreamHost
        ? withHost(request.headers, attempt.upstream)
        : request.headers;
      run.startTimer(destination.timeouts.connectMs + destination.timeouts.headMs);
      const { method, target } = head;
      const outgoing = {
        method,
        target,
        headers,
        upstream: attempt.upstream,
        body: null,
        signal: run.signal,
      };
      let response: IncomingResponse;
      try {
        response = await this.#options.sender.send({ ...outgoing, endsConnection: false });
      } catch (error) {
        return this.#lost(exchange, request, run, error);
      }
      if (run.isOver) {
        response.discard();
        return this.#lost(exchange, request, run, undefined);
      }
      run.headReceived();
      attempt.responseStarted(response.status);
      const next = exchange.responseReceived(response.status, true);
      if (next !== "pass") {
        response.discard();
        return next;
      }
      exchange.commit(attempt);
      return await readResponse(response, attempt, { limit, run, maxBytes: request.maxBodyBytes });
    } finally {
      run.release();
    }
  }

  /** @returns undefined where the attempt is sent, "over" where it ended while it was held */
  async #intercept(
    exchange: Exchange,
    attempt: Attempt,
    run: SubrequestRun,
  ): Promise<Step | "over" | undefined> {
    const found = exchange.interceptionOf(attempt);
    if (!found) return undefined;
    const { delayMs, then } = capDelay(found, exchange.destination?.timeouts.headMs ?? 0);
    if (delayMs > 0 && !(await run.hold(delayMs))) return "over";
    attempt.heldMs = delayMs;
    if (then === "send") return undefined;
    if (then.kind === "response") return applySyntheticResponse(exchange, attempt, then, true);
    attempt.end(then);
    return exchange.retryAfter(then, true);
  }

  /** After an attempt without a response. */
  #lost(exchange: Exchange, { requestId }: Subrequest, run: SubrequestRun, error: unknown): Step {
    const { attempt, limit } = run;
    if (run.movedTo) return run.movedTo;
    if (limit.isOver && !limit.isLate) {
      attempt.end(cancelled);
      return gone;
    }
    const failed =
      run.abortedAs ??
      (run.hasTimedOut || limit.isLate
        ? failure("head", "head_timeout")
        : this.#options.sender.failureOf(error, attempt));
    const { id: upstream } = attempt.upstream;
    attempt.end(failed);
    const { reason, phase, detail } = failed;
    this.#options.warn?.("authorization attempt failed", { requestId, upstream, reason, phase, detail });
    return limit.isLate ? late : exchange.retryAfter(failed, true);
  }
}

/** A table with one route, which takes every request. */
function tableTo(destination: Destination): RouteTable {
  const match = { route: { place: "", destination } };
  return { routes: [match.route], find: () => match, takesHost: () => true };
}

/** The first step after a wait in the queue; "over" if there is no time or no client left. */
function turnOf(
  exchange: Exchange,
  step: Attempt | Refusal | Wait,
  limit: SubrequestLimit,
): Promise<Attempt | Refusal | "over"> {
  if (step.kind !== "wait") return Promise.resolve(step);
  return new Promise((resolve, reject) => {
    limit.onOver = () => {
      exchange.leaveQueue();
      resolve("over");
    };
    if (limit.isOver) return limit.onOver();
    exchange.park({
      resume(turn) {
        limit.onOver = undefined;
        resolve(turn);
      },
      failed: reject,
    });
  });
}

/** A copy with the Host of the upstream's URL. */
function withHost(headers: Headers, { address }: Upstream): Headers {
  const copy = new Headers(headers);
  copy.set("Host", hostHeaderOf(address));
  return copy;
}

/** Without record sinks this is not read. */
function summaryOf({ head, requestId }: Subrequest): Parameters<Exchange["close"]>[0] {
  const { clientAddress, peerAddress, scheme } = head;
  const counts = { status: 0, bytesIn: 0, bytesOut: 0, isClientGone: false };
  return { requestId, clientAddress, peerAddress, scheme, listener: "", protocol: null, ...counts };
}
