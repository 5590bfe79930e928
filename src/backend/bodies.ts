/** Bodies that the demo backend reads and makes piece by piece, so that none of them is ever whole in memory. */

import type { Cancel, Schedule } from "../lib/clock.ts";

type Body = ReadableStream<Uint8Array> | null;

/** How many bytes a body has, read to its end; undefined if it breaks off. */
export async function countBytes(body: Body): Promise<number | undefined> {
  let count = 0;
  try {
    for await (const chunk of body ?? []) count += chunk.byteLength;
    return count;
  } catch {
    return undefined;
  }
}

/** A body's text; undefined if it breaks off or is longer than `most` bytes. */
export async function readText(body: Body, most: number): Promise<string | undefined> {
  const decoder = new TextDecoder();
  let [text, count] = ["", 0];
  try {
    for await (const chunk of body ?? []) {
      count += chunk.byteLength;
      if (count > most) return undefined;
      text += decoder.decode(chunk, { stream: true });
    }
    return text + decoder.decode();
  } catch {
    return undefined;
  }
}

/** As much as a socket's buffer usually takes. */
const piece = new Uint8Array(64 * 1024).fill(".".charCodeAt(0));

/** Exactly this many bytes, made no faster than they are read. */
export function patternBytes(bytes: number): ReadableStream<Uint8Array> {
  let left = bytes;
  return new ReadableStream({
    pull(controller) {
      if (left > 0) controller.enqueue(left < piece.byteLength ? piece.slice(0, left) : piece);
      left -= piece.byteLength;
      if (left <= 0) controller.close();
    },
  });
}

/** Time between two events of {@link ticks}, in milliseconds. */
const tickMs = 1_000;

export interface TicksOptions {
  /** The data of an event; counted from 1. */
  readonly emit: (tick: number) => string;
  readonly schedule: Schedule;
  /** Ends the stream. */
  readonly leaving: AbortSignal;
}

/** Server-sent events, the first at once and then one each second, until either side leaves. */
export function ticks({ emit: tell, schedule, leaving }: TicksOptions): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let count = 0;
  let cancel: Cancel = () => {};
  let end = () => {};
  const next = () => encoder.encode(`id: ${++count}\ndata: ${tell(count)}\n\n`);
  return new ReadableStream({
    start(controller) {
      end = () => {
        cancel();
        controller.close();
      };
      leaving.addEventListener("abort", end, { once: true });
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
      leaving.removeEventListener("abort", end);
    },
  });
}

// The demo backend's ways to answer: one place for fields and wording.

export function demoJson(value: unknown, status = 200): Response {
  const headers = { "content-type": "application/json", "cache-control": "no-store" };
  return new Response(`${JSON.stringify(value)}\n`, { status, headers });
}

/** @param error one sentence of the form "Cannot X: why, received Y" */
export function demoProblem(status: number, error: string): Response {
  return demoJson({ error }, status);
}

/** @param allowed the methods that the path has, as the Allow field lists them (RFC 9110 section 10.2.1) */
export function methodNotAllowed(request: Request, allowed: string): Response {
  const { pathname } = new URL(request.url);
  const response = demoProblem(
    405,
    `Cannot answer ${pathname}: the method must be ${allowed}, received ${request.method}`,
  );
  response.headers.set("allow", allowed);
  return response;
}

/** What was received, as a message shows it: quoted, escaped and not too long. */
export function quoteInput(received: string): string {
  return JSON.stringify(received.length > 60 ? `${received.slice(0, 60)}…` : received);
}
