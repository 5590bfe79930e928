/** A byte stream that can be ended from outside, with closing bytes: for responses that last only as long as a session. */

export interface ClosableStream {
  readonly stream: ReadableStream<Uint8Array>;
  /** Sends the closing bytes, ends the stream and cancels its source. Does nothing after the stream has ended. */
  end(): void;
}

/**
 * Reads from the source only on demand, so that backpressure of a slow reader reaches it.
 * @param closingBytes sent by {@link ClosableStream.end}; may be empty
 * @param onEnd called once, when the source, the reader or `end` ends the stream
 */
export function closableStream(
  source: ReadableStream<Uint8Array>,
  closingBytes: Uint8Array,
  onEnd: () => void = () => {},
): ClosableStream {
  const reader = source.getReader();
  let isOver = false;
  let sink: ReadableStreamDefaultController<Uint8Array> | undefined;
  const finish = () => {
    const isFirst = !isOver;
    isOver = true;
    if (isFirst) onEnd();
    return isFirst;
  };
  const stream = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        sink = controller;
      },
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (isOver) return;
          if (!done) return controller.enqueue(value);
          if (finish()) controller.close();
        } catch (error) {
          if (finish()) controller.error(error);
        }
      },
      async cancel(reason) {
        finish();
        await reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
  return {
    stream,
    end() {
      if (!finish()) return;
      if (closingBytes.length > 0) sink?.enqueue(closingBytes);
      sink?.close();
      void reader.cancel().catch(() => {});
    },
  };
}
