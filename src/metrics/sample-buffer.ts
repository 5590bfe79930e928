/** Where answered attempts are noted one behind the other, until many of them are posted to their upstreams' meters at once. */

import type { Attempt } from "../pool/attempt.ts";
import type { Upstream } from "../pool/upstream.ts";

/** Notes in a book: with 1,000 upstreams some eight for each, and posted in less than a millisecond. */
const size = 8_192;

/** Chains that the notes are sorted into; an upstream's are all in one. */
const chains = 4_096;

/** Of fewer notes hardly two are of one upstream. */
const worthSorting = 512;

/** Numbers of a note. */
const width = 4;
const none = -1;

/** Whoever has counts kept: hears of each note, in the order in which they were made. */
export interface SampleSink {
  record(answered: ResponseSample): void;
}

/** One answered attempt. */
export interface ResponseSample {
  readonly status: number;
  /** Start to head, milliseconds. */
  readonly headMs: number;
  /** Start to end, milliseconds. */
  readonly durationMs: number;
  /** Clock time. */
  readonly endedAt: number;
}

/**
 * With many upstreams a request's price is that of memory: each one meets another upstream, whose counts have long left the
 * processor's cache. Notes lie side by side instead, and when a book is full or somebody wants to read a meter, each upstream's
 * counts are fetched once for all of its notes.
 */
export class SampleBuffer {
  readonly #sinkFor: (upstream: Upstream) => SampleSink;
  readonly #upstreams = new Array<Upstream | undefined>(size).fill(undefined);
  readonly #numbers = new Float64Array(size * width);
  readonly #chains = new Uint16Array(size);
  readonly #heads = new Int32Array(chains).fill(none);
  readonly #next = new Int32Array(size);
  /** What is being posted: one object for all notes, and where the last one went. */
  readonly #record = { status: 0, headMs: 0, durationMs: 0, endedAt: 0 };
  #upstream: Upstream | undefined;
  #sink: SampleSink | undefined;
  #count = 0;

  constructor(accountOf: (upstream: Upstream) => SampleSink) {
    this.#sinkFor = accountOf;
  }

  /** Notes the end of an attempt whose answer was passed on whole. */
  append({ upstream, status, startedAt, responseStartedAt: headAt, endedAt }: Attempt): void {
    if (this.#count === size) this.flush();
    const numbers = this.#numbers;
    const position = this.#count * width;
    this.#upstreams[this.#count] = upstream;
    this.#chains[this.#count] = upstream.seed & (chains - 1);
    numbers[position] = status;
    numbers[position + 1] = headAt - startedAt;
    numbers[position + 2] = endedAt - startedAt;
    numbers[position + 3] = endedAt;
    this.#count += 1;
  }

  /** Posts all notes. */
  flush(): void {
    if (this.#count === 0) return;
    if (this.#count < worthSorting) for (let note = 0; note < this.#count; note++) this.#postAt(note);
    else this.#postSorted();
    // Or an upstream that was removed would be held on to.
    this.#upstreams.fill(undefined, 0, this.#count);
    this.#upstream = this.#sink = undefined;
    this.#count = 0;
  }

  #postSorted(): void {
    const heads = this.#heads;
    this.#sort();
    for (let chain = 0; chain < chains; chain++) {
      for (let note = heads[chain] as number; note !== none; note = this.#next[note] as number)
        this.#postAt(note);
      heads[chain] = none;
    }
  }

  /** Backwards, since each note comes before those that its chain has already. */
  #sort(): void {
    for (let note = this.#count - 1; note >= 0; note--) {
      const chain = this.#chains[note] as number;
      this.#next[note] = this.#heads[chain] as number;
      this.#heads[chain] = note;
    }
  }

  #postAt(note: number): void {
    const numbers = this.#numbers;
    const position = note * width;
    const answered = this.#record;
    answered.status = numbers[position] as number;
    answered.headMs = numbers[position + 1] as number;
    answered.durationMs = numbers[position + 2] as number;
    answered.endedAt = numbers[position + 3] as number;
    this.#sinkAt(note).record(answered);
  }

  #sinkAt(note: number): SampleSink {
    const upstream = this.#upstreams[note] as Upstream;
    if (upstream === this.#upstream && this.#sink) return this.#sink;
    this.#upstream = upstream;
    return (this.#sink = this.#sinkFor(upstream));
  }
}
