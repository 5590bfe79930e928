/** Stands before an exporter of OpenTelemetry: tells what became of each batch, and gives a collector in trouble a rest. */

import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace";

import { type Cancel, systemClock, systemSchedule } from "../lib/clock.ts";

/**
 * Nothing is sent for this long after a batch that was not taken: without it a collector that asks for patience would be
 * asked again with every batch. Well below the time after which the processor gives up on a batch.
 */
const restMs = 5_000;

type Done = Parameters<SpanExporter["export"]>[1];

export class BackoffExporter implements SpanExporter {
  readonly #exporter: SpanExporter;
  readonly #onEnd: (spans: number, why: string | undefined) => void;
  #restsUntil = -Infinity;
  #isHurried = false;
  /** Those that wait for the end of the rest. */
  readonly #waiting = new Set<() => void>();

  /** @param onEnd hears what became of so many spans; `why` is undefined where the collector has them */
  constructor(exporter: SpanExporter, onEnd: (spans: number, why: string | undefined) => void) {
    this.#exporter = exporter;
    this.#onEnd = onEnd;
  }

  export(spans: ReadableSpan[], done: Done): void {
    const restMsLeft = this.#isHurried ? 0 : this.#restsUntil - systemClock();
    if (restMsLeft <= 0) return this.#send(spans, done);
    let cancel: Cancel | undefined = undefined;
    const go = () => {
      cancel?.();
      this.#waiting.delete(go);
      this.#send(spans, done);
    };
    this.#waiting.add(go);
    cancel = systemSchedule(restMsLeft, go);
  }

  #send(spans: ReadableSpan[], done: Done): void {
    this.#exporter.export(spans, (result) => {
      const hasFailed = result.code !== 0;
      if (hasFailed) this.#restsUntil = systemClock() + restMs;
      this.#onEnd(
        spans.length,
        hasFailed ? result.error?.message || "the collector did not take them" : undefined,
      );
      done(result);
    });
  }

  /** The process is about to end: there is no time for a rest. */
  hurry(): void {
    this.#isHurried = true;
    for (const go of this.#waiting) go();
  }

  shutdown(): Promise<void> {
    return this.#exporter.shutdown();
  }

  forceFlush(): Promise<void> {
    return this.#exporter.forceFlush?.() ?? Promise.resolve();
  }
}
