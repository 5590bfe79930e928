/** Forwards an upstream's response to the client, and ends the attempt with its last byte or when it fails. */

import { systemSchedule } from "../../lib/clock.ts";
import type { Attempt } from "../../pool/attempt.ts";
import { cancelled, type Failure, failure, type Outcome, completed } from "../../pool/outcome.ts";
import type { AttemptMonitor } from "./attempt-monitor.ts";
import { type HeadEdit, responseForm } from "../../proxy/head-edit.ts";
import type { CompressionPlan } from "../../proxy/compression.ts";
import { compressedBytes, compressedStream } from "./compressed-body.ts";
import { applyEdit, clientHeaders } from "./headers.ts";
import { bodyFailureOf, type UpstreamResponse } from "./forward.ts";
import { bufferedBytes } from "./request-body.ts";
import { ReadingPace, yieldResponse } from "../../proxy/slow-clients.ts";

export interface ResponseOptions {
  readonly attempt: Attempt;
  /** What the route changes in the head. */
  readonly edit: HeadEdit | undefined;
  /** How the body is compressed; undefined for most. */
  readonly compression: CompressionPlan | undefined;
  readonly bodyIdleMs: number;
  readonly isHead: boolean;
  readonly monitor: AttemptMonitor;
  /** Called when the body will be streamed. */
  readonly onStream: (status: number) => void;
  readonly byteCounts: { bytesOut: number };
  /** Called at the end of the stream. */
  readonly onEnd: (isClientGone: boolean) => void;
}

const withoutBody: ReadonlySet<number> = new Set([101, 204, 205, 304]);

/**
 * The response for the client; or the failure, if a small body ended early before anything was sent.
 * When it resolves the attempt has ended, or ends with the body's stream.
 */
export async function toClientResponse(
  incoming: UpstreamResponse,
  options: ResponseOptions,
): Promise<Response | Failure> {
  const { attempt, isHead, compression } = options;
  const init = {
    status: incoming.status,
    statusText: incoming.statusText,
    headers: clientHeaders(incoming),
  };
  if (options.edit) applyEdit(init.headers, options.edit, responseForm);
  if (isHead || withoutBody.has(incoming.status)) {
    incoming.discard();
    attempt.end(completed);
    return isHead ? responseToHead(init) : new Response(null, init);
  }
  const isWhole = isSmall(init.headers);
  // The length is that of the upstream's bytes.
  if (compression) init.headers.delete("content-length");
  if (isWhole) {
    const whole = await wholeBody(incoming, options);
    if (!(whole instanceof ArrayBuffer)) return whole;
    if (!compression) return new Response(whole, init);
    const bytes = await compressedBytes(whole, compression);
    options.byteCounts.bytesOut = bytes.length;
    return new Response(bytes, init);
  }
  const body = incoming.stream();
  if (body === null) {
    attempt.end(completed);
    if (compression) init.headers.delete("content-encoding");
    return new Response(null, init);
  }
  const sent = compression ? compressedStream(body, compression) : body;
  const response = new Response(streamedBody(sent, incoming, options), init);
  options.onStream(incoming.status);
  if (isEventStream(init.headers)) attempt.freeSlot();
  return response;
}

/** A response without a body would get `Content-Length: 0` from the listener, which is not the length of a GET's. */
function responseToHead(
  init: ResponseInit & { readonly status: number; readonly headers: Headers },
): Response {
  if (init.headers.has("content-length") || withoutBody.has(init.status)) return new Response(null, init);
  const empty = new ReadableStream({ pull: (controller) => controller.close() }, { highWaterMark: 0 });
  return new Response(empty, init);
}

/** Known to fit the buffer. Without Content-Type the listener would add one to a buffered body. */
function isSmall(headers: Headers): boolean {
  const length = headers.get("content-length");
  return length !== null && Number(length) <= bufferedBytes && headers.has("content-type");
}

function isEventStream(headers: Headers): boolean {
  return /^text\/event-stream(?![\w!#$%&'*+.^`|~-])/i.test(headers.get("content-type") ?? "");
}

/** Reads a small body; the attempt has ended when it resolves. */
async function wholeBody(
  incoming: UpstreamResponse,
  options: ResponseOptions,
): Promise<ArrayBuffer | Failure> {
  const limit = new IdleTimeout(options, incoming);
  try {
    const bytes = await limit.during(() => incoming.whole());
    options.attempt.end(completed);
    options.byteCounts.bytesOut = bytes.byteLength;
    return bytes;
  } catch (error) {
    const outcome = limit.outcomeOf(error);
    options.attempt.end(outcome);
    return outcome.kind === "failure" ? outcome : failure("body", "body_truncated", "client gone");
  }
}

/** Timeout between two pieces of a body, and the outcome when reading fails. */
class IdleTimeout {
  readonly #options: ResponseOptions;
  readonly #incoming: UpstreamResponse;
  #hasTimedOut = false;

  constructor(options: ResponseOptions, incoming: UpstreamResponse) {
    this.#options = options;
    this.#incoming = incoming;
  }

  async during<T>(read: () => Promise<T>): Promise<T> {
    const cancel = systemSchedule(this.#options.bodyIdleMs, () => {
      this.#hasTimedOut = true;
      this.#options.monitor.cancel();
    });
    try {
      return await read();
    } finally {
      cancel();
    }
  }

  outcomeOf(error: unknown): Outcome {
    if (this.#options.monitor.isClientGone) return cancelled;
    if (this.#hasTimedOut) return failure("body", "body_timeout");
    const failed = bodyFailureOf(this.#incoming.cause?.() ?? error);
    return failed.reason === "body_truncated" && this.#options.monitor.isUploading ? cancelled : failed;
  }
}

/** Streams the body as the client reads it; the attempt ends with the last piece, an error, or the client. */
function streamedBody(
  body: ReadableStream<Uint8Array>,
  incoming: UpstreamResponse,
  options: ResponseOptions,
): ReadableStream<Uint8Array> {
  const { attempt, monitor } = options;
  const reader = body.getReader();
  const limit = new IdleTimeout(options, incoming);
  let pace: ReadingPace | undefined;
  let isBehind = true;
  let hasEnded = false;
  const end = (outcome: Outcome, isClientGone: boolean) => {
    if (hasEnded) return;
    hasEnded = true;
    monitor.responseStream = undefined;
    attempt.end(outcome);
    options.onEnd(isClientGone);
  };
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        monitor.responseStream = {
          yieldSlot(now) {
            const progress = { takenBytes: options.byteCounts.bytesOut, isBehind };
            pace ??= new ReadingPace();
            const next = yieldResponse(attempt, pace.slowMs(attempt, progress, now));
            if (next === "end") {
              end(cancelled, false);
              monitor.cancel();
              controller.error(undefined);
            }
            return next === "freed";
          },
        };
      },
      async pull(controller) {
        isBehind = false;
        try {
          const { done, value } = await limit.during(() => reader.read());
          isBehind = true;
          if (!done) {
            options.byteCounts.bytesOut += (value as Uint8Array).length;
            return controller.enqueue(value as Uint8Array);
          }
          end(completed, false);
          controller.close();
        } catch (error) {
          end(limit.outcomeOf(error), monitor.isClientGone);
          // The listener resets the client's connection. An error with a value would also be printed.
          controller.error(undefined);
        }
      },
      cancel() {
        end(cancelled, true);
        monitor.cancel();
      },
    },
    { highWaterMark: 0 },
  );
}
