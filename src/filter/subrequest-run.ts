/** What may end an attempt of a subrequest before its response, and the reading of that response. */

import { type Cancel, systemSchedule } from "../lib/clock.ts";
import type { Attempt, AttemptDriver } from "../pool/attempt.ts";
import { cancelled, completed, type Failure, failure } from "../pool/outcome.ts";
import type { Exchange } from "../proxy/exchange.ts";

export interface IncomingResponse {
  readonly status: number;
  readonly headers: Headers;
  /** One of these two is called, once. */
  stream(): ReadableStream<Uint8Array> | null;
  discard(): void;
}

export interface SubrequestResponse {
  readonly kind: "response";
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** Why there is no response: a fixed text, also for the client. */
export interface SubrequestFailure {
  readonly kind: "unavailable";
  readonly why: string;
}

export const unavailable = (why: string): SubrequestFailure => ({ kind: "unavailable", why });
export const late = unavailable("the authorization server did not respond in time");
export const unreachable = unavailable("no authorization server could be reached");
const tooLarge = unavailable("the response of the authorization server is too large");
export const gone = unavailable("the client has left");

/** The time and the client of one request. */
export class SubrequestLimit {
  readonly #client: AbortSignal;
  readonly #cancel: Cancel;
  readonly #onGone = () => this.#end(false);
  isLate = false;
  isOver = false;
  /** Called once, when the response is not waited for any more. */
  onOver: (() => void) | undefined;

  /** @param client aborted when the client leaves */
  constructor({ timeoutMs, client }: { readonly timeoutMs: number; readonly client: AbortSignal }) {
    this.#client = client;
    this.#cancel = systemSchedule(timeoutMs, () => this.#end(true));
    if (client.aborted) this.isOver = true;
    else client.addEventListener("abort", this.#onGone, { once: true });
  }

  #end(isLate: boolean): void {
    if (this.isOver) return;
    this.isOver = true;
    this.isLate = isLate;
    this.onOver?.();
  }

  end(): void {
    this.#cancel();
    this.#client.removeEventListener("abort", this.#onGone);
    this.onOver = undefined;
  }
}

/** One running attempt: what may end it before its response. */
export class SubrequestRun implements AttemptDriver {
  readonly attempt: Attempt;
  readonly limit: SubrequestLimit;
  readonly #exchange: Exchange;
  readonly #stop = new AbortController();
  #cancelTimer: Cancel | undefined;
  #hasHead = false;
  hasTimedOut = false;
  abortedAs: Failure | undefined;
  /** The attempt that replaced this one, which has ended then. */
  movedTo: Attempt | undefined;

  constructor(exchange: Exchange, attempt: Attempt, limit: SubrequestLimit) {
    this.#exchange = exchange;
    this.attempt = attempt;
    this.limit = limit;
    attempt.driver = this;
    limit.onOver = () => this.#stop.abort();
    if (limit.isOver) this.#stop.abort();
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  get isOver(): boolean {
    return this.signal.aborted;
  }

  startTimer(limitMs: number): void {
    this.#cancelTimer = systemSchedule(limitMs, () => {
      this.hasTimedOut = true;
      this.#stop.abort();
    });
  }

  headReceived(): void {
    this.#cancelTimer?.();
    this.#hasHead = true;
  }

  /** @returns false if it ended before the time */
  hold(delayMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const cancel = systemSchedule(delayMs, () => resolve(!this.isOver));
      const onAbort = () => {
        cancel();
        resolve(false);
      };
      if (this.isOver) onAbort();
      else this.signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  rescue(): void {
    if (this.#hasHead || this.isOver) return;
    this.movedTo = this.#exchange.rescue(true, this.attempt);
    if (this.movedTo) this.#stop.abort();
  }

  abort(_attempt: Attempt, failed?: Failure): void {
    this.abortedAs = failed;
    this.#stop.abort();
  }

  release(): void {
    this.#cancelTimer?.();
    this.limit.onOver = undefined;
  }
}

/** Reads the whole response and ends the attempt. Of a status from 200 to 299 only the head counts. */
export async function readResponse(
  response: IncomingResponse,
  attempt: Attempt,
  {
    limit,
    run,
    maxBytes,
  }: { readonly limit: SubrequestLimit; readonly run: SubrequestRun; readonly maxBytes: number },
): Promise<SubrequestResponse | SubrequestFailure> {
  const { status, headers } = response;
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  // Its body is not used: it is read so that the connection can be used again.
  const isSuccess = status >= 200 && status <= 299;
  const reader = response.stream()?.getReader();
  const stop = () => void reader?.cancel().catch(() => {});
  run.signal.addEventListener("abort", stop, { once: true });
  try {
    for (;;) {
      const piece = await reader?.read();
      if (run.isOver) break;
      if (!piece || piece.done) {
        attempt.end(completed);
        return { kind: "response", status, headers, body: new Uint8Array(Buffer.concat(pieces)) };
      }
      bytes += piece.value.length;
      if (bytes > maxBytes) {
        stop();
        attempt.end(completed);
        return isSuccess ? { kind: "response", status, headers, body: new Uint8Array() } : tooLarge;
      }
      if (!isSuccess) pieces.push(piece.value);
    }
  } catch (error) {
    if (!run.isOver) {
      attempt.end(failure("body", "body_truncated", String(error)));
      return unreachable;
    }
  } finally {
    run.signal.removeEventListener("abort", stop);
  }
  attempt.end(limit.isLate ? failure("body", "body_timeout") : cancelled);
  return limit.isLate ? late : limit.isOver ? gone : unreachable;
}
