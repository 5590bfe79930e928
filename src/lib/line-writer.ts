/** Collects lines and writes them in batches, off the request path; what cannot be kept up with is dropped and counted. */

import { close, fstat, open, stat, type Stats, write } from "node:fs";
import { type Cancel, type Clock, type Schedule, sleep } from "./clock.ts";

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

// A file that lines are appended to, or a stream of the process: writes whole batches, never blocks, and notices when the file was moved away.

const stdout = 1;
const stderr = 2;
const descriptors: Readonly<Record<string, number>> = { stdout, stderr };

/** While a pipe takes nothing for now. */
const pauseMs = 50;

/** What a pipe takes at once or not at all (POSIX's smallest PIPE_BUF is less, Linux has this): others may write there too. */
export const pipeAtomicBytes = 4_096;

/** Readable for the group, as log collectors run under other names. */
const mode = 0o640;
const newlineByte = 0x0a;

/** What became of a batch that could not be written whole. */
export interface LineLoss {
  /** Bytes that are out. */
  readonly written: number;
  readonly why: string;
}

export class LineFile {
  readonly #path: string;
  /** Of the process, and not ours to close. */
  readonly #isStream: boolean;
  readonly #isShared: boolean;
  #descriptor: number | undefined;
  /** Whether lines of others may come in between two writes. */
  #isMixed: boolean | undefined;
  /** The last line in it was cut off: the next one must not go on there. */
  #isTorn = false;

  /**
   * @param to "stdout", "stderr", or a path; opened with the first batch
   * @param isShared whether other processes write there too
   */
  constructor(to: string, isShared: boolean) {
    this.#path = to;
    this.#isShared = isShared;
    this.#descriptor = descriptors[to];
    this.#isStream = this.#descriptor !== undefined;
  }

  /** Appends all of it. @returns undefined, or why not, with the system's words; the path is tried anew next time */
  async append(batch: Buffer): Promise<LineLoss | undefined> {
    let written = 0;
    try {
      const descriptor = (this.#descriptor ??= await promised<number>((done) =>
        open(this.#path, "a", mode, done),
      ));
      if (this.#isTorn && (await statOf(descriptor)).size > 0)
        await writeSome(descriptor, Buffer.from([newlineByte]), 0, 1);
      this.#isTorn = false;
      const isMixed = (this.#isMixed ??= await this.#mixes(descriptor));
      while (written < batch.length) {
        const length = isMixed ? pieceOf(batch, written) : batch.length - written;
        written += await writeSome(descriptor, batch, written, length);
      }
      return undefined;
    } catch (error) {
      if (written > 0) this.#isTorn = batch[written - 1] !== newlineByte;
      await this.close();
      return { written, why: error instanceof Error ? error.message : String(error) };
    }
  }

  /** In files each write is whole. The other stream of the process may be the same pipe, as with `2>&1`. */
  async #mixes(descriptor: number): Promise<boolean> {
    const own = await statOf(descriptor);
    if (!own.isFIFO() && !own.isSocket()) return false;
    if (this.#isShared || !this.#isStream) return this.#isShared;
    const other = await statOf(descriptor === stdout ? stderr : stdout).catch(() => undefined);
    return other?.ino === own.ino && other.dev === own.dev;
  }

  /** Lets go of a file that is no longer the one under its path: for tools that move it away, with a signal or without. */
  async reopenIfMoved(): Promise<void> {
    const descriptor = this.#descriptor;
    if (descriptor === undefined || this.#isStream) return;
    const [own, named] = await Promise.all([
      statOf(descriptor).catch(() => undefined),
      promised<Stats>((done) => stat(this.#path, done)).catch(() => undefined),
    ]);
    if (!own || named?.ino !== own.ino || named.dev !== own.dev) await this.close();
  }

  async close(): Promise<void> {
    const descriptor = this.#descriptor;
    if (descriptor === undefined || this.#isStream) return;
    this.#descriptor = this.#isMixed = undefined;
    await promised<void>((done) => close(descriptor, done)).catch(() => undefined);
  }
}

/** Whole lines, as many as a pipe takes at once: others write there, and lines must not end up within each other. */
function pieceOf(batch: Buffer, from: number): number {
  if (batch.length - from <= pipeAtomicBytes) return batch.length - from;
  const end = batch.lastIndexOf(newlineByte, from + pipeAtomicBytes - 1) + 1;
  if (end > from) return end - from;
  const next = batch.indexOf(newlineByte, from) + 1;
  return (next > 0 ? next : batch.length) - from;
}

async function writeSome(descriptor: number, batch: Buffer, from: number, length: number): Promise<number> {
  try {
    return await promised<number>((done) => write(descriptor, batch, from, length, null, done));
  } catch (error) {
    if (!isFull(error)) throw error;
    await sleep(pauseMs);
    return 0;
  }
}

function statOf(descriptor: number): Promise<Stats> {
  return promised<Stats>((done) => fstat(descriptor, done));
}

/** A pipe whose reader is slow; it was opened by somebody else, and may not block. */
function isFull(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EAGAIN";
}

type Settle<Value> = (error: Error | null, value?: Value) => void;

function promised<Value>(call: (done: Settle<Value>) => void): Promise<Value> {
  return new Promise((resolve, reject) =>
    call((error, value) => (error ? reject(error) : resolve(value as Value))),
  );
}
