/** Collects lines and writes them in batches, off the request path; what cannot be kept up with is dropped and counted. */

import type { Cancel, Clock, Schedule } from "./clock.ts";
import type { LineFile } from "./line-file.ts";

export interface LineWriterOptions {
  readonly file: Pick<LineFile, "append" | "reopenIfMoved" | "close">;
  readonly clock: Clock;
  readonly schedule: Schedule;
  /** Hears, as it happens, how many lines were lost and why. */
  readonly onLoss: (lines: number, why: string) => void;
  /** How long a line may wait for others; with 0 it goes out at once if none is under way. */
  readonly batchMs?: number;
  /** Characters that may wait for a slow disk or reader. */
  readonly maxWaiting?: number;
}

/** Whoever looks on does not notice a quarter of a second; a disk notices a write for each request. */
const batchMsByDefault = 250;
/** A batch of this many characters goes out at once. */
const wholeBatch = 64 * 1024;
const defaultMaxWaiting = 4 * 1024 * 1024;
/** How often somebody may have moved the file away without telling. */
const checkIntervalMs = 1_000;
const lineEnd = 0x0a;
const tooFast = "they came faster than they could be written";

/**
 * ```
 *  waiting ──the batch is whole, or its time is up──▶ writing ──▶ waiting
 *     │ too much waits: the line is lost                 │ an error: what is not out is lost
 * ```
 * At most one batch is under way: lines keep their order, and a slow disk holds up nobody.
 */
export class LineWriter {
  readonly #options: LineWriterOptions;
  readonly #maxWaiting: number;
  #lines: string[] = [];
  #waiting = 0;
  #checkedAt = -Infinity;
  #cancel: Cancel | undefined;
  #writing: Promise<void> | undefined;
  #isClosed = false;
  /** Lines that did not get out. */
  lost = 0;

  constructor(options: LineWriterOptions) {
    this.#options = options;
    this.#maxWaiting = options.maxWaiting ?? defaultMaxWaiting;
  }

  /** Whether much more may wait. */
  get hasRoom(): boolean {
    return this.#waiting <= this.#maxWaiting / 2;
  }

  /** @param line without its end */
  write(line: string): void {
    if (this.#isClosed || this.#waiting + line.length > this.#maxWaiting) return this.#drop(1, tooFast);
    this.#lines.push(line);
    this.#waiting += line.length + 1;
    this.#continue();
  }

  /** The next batch finds out whether its file was moved away: for SIGHUP. */
  reopen(): void {
    this.#checkedAt = -Infinity;
  }

  /** Resolves when what waited is written, or cannot be. */
  async flush(): Promise<void> {
    while (this.#writing || this.#lines.length > 0) {
      if (!this.#writing) this.#begin();
      await this.#writing;
    }
  }

  /** The same, and lets go of the file. Later lines are lost. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.flush();
    await this.#options.file.close();
  }

  #continue(): void {
    if (this.#writing || this.#lines.length === 0) return;
    const { schedule, batchMs = batchMsByDefault } = this.#options;
    if (this.#waiting < wholeBatch && batchMs > 0) this.#cancel ??= schedule(batchMs, () => this.#begin());
    else this.#begin();
  }

  #begin(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#writing = this.#writeBatch().finally(() => {
      this.#writing = undefined;
      this.#continue();
    });
  }

  async #writeBatch(): Promise<void> {
    const { file, clock } = this.#options;
    const lines = this.#lines;
    this.#lines = [];
    this.#waiting = 0;
    if (clock() - this.#checkedAt >= checkIntervalMs) {
      this.#checkedAt = clock();
      await file.reopenIfMoved();
    }
    const batch = Buffer.from(`${lines.join("\n")}\n`);
    const short = await file.append(batch);
    if (short) this.#drop(lines.length - linesIn(batch.subarray(0, short.written)), short.why);
  }

  #drop(lines: number, why: string): void {
    this.lost += lines;
    this.#options.onLoss(lines, why);
  }
}

function linesIn(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(lineEnd); at >= 0; at = bytes.indexOf(lineEnd, at + 1)) count += 1;
  return count;
}
