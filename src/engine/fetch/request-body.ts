/** A request's body as attempts need it: sent again if it was small or not yet touched, streamed otherwise. */

import { systemSchedule } from "../../lib/clock.ts";
import { isSlowUpload } from "../../proxy/queue.ts";

/** Bodies of known length up to this are held in memory, which costs no throughput and makes them replayable. */
export const bufferedBytes = 64 * 1024;

/** Told when an attempt waits for the client instead of the upstream, and when no longer. */
export interface ClientWait {
  begin(): void;
  end(): void;
}

export interface RequestBody {
  /** What the next attempt sends. */
  take(wait: ClientWait): Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null;
  /** Whether another attempt could send the body from its first byte. */
  readonly isReplayable: boolean;
  /** What the client did wrong while it was sent on: then a failure is not the upstream's. */
  readonly problem: BodyProblem | undefined;
  /** Others wait: a client that trickles counts as stalled, so long after its attempt began; says whether. */
  abortIfSlow(ms: number): boolean;
}

/** The client stopped sending, or sends more than the pool takes. */
export type BodyProblem = "stalled" | "too_large";

export interface BodyLimits {
  /** How long the client may take for the next piece. */
  readonly idleMs: number;
  /** Whether the pool takes a body of this size. */
  readonly admits: (bytes: number) => boolean;
}

/** The body, or what is wrong with it already: its length, or that a small one did not come whole. */
export async function requestBody(request: Request, limits: BodyLimits): Promise<RequestBody | BodyProblem> {
  const length = request.headers.get("content-length");
  if (request.body === null || length === "0") return heldBody(null);
  if (length !== null && !limits.admits(Number(length))) return "too_large";
  if (length === null || Number(length) > bufferedBytes) return streamedBody(request.body, limits);
  const bytes = await within(limits.idleMs, request.arrayBuffer()).catch(() => undefined);
  return bytes ? heldBody(new Uint8Array(bytes)) : "stalled";
}

function heldBody(bytes: Uint8Array<ArrayBuffer> | null): RequestBody {
  return { take: () => bytes, isReplayable: true, problem: undefined, abortIfSlow: () => false };
}

/** Nothing is read before an upstream asks for it, so a refused connect leaves the body whole. */
function streamedBody(source: ReadableStream<Uint8Array>, { idleMs, admits }: BodyLimits): RequestBody {
  const reader = source.getReader();
  let isTouched = false;
  let sentBytes = 0;
  let problem: BodyProblem | undefined;
  const take = (wait: ClientWait) =>
    new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          isTouched = true;
          wait.begin();
          try {
            const { done, value } = await within(idleMs, reader.read());
            if (done) return controller.close();
            sentBytes += value.length;
            if (!admits(sentBytes)) {
              problem = "too_large";
              throw new Error(`Cannot send on: the body is longer than allowed, received ${sentBytes} bytes`);
            }
            controller.enqueue(value);
          } catch (error) {
            problem ??= "stalled";
            controller.error(error);
          } finally {
            wait.end();
          }
        },
        async cancel(reason) {
          if (isTouched) await reader.cancel(reason);
        },
      },
      { highWaterMark: 0 },
    );
  return {
    take,
    get isReplayable() {
      return !isTouched;
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
