/** A file that lines are appended to, or standard output: writes whole batches, and notices when the file was moved away. */

import { close, fstat, open, type Stats, stat, write } from "node:fs";

import { sleep } from "../lib/clock.ts";

const stdout = 1;
/** While a pipe takes nothing for now. */
const pauseMs = 50;
/** What a pipe takes at once or not at all (POSIX's smallest PIPE_BUF is less, Linux has this): others may write there too. */
export const mostInPipe = 4_096;
/** Readable for the group, as log collectors run under other names. */
const mode = 0o640;

export class LineFile {
  readonly #path: string;
  #descriptor: number | undefined;

  /** @param to "stdout", or a path; opened with the first batch */
  constructor(to: string) {
    this.#path = to === "stdout" ? "" : to;
    if (to === "stdout") this.#descriptor = stdout;
  }

  /** Appends all of it. Rejects with the system's error, and tries the path anew next time. */
  async append(batch: Buffer): Promise<void> {
    const descriptor = (this.#descriptor ??= await promised<number>((done) =>
      open(this.#path, "a", mode, done),
    ));
    for (let from = 0; from < batch.length;) {
      try {
        const length = descriptor === stdout ? pieceOf(batch, from) : batch.length - from;
        from += await promised<number>((done) => write(descriptor, batch, from, length, null, done));
      } catch (error) {
        if (!isFull(error)) {
          await this.close();
          throw error;
        }
        await sleep(pauseMs);
      }
    }
  }

  /** Lets go of a file that is no longer the one under its path: for tools that move it away, with a signal or without. */
  async lookAgain(): Promise<void> {
    const descriptor = this.#descriptor;
    if (descriptor === undefined || descriptor === stdout) return;
    const [own, named] = await Promise.all([
      promised<Stats>((done) => fstat(descriptor, done)),
      promised<Stats>((done) => stat(this.#path, done)).catch(() => undefined),
    ]);
    if (named?.ino !== own.ino || named.dev !== own.dev) await this.close();
  }

  async close(): Promise<void> {
    const descriptor = this.#descriptor;
    if (descriptor === undefined || descriptor === stdout) return;
    this.#descriptor = undefined;
    await promised<void>((done) => close(descriptor, done)).catch(() => undefined);
  }
}

/** Whole lines, as many as a pipe takes at once: workers share it, and their lines must not end up within each other. */
function pieceOf(batch: Buffer, from: number): number {
  if (batch.length - from <= mostInPipe) return batch.length - from;
  const end = batch.lastIndexOf("\n", from + mostInPipe - 1) + 1;
  if (end > from) return end - from;
  const next = batch.indexOf("\n", from) + 1;
  return (next > 0 ? next : batch.length) - from;
}

/** A pipe whose reader is slow; it was opened by somebody else, and may not block. */
function isFull(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EAGAIN";
}

type Done<Value> = (error: Error | null, value?: Value) => void;

function promised<Value>(call: (done: Done<Value>) => void): Promise<Value> {
  return new Promise((resolve, reject) =>
    call((error, value) => (error ? reject(error) : resolve(value as Value))),
  );
}
