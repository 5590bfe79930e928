/** A request's body: buffered and replayable if it is small, else streamed and replayable until it is read. */

import { systemSchedule } from "../../lib/clock.ts";
import { isSlowUpload } from "../../proxy/slow-clients.ts";

/** Bodies of known length up to this are buffered, which costs no throughput and makes them replayable. */
export const bufferedBytes = 64 * 1024;

/** Called when an attempt starts and stops waiting for the client instead of the upstream. */
export interface ClientWait {
  clientWaitBegan(): void;
  clientWaitEnded(): void;
}

export interface RequestBody {
  /** The body that the next attempt sends. */
  open(wait: ClientWait): Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null;
  /** Whether another attempt can send the body from its first byte. */
  readonly isReplayable: boolean;
  /** Whether all of it has arrived. */
  readonly isWhole: boolean;
  /** What the client did wrong while the body was forwarded: then a failure is not the upstream's. */
  readonly problem: BodyProblem | undefined;
  /** Others wait for the slot: aborts a slow upload, so many ms after the attempt's start. @returns whether it did */
  abortIfSlow(ms: number): boolean;
}

/** The client stopped sending, or sends more than the pool accepts. */
export type BodyProblem = "stalled" | "too_large";

export interface BodyLimits {
  /** Timeout of the client's next piece, milliseconds. */
  readonly idleMs: number;
  /** Whether the pool accepts a body of this size. */
  readonly admits: (bytes: number) => boolean;
}

/** Looking at `body` alone costs a thirtieth of a request: where fields tell, ask them. */
export function mayHaveBody({ body, headers }: Request): boolean {
  return body !== null && headers.get("content-length") !== "0";
}

/** The body; or a problem: its length is too large, or a small one did not arrive in time. */
export async function requestBody(request: Request, limits: BodyLimits): Promise<RequestBody | BodyProblem> {
  const length = request.headers.get("content-length");
  if (request.body === null) return emptyBody;
  if (length !== null && !limits.admits(Number(length))) return "too_large";
  if (length === null || Number(length) > bufferedBytes) return streamedBody(request.body, limits);
  const bytes = await wholeBody(request.body, Number(length), limits.idleMs).catch(() => undefined);
  return bytes ? heldBody(bytes) : "stalled";
}

/** Piece by piece, because the timeout is one between two pieces. Rejects if not all bytes arrive. */
async function wholeBody(
  source: ReadableStream<Uint8Array>,
  length: number,
  idleMs: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const reader = source.getReader();
  const bytes = new Uint8Array(length);
  let arrived = 0;
  for (;;) {
    const { done, value } = await within(idleMs, reader.read());
    if (done) break;
    bytes.set(value, arrived);
    arrived += value.length;
  }
  if (arrived < length) throw new Error(`Cannot read on: ${arrived} of ${length} bytes arrived`);
  return bytes;
}

function heldBody(bytes: Uint8Array<ArrayBuffer> | null): RequestBody {
  return {
    open: () => bytes,
    isReplayable: true,
    isWhole: true,
    problem: undefined,
    abortIfSlow: () => false,
  };
}

/** The body of a request that has none. */
export const emptyBody: RequestBody = heldBody(null);

/** Nothing is read before an upstream takes it, so after a refused connect the body is still complete. */
function streamedBody(source: ReadableStream<Uint8Array>, { idleMs, admits }: BodyLimits): RequestBody {
  const reader = source.getReader();
  let isTouched = false;
  let isWhole = false;
  let sentBytes = 0;
  let problem: BodyProblem | undefined;
  /** Whether its upstream took no more of it. */
  let isCancelled = false;
  const take = (wait: ClientWait) =>
    new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          isTouched = true;
          wait.clientWaitBegan();
          try {
            const { done, value } = await within(idleMs, reader.read());
            if (isCancelled) return;
            isWhole = done;
            if (done) return controller.close();
            sentBytes += value.length;
            if (!admits(sentBytes)) {
              problem = "too_large";
              throw new Error(`Cannot send on: the body is longer than allowed, received ${sentBytes} bytes`);
            }
            controller.enqueue(value);
          } catch (error) {
            if (isCancelled) return;
            problem ??= "stalled";
            controller.error(error);
          } finally {
            wait.clientWaitEnded();
          }
        },
        async cancel(reason) {
          if (!isTouched) return;
          isCancelled = true;
          await reader.cancel(reason);
        },
      },
      { highWaterMark: 0 },
    );
  return {
    open: take,
    get isReplayable() {
      return !isTouched;
    },
    get isWhole() {
      return isWhole;
    },
    get problem() {
      return problem;
    },
    abortIfSlow(ms) {
      if (!isSlowUpload(sentBytes, ms)) return false;
      problem ??= "stalled";
      return true;
    },
  };
}

function within<T>(limitMs: number, pending: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = systemSchedule(limitMs, () =>
      reject(new Error(`Cannot read on: nothing came in ${limitMs} ms`)),
    );
    pending.then(resolve, reject).finally(cancel);
  });
}
