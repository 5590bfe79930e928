/** The live stream: server-sent events, each of which carries a whole fragment, so that a missed one does no harm. */

import type { Cancel } from "../lib/clock.ts";
import type { Drawn, Feed } from "./feed.ts";

/**
 * One event of the event-stream format; every line of the text gets its own data field.
 * @param name htmx swaps in the text of events without a name, and turns those with one into events of the document
 */
export function eventOf(text: string, name?: string): string {
  return `${name === undefined ? "" : `event: ${name}\n`}data: ${text.split(/\r\n|\r|\n/).join("\ndata: ")}\n\n`;
}

/**
 * Renders a picture once, however many viewers it goes to.
 * @param render gives whole events
 */
export function renderedOnce<Shown extends Drawn>(
  render: (picture: Shown) => string,
): (picture: Shown) => Uint8Array {
  const encoder = new TextEncoder();
  const done = new WeakMap<Shown, Uint8Array>();
  return (picture) => {
    const known = done.get(picture);
    if (known) return known;
    const bytes = encoder.encode(render(picture));
    done.set(picture, bytes);
    return bytes;
  };
}

const greeting = new TextEncoder().encode(":\n\n");

/**
 * One viewer's stream. At most two messages wait in it: whoever reads too slowly misses pictures, and the next one
 * that fits is right again.
 */
export function streamOf<Shown extends Drawn>(
  feed: Feed<Shown>,
  bytesOf: (picture: Shown) => Uint8Array,
): ReadableStream<Uint8Array> {
  let leave: Cancel | undefined;
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        // A comment, so that the head leaves at once: Bun holds it back until there is a body.
        controller.enqueue(greeting);
        leave = feed.watch({
          show(picture) {
            if ((controller.desiredSize ?? 0) > 0) controller.enqueue(bytesOf(picture));
          },
          end: () => controller.close(),
        });
      },
      cancel: () => leave?.(),
    },
    { highWaterMark: 2 },
  );
}
