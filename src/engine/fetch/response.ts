/** Forwards an upstream's response to the client, and ends the attempt with its last byte or when it fails. */

import type { Attempt } from "../../pool/attempt.ts";
import { cancelled, type Failure, failure, type Outcome, completed } from "../../pool/outcome.ts";
import type { AttemptMonitor } from "./attempt-monitor.ts";
import { responseForm } from "../../proxy/head-edit.ts";
import type { CompressionPlan } from "../../proxy/compression.ts";
import { CompressibleHead, compressedBytes, compressedStream } from "./compressed-body.ts";
import { applyEdit } from "./headers.ts";
import { clientHeaders, type ResponseFields } from "./response-fields.ts";
import { closeExchange, type FetchEngineContext, type RequestContext } from "./request-context.ts";
import { bodyFailureOf, type UpstreamResponse } from "./forward.ts";
import { bufferedBytes } from "./request-body.ts";
import { ReadingPace, yieldResponse } from "../../proxy/slow-clients.ts";

/** What answers the client. */
export interface Answer {
  readonly context: RequestContext;
  readonly attempt: Attempt;
  readonly monitor: AttemptMonitor;
  /** Of the upstream's response. */
  readonly fields: ResponseFields;
  readonly wholeBody: FetchEngineContext["wholeBody"];
}

const withoutBody: ReadonlySet<number> = new Set([101, 204, 205, 304]);

/**
 * The response for the client; or the failure, if a small body ended early before anything was sent. A promise where a small
 * body is read. The attempt has ended then, or ends with the body's stream.
 */
export function toClientResponse(
  incoming: UpstreamResponse,
  answer: Answer,
): Response | Promise<Response | Failure> {
  const { attempt, context, fields } = answer;
  const { exchange } = context;
  const { status, statusText } = incoming;
  const compression = exchange.compress(new CompressibleHead(incoming));
  const edit = exchange.responseEdit;
  const headers = clientHeaders(status, incoming.headers, fields);
  const init = { status, statusText, headers };
  if (edit) applyEdit(headers, edit, responseForm);
  const isHead = context.head.method === "HEAD";
  if (isHead || withoutBody.has(status)) {
    incoming.discard();
    attempt.end(completed);
    return isHead ? responseToHead(init) : new Response(null, init);
  }
  // The length is that of the upstream's bytes.
  if (compression) headers.delete("content-length");
  if (isSmall(fields)) return wholeResponse(incoming, answer, { init, compression });
  const body = incoming.stream();
  if (body === null) {
    attempt.end(completed);
    if (compression) headers.delete("content-encoding");
    return new Response(null, init);
  }
  const sent = compression ? compressedStream(body, compression) : body;
  const idleMs = exchange.destination?.timeouts.bodyIdleMs ?? 0;
  const response = new Response(streamedBody(sent, incoming, { ...answer, idleMs }), init);
  context.byteCounts.streamedStatus = status;
  context.idleMs = idleMs;
  if (isEventStream(headers)) attempt.freeSlot();
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

/** Known to fit the buffer. */
function isSmall({ length }: ResponseFields): boolean {
  return length !== undefined && Number.parseInt(length, 10) <= bufferedBytes;
}

function isEventStream(headers: Headers): boolean {
  return /^text\/event-stream(?![\w!#$%&'*+.^`|~-])/i.test(headers.get("content-type") ?? "");
}

interface WholeResponse {
  readonly init: ResponseInit & { readonly headers: Headers };
  readonly compression: CompressionPlan | undefined;
}

/** Reads a small body; the attempt has ended when it resolves. */
async function wholeResponse(
  incoming: UpstreamResponse,
  answer: Answer,
  { init, compression }: WholeResponse,
): Promise<Response | Failure> {
  const { context, attempt, monitor } = answer;
  const { byteCounts, exchange } = context;
  monitor.awaitBody(exchange.destination?.timeouts.bodyIdleMs ?? 0);
  let bytes: ArrayBuffer | Uint8Array<ArrayBuffer>;
  try {
    bytes = await incoming.whole();
  } catch (error) {
    const outcome = bodyOutcome(error, incoming, answer);
    attempt.end(outcome);
    return outcome.kind === "failure" ? outcome : failure("body", "body_truncated", "client gone");
  }
  attempt.end(completed);
  if (compression) bytes = await compressedBytes(bytes, compression);
  byteCounts.bytesOut = bytes.byteLength;
  return new Response(answer.wholeBody(bytes, init.headers), init);
}

/** How an attempt ends whose body could not be read to its end. */
function bodyOutcome(error: unknown, incoming: UpstreamResponse, { monitor }: Answer): Outcome {
  if (monitor.isClientGone) return cancelled;
  if (monitor.hasTimedOut) return failure("body", "body_timeout");
  const failed = bodyFailureOf(incoming.cause?.() ?? error);
  return failed.reason === "body_truncated" && monitor.isUploading ? cancelled : failed;
}

/** Streams the body as the client reads it; the attempt ends with the last piece, an error, or the client. */
function streamedBody(
  body: ReadableStream<Uint8Array>,
  incoming: UpstreamResponse,
  answer: Answer & { readonly idleMs: number },
): ReadableStream<Uint8Array> {
  const { context, attempt, monitor, idleMs } = answer;
  const { byteCounts } = context;
  const reader = body.getReader();
  let pace: ReadingPace | undefined;
  let isBehind = true;
  let hasEnded = false;
  const end = (outcome: Outcome, isClientGone: boolean) => {
    if (hasEnded) return;
    hasEnded = true;
    monitor.responseStream = undefined;
    monitor.release();
    attempt.end(outcome);
    closeExchange(context, byteCounts.streamedStatus, isClientGone);
  };
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        monitor.responseStream = {
          yieldSlot(now) {
            const progress = { takenBytes: byteCounts.bytesOut, isBehind };
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
          monitor.awaitBody(idleMs);
          const { done, value } = await reader.read();
          monitor.bodyReceived();
          isBehind = true;
          if (!done) {
            byteCounts.bytesOut += (value as Uint8Array).length;
            return controller.enqueue(value as Uint8Array);
          }
          end(completed, false);
          controller.close();
        } catch (error) {
          end(bodyOutcome(error, incoming, answer), monitor.isClientGone);
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
