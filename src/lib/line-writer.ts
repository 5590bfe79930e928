/** Writes lines in batches to a file or stream, off the request path. Lines that exceed the buffer are dropped and counted. */

import { close, fstat, open, stat, type Stats, write } from "node:fs";
import { type Cancel, type Clock, type Schedule, sleep } from "./clock.ts";

export interface LineWriterOptions {
  readonly file: Pick<LineFile, "append" | "reopenIfMoved" | "close">;
  readonly clock: Clock;
  readonly schedule: Schedule;
  /** Called for each loss with the number of lines and the cause. */
  readonly onLoss: (lines: number, cause: string) => void;
  /** Maximum time a line waits for its batch, milliseconds. With 0 a line is written at once unless a write is running. */
  readonly batchMs?: number;
  /** Maximum buffered characters while the disk or reader is slow. */
  readonly maxWaiting?: number;
}

/** Short enough for a person who follows the log, long enough to spare the disk a write for each request. */
const defaultBatchMs = 250;

/** A batch of this many characters is written at once. */
const fullBatch = 64 * 1024;
const defaultMaxWaiting = 4 * 1024 * 1024;

/** How often to check whether the file was moved away without a signal. */
const checkIntervalMs = 1_000;
const newlineByte = 0x0a;
const bufferFull = "the output is too slow and the buffer is full";

/**
 * ```
 *  waiting ──batch full, or batchMs over──▶ writing ──▶ waiting
 *     │ buffer full: the line is lost          │ error: the unwritten lines are lost
 * ```
 * At most one write runs at a time, so lines keep their order. Callers never wait for a slow disk.
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
  /** Lines that were not written. */
  lost = 0;

  constructor(options: LineWriterOptions) {
    this.#options = options;
    this.#maxWaiting = options.maxWaiting ?? defaultMaxWaiting;
  }

  /** Whether at least half of the buffer is free. */
  get hasRoom(): boolean {
    return this.#waiting <= this.#maxWaiting / 2;
  }

  /** @param line without a newline */
  write(line: string): void {
    if (this.#isClosed || this.#waiting + line.length > this.#maxWaiting) return this.#drop(1, bufferFull);
    this.#lines.push(line);
    this.#waiting += line.length + 1;
    this.#continue();
  }

  /** Checks soon whether the file was moved away, and before the next line: for SIGUSR1 and SIGHUP. */
  reopen(): void {
    this.#checkedAt = -Infinity;
    if (!this.#isClosed) this.#continue();
  }

  /** Resolves when all buffered lines are written or lost. */
  async flush(): Promise<void> {
    while (this.#writing || this.#lines.length > 0) {
      if (!this.#writing) this.#begin();
      await this.#writing;
    }
  }

  /** Flushes and closes the file. Later lines are lost. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.flush();
    this.#cancel?.();
    await this.#options.file.close();
  }

  #continue(): void {
    const isCheckDue = this.#checkedAt === -Infinity;
    if (this.#writing || (this.#lines.length === 0 && !isCheckDue)) return;
    const { schedule, batchMs = defaultBatchMs } = this.#options;
    if (this.#waiting < fullBatch && batchMs > 0) this.#cancel ??= schedule(batchMs, () => this.#begin());
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
    if (lines.length === 0) return;
    const batch = Buffer.from(`${lines.join("\n")}\n`);
    const loss = await file.append(batch);
    if (loss) this.#drop(lines.length - linesIn(batch.subarray(0, loss.written)), loss.cause);
  }

  #drop(lines: number, cause: string): void {
    this.lost += lines;
    this.#options.onLoss(lines, cause);
  }
}

function linesIn(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(newlineByte); at >= 0; at = bytes.indexOf(newlineByte, at + 1)) count += 1;
  return count;
}

const stdout = 1;
const stderr = 2;
const descriptors: Readonly<Record<string, number>> = { stdout, stderr };

/** Pause before the next write to a full pipe. */
const pauseMs = 50;

/** PIPE_BUF on Linux: a pipe accepts this many bytes atomically. POSIX only guarantees 512. Other processes may write there too. */
export const pipeAtomicBytes = 4_096;

/** A new file is for its owner alone: lines name clients. A collector of another user needs a file made with other rights. */
const fileMode = 0o600;

/** Result of a batch that was not written completely. */
export interface LineLoss {
  /** Bytes written before the error. */
  readonly written: number;
  readonly cause: string;
}

/** A file that lines are appended to, or a standard stream. Writes whole batches without blocking the process. */
export class LineFile {
  readonly #path: string;
  /** A standard stream, which is never closed. */
  readonly #isStream: boolean;
  readonly #isShared: boolean;
  #descriptor: number | undefined;
  /** Whether lines from another writer may come between two writes. */
  #isInterleaved: boolean | undefined;
  /** Whether the file ends in the middle of a line: the next batch must start with a newline. */
  #endsMidLine = false;

  /**
   * @param to "stdout", "stderr", or a path; opened with the first batch
   * @param isShared whether other processes write to it too
   */
  constructor(to: string, isShared: boolean) {
    this.#path = to;
    this.#isShared = isShared;
    this.#descriptor = descriptors[to];
    this.#isStream = this.#descriptor !== undefined;
  }

  /**
   * Appends the whole batch. Never rejects.
   * @returns undefined, or what was lost with the system's error text. The file is then opened again with the next batch.
   */
  async append(batch: Buffer): Promise<LineLoss | undefined> {
    let written = 0;
    try {
      const descriptor = (this.#descriptor ??= await promised<number>((done) =>
        open(this.#path, "a", fileMode, done),
      ));
      if (this.#endsMidLine && (await statOf(descriptor)).size > 0)
        await writeSome(descriptor, Buffer.from([newlineByte]), 0, 1);
      this.#endsMidLine = false;
      const isInterleaved = (this.#isInterleaved ??= await this.#mayInterleave(descriptor));
      while (written < batch.length) {
        const length = isInterleaved ? pieceLength(batch, written) : batch.length - written;
        written += await writeSome(descriptor, batch, written, length);
      }
      return undefined;
    } catch (error) {
      if (written > 0) this.#endsMidLine = batch[written - 1] !== newlineByte;
      await this.close();
      return { written, cause: error instanceof Error ? error.message : String(error) };
    }
  }

  /** Writes to files are atomic. The other standard stream may be the same pipe, as with `2>&1`. */
  async #mayInterleave(descriptor: number): Promise<boolean> {
    const own = await statOf(descriptor);
    if (!own.isFIFO() && !own.isSocket()) return false;
    if (this.#isShared || !this.#isStream) return this.#isShared;
    const other = await statOf(descriptor === stdout ? stderr : stdout).catch(() => undefined);
    return other?.ino === own.ino && other.dev === own.dev;
  }

  /** Closes the file if its path names another file now: for tools that rotate it, with or without a signal. */
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
    this.#descriptor = this.#isInterleaved = undefined;
    await promised<void>((done) => close(descriptor, done)).catch(() => undefined);
  }
}

/**
 * Length of the next piece: as many whole lines as a pipe accepts atomically, so that lines of several writers do not mix.
 * A longer line is one piece.
 */
function pieceLength(batch: Buffer, from: number): number {
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

/** Whether a pipe is full because its reader is slow. The parent process may have opened it as non-blocking. */
function isFull(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EAGAIN";
}

type Callback<Value> = (error: Error | null, value?: Value) => void;

function promised<Value>(call: (done: Callback<Value>) => void): Promise<Value> {
  return new Promise((resolve, reject) =>
    call((error, value) => (error ? reject(error) : resolve(value as Value))),
  );
}
