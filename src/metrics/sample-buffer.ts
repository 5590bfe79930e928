/** Buffers samples of completed attempts and passes them to the meters of their upstreams in batches. */

import type { Attempt } from "../pool/attempt.ts";
import type { Upstream } from "../pool/upstream.ts";

/** Samples in a full buffer: with 1,000 upstreams about eight for each, flushed in less than a millisecond. */
const size = 8_192;

/** Chains for sorting; all samples of an upstream are in one chain. */
const chains = 4_096;

/** With fewer samples hardly two belong to one upstream, so sorting does not pay. */
const worthSorting = 512;

/** Numbers per sample. */
const width = 4;
const none = -1;

/** Receives the samples of one upstream in the order in which they were appended. */
export interface SampleSink {
  /** @param sample valid only during the call: the object is reused */
  record(sample: ResponseSample): void;
}

/** One completed attempt. */
export interface ResponseSample {
  readonly status: number;
  /** From the start to the response headers, milliseconds. */
  readonly headMs: number;
  /** From the start to the end, milliseconds. */
  readonly durationMs: number;
  /** Clock time, milliseconds. */
  readonly endedAt: number;
}

/**
 * With many upstreams the cost of a request is memory access: each request goes to another upstream, whose counters have
 * left the processor cache. Samples are stored side by side instead. When the buffer is full or a meter is read, the
 * counters of each upstream are loaded once for all of its samples.
 */
export class SampleBuffer {
  readonly #sinkFor: (upstream: Upstream) => SampleSink;
  readonly #upstreams = new Array<Upstream | undefined>(size).fill(undefined);
  readonly #numbers = new Float64Array(size * width);
  readonly #chains = new Uint16Array(size);
  readonly #heads = new Int32Array(chains).fill(none);
  readonly #next = new Int32Array(size);
  /** One object for all samples that are passed on. */
  readonly #sample = { status: 0, headMs: 0, durationMs: 0, endedAt: 0 };
  /** Upstream and sink of the last sample. */
  #upstream: Upstream | undefined;
  #sink: SampleSink | undefined;
  #count = 0;

  constructor(sinkFor: (upstream: Upstream) => SampleSink) {
    this.#sinkFor = sinkFor;
  }

  /** Stores an attempt that ended with a complete response. */
  append({ upstream, status, startedAt, responseStartedAt, endedAt }: Attempt): void {
    if (this.#count === size) this.flush();
    const numbers = this.#numbers;
    const position = this.#count * width;
    this.#upstreams[this.#count] = upstream;
    this.#chains[this.#count] = upstream.seed & (chains - 1);
    numbers[position] = status;
    numbers[position + 1] = responseStartedAt - startedAt;
    numbers[position + 2] = endedAt - startedAt;
    numbers[position + 3] = endedAt;
    this.#count += 1;
  }

  /** Passes all samples to their sinks. */
  flush(): void {
    if (this.#count === 0) return;
    if (this.#count < worthSorting) for (let index = 0; index < this.#count; index++) this.#passOn(index);
    else this.#passOnSorted();
    // Releases upstreams that were removed.
    this.#upstreams.fill(undefined, 0, this.#count);
    this.#upstream = this.#sink = undefined;
    this.#count = 0;
  }

  #passOnSorted(): void {
    const heads = this.#heads;
    this.#sort();
    for (let chain = 0; chain < chains; chain++) {
      for (let index = heads[chain] as number; index !== none; index = this.#next[index] as number)
        this.#passOn(index);
      heads[chain] = none;
    }
  }

  /** Goes backwards, because each sample is put at the head of its chain. */
  #sort(): void {
    for (let index = this.#count - 1; index >= 0; index--) {
      const chain = this.#chains[index] as number;
      this.#next[index] = this.#heads[chain] as number;
      this.#heads[chain] = index;
    }
  }

  #passOn(index: number): void {
    const numbers = this.#numbers;
    const position = index * width;
    const sample = this.#sample;
    sample.status = numbers[position] as number;
    sample.headMs = numbers[position + 1] as number;
    sample.durationMs = numbers[position + 2] as number;
    sample.endedAt = numbers[position + 3] as number;
    this.#sinkOf(index).record(sample);
  }

  #sinkOf(index: number): SampleSink {
    const upstream = this.#upstreams[index] as Upstream;
    if (upstream === this.#upstream && this.#sink) return this.#sink;
    this.#upstream = upstream;
    return (this.#sink = this.#sinkFor(upstream));
  }
}
