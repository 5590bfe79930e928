/** Bodies and response helpers of the demo backend. Bodies are streamed, so that none is in memory as a whole. */

import type { Cancel, Schedule } from "../lib/clock.ts";

type Body = ReadableStream<Uint8Array> | null;

/** Reads a body to its end and returns its size in bytes; undefined if it is truncated. */
export async function countBytes(body: Body): Promise<number | undefined> {
  let count = 0;
  try {
    for await (const part of body ?? []) count += part.byteLength;
    return count;
  } catch {
    return undefined;
  }
}

/** Text of a body; undefined if it is truncated or longer than `maxBytes`. */
export async function readText(body: Body, maxBytes: number): Promise<string | undefined> {
  const decoder = new TextDecoder();
  let [text, count] = ["", 0];
  try {
    for await (const part of body ?? []) {
      count += part.byteLength;
      if (count > maxBytes) return undefined;
      text += decoder.decode(part, { stream: true });
    }
    return text + decoder.decode();
  } catch {
    return undefined;
  }
}

/** The usual size of a socket buffer. */
const chunk = new Uint8Array(64 * 1024).fill(".".charCodeAt(0));

/** A stream of exactly this many bytes, generated on demand. */
export function patternBytes(bytes: number): ReadableStream<Uint8Array> {
  let remaining = bytes;
  return new ReadableStream({
    pull(controller) {
      if (remaining > 0) controller.enqueue(remaining < chunk.byteLength ? chunk.slice(0, remaining) : chunk);
      remaining -= chunk.byteLength;
      if (remaining <= 0) controller.close();
    },
  });
}

/** Time between two events of {@link ticks}, in milliseconds. */
const tickMs = 1_000;

export interface TicksOptions {
  /** Returns the data of an event. @param tick number of the event, from 1 */
  readonly emit: (tick: number) => string;
  readonly schedule: Schedule;
  /** Ends the stream. */
  readonly stopping: AbortSignal;
}

/** Server-sent events: the first at once, then one each second, until the client disconnects or the backend stops. */
export function ticks({ emit, schedule, stopping }: TicksOptions): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let count = 0;
  let cancel: Cancel = () => {};
  let end = () => {};
  const next = () => encoder.encode(`id: ${++count}\ndata: ${emit(count)}\n\n`);
  return new ReadableStream({
    start(controller) {
      end = () => {
        cancel();
        controller.close();
      };
      stopping.addEventListener("abort", end, { once: true });
      controller.enqueue(next());
    },
    pull: (controller) =>
      new Promise((resolve) => {
        cancel = schedule(tickMs, () => {
          controller.enqueue(next());
          resolve();
        });
      }),
    cancel() {
      cancel();
      stopping.removeEventListener("abort", end);
    },
  });
}

export function demoJson(value: unknown, status = 200): Response {
  const headers = { "content-type": "application/json", "cache-control": "no-store" };
  return new Response(`${JSON.stringify(value)}\n`, { status, headers });
}

/** @param error one sentence of the form "Cannot <verb> <object>: <cause> (received <Y>)." */
export function demoProblem(status: number, error: string): Response {
  return demoJson({ error }, status);
}

/** @param allowed methods of the path, in the format of the Allow header (RFC 9110 section 10.2.1) */
export function methodNotAllowed(request: Request, allowed: string): Response {
  const { pathname } = new URL(request.url);
  const response = demoProblem(
    405,
    `Cannot serve ${pathname}: expected the method ${allowed.replace(/, ([^,]*)$/, " or $1")} (received ${request.method}).`,
  );
  response.headers.set("allow", allowed);
  return response;
}

/** Received text for a message: quoted, escaped, and at most 60 characters. */
export function quoteInput(received: string): string {
  return JSON.stringify(received.length > 60 ? `${received.slice(0, 60)}…` : received);
}
