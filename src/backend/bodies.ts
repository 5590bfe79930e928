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
