/** A stream of bytes that somebody else can end, with a last word: for answers that last only as long as a permission. */

export interface ClosableStream {
  readonly stream: ReadableStream<Uint8Array>;
  /** Sends the last word, ends the stream and lets its source go. Does nothing once it has ended. */
  end(): void;
}

/**
 * Takes from the source only what is asked for, so that a slow reader is felt there.
 * @param onEnd called once, whoever ended it
 */
export function closableStream(
  source: ReadableStream<Uint8Array>,
  lastWord: Uint8Array,
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
      if (lastWord.length > 0) sink?.enqueue(lastWord);
      sink?.close();
      void reader.cancel().catch(() => {});
    },
  };
}
