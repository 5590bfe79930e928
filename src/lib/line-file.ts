/** A file that lines are appended to, or a stream of the process: writes whole batches, never blocks, and notices when the file was moved away. */

import { close, fstat, open, type Stats, stat, write } from "node:fs";

import { sleep } from "./clock.ts";

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
