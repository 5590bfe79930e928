/** The live stream: server-sent events, each of which brings a viewer from the picture that it was sent last to the present one. */

import type { Cancel } from "../../lib/clock.ts";
import type { RenderedState, SnapshotPoller } from "./poller.ts";

/**
 * One event of the event-stream format; every line of the text gets its own data field.
 * @param name htmx swaps in the text of events without a name, and turns those with one into events of the document
 */
export function eventOf(text: string, name?: string): string {
  return `${name === undefined ? "" : `event: ${name}\n`}data: ${text.split(/\r\n|\r|\n/).join("\ndata: ")}\n\n`;
}

/**
 * Renders a picture once, however many viewers it goes to that were sent the same one before.
 * @param render gives whole events; `seen` is undefined for whoever comes
 */
export function renderedOnce<Shown extends RenderedState>(
  render: (state: Shown, seen: Shown | undefined) => string,
): (state: Shown, seen?: Shown) => Uint8Array {
  const encoder = new TextEncoder();
  const nothing = {};
  // Weak both ways: a picture must not keep the one before it, which would keep the one before that.
  const done = new WeakMap<Shown, WeakMap<object, Uint8Array>>();
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

/** One viewer's end of a stream. */
export interface EventSink {
  /** Sends a message if the viewer has room for one; what it would say is asked only then. */
  offer(message: () => Uint8Array | string): void;
  /** There will be no further one. */
  end(): void;
}

const encoder = new TextEncoder();

/** A comment, so that the head leaves at once: Bun holds it back until there is a body. */
const greeting = encoder.encode(":\n\n");

/**
 * One viewer's stream of events. At most two messages wait in it: whoever reads too slowly is offered the next one.
 * @param begin what it returns is called once the viewer has left
 */
export function messageStream(begin: (sink: EventSink) => Cancel): ReadableStream<Uint8Array> {
  let leave: Cancel | undefined;
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        controller.enqueue(greeting);
        leave = begin({
          offer(message) {
            if ((controller.desiredSize ?? 0) <= 0) return;
            const told = message();
            controller.enqueue(typeof told === "string" ? encoder.encode(told) : told);
          },
          end: () => controller.close(),
        });
      },
      cancel: () => leave?.(),
    },
    { highWaterMark: 2 },
  );
}

/** A stream of pictures: whoever reads too slowly misses some, and the next one that fits is right again. */
export function streamOf<Shown extends RenderedState>(
  poller: SnapshotPoller<Shown>,
  bytesOf: (state: Shown, seen?: Shown) => Uint8Array,
): ReadableStream<Uint8Array> {
  let seen: Shown | undefined;
  return messageStream(({ offer, end }) => {
    const show = (state: Shown) =>
      offer(() => {
        const bytes = bytesOf(state, seen);
        seen = state;
        return bytes;
      });
    return poller.watch({ show, end });
  });
}
