/** Live streams as server-sent events. Each event takes a viewer from the state that it was sent last to the current one. */

import type { Cancel } from "../../lib/clock.ts";
import type { PolledState, SnapshotPoller } from "./poller.ts";

const encoder = new TextEncoder();

/**
 * One event of the event-stream format; every line of the text becomes a data field.
 * @param name htmx swaps in the text of events without a name and dispatches the others as DOM events
 */
export function eventOf(text: string, name?: string): string {
  return `${name === undefined ? "" : `event: ${name}\n`}data: ${text.split(/\r\n|\r|\n/).join("\ndata: ")}\n\n`;
}

/**
 * Renders a state once for all viewers whose last state was the same.
 * @param render returns whole events; `seen` is undefined for a new viewer
 */
export function renderedOnce<State extends PolledState>(
  render: (state: State, seen: State | undefined) => string,
): (state: State, seen?: State) => Uint8Array {
  const nothing = {};
  // Weak in both directions: a state must not retain its predecessor, which would retain the one before.
  const done = new WeakMap<State, WeakMap<object, Uint8Array>>();
  return (state, seen) => {
    const since = done.get(state) ?? new WeakMap<object, Uint8Array>();
    done.set(state, since);
    const known = since.get(seen ?? nothing);
    if (known) return known;
    const bytes = encoder.encode(render(state, seen));
    since.set(seen ?? nothing, bytes);
    return bytes;
  };
}

/** Sends messages to one viewer. */
export interface EventSink {
  /** Sends a message if the viewer's buffer has space; `message` is called only then. */
  offer(message: () => Uint8Array | string): void;
  /** Ends the stream. */
  end(): void;
}

/** In bytes. */
const maxPiece = 32_768;

/** A comment, so that the response headers are sent at once: Bun holds them back until there is a body. */
const opening = encoder.encode(":\n\n");

/**
 * One viewer's stream of events. At most two messages are buffered; a slow reader misses the others.
 * @param begin starts the stream; the function that it returns is called when the viewer has left
 */
export function messageStream(begin: (sink: EventSink) => Cancel): ReadableStream<Uint8Array> {
  let leave: Cancel | undefined;
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        controller.enqueue(opening);
        leave = begin({
          offer(message) {
            if ((controller.desiredSize ?? 0) <= 0) return;
            const payload = message();
            const bytes = typeof payload === "string" ? encoder.encode(payload) : payload;
            for (let from = 0; from < bytes.length; from += maxPiece)
              controller.enqueue(bytes.subarray(from, from + maxPiece));
          },
          end: () => controller.close(),
        });
      },
      cancel: () => leave?.(),
    },
    { highWaterMark: 2 },
  );
}

/** A stream of states. A slow reader misses some; the next one sent is complete relative to the last one sent. */
export function streamOf<State extends PolledState>(
  poller: SnapshotPoller<State>,
  bytesOf: (state: State, seen?: State) => Uint8Array,
): ReadableStream<Uint8Array> {
  let seen: State | undefined;
  return messageStream(({ offer, end }) => {
    const show = (state: State) =>
      offer(() => {
        const bytes = bytesOf(state, seen);
        seen = state;
        return bytes;
      });
    return poller.watch({ show, end });
  });
}
