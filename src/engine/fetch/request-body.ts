/** A request's body as attempts need it: sent again if it was small or not yet touched, streamed otherwise. */

import { systemSchedule } from "../../lib/clock.ts";

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
  /** Whether the client stopped sending: then a failure is not the upstream's. */
  readonly isStalled: boolean;
}

/**
 * @param idleMs how long the client may take for the next piece
 * @returns undefined if the client goes away or stalls while a small body is read
 */
export async function requestBody(request: Request, idleMs: number): Promise<RequestBody | undefined> {
  const length = request.headers.get("content-length");
  if (request.body === null || length === "0") return heldBody(null);
  if (length === null || Number(length) > bufferedBytes) return streamedBody(request.body, idleMs);
  const bytes = await within(idleMs, request.arrayBuffer()).catch(() => undefined);
  return bytes && heldBody(new Uint8Array(bytes));
}

function heldBody(bytes: Uint8Array<ArrayBuffer> | null): RequestBody {
  return { take: () => bytes, isReplayable: true, isStalled: false };
}

/** Nothing is read before an upstream asks for it, so a refused connect leaves the body whole. */
function streamedBody(source: ReadableStream<Uint8Array>, idleMs: number): RequestBody {
  const reader = source.getReader();
  let isTouched = false;
  let isStalled = false;
  const take = (wait: ClientWait) =>
    new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          isTouched = true;
          wait.begin();
          try {
            const { done, value } = await within(idleMs, reader.read());
            if (done) controller.close();
            else controller.enqueue(value);
          } catch (error) {
            isStalled = true;
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
    get isStalled() {
      return isStalled;
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
