/** Splits a byte stream into lines of JSON. Each byte is looked at once, and an unfinished line has a limit. */

import { parseJson } from "../lib/json.ts";

const newline = 0x0a;

export class JsonLines {
  readonly #maxLineBytes: number;
  /** Parts of the unfinished line. */
  #parts: Buffer[] = [];
  #length = 0;

  constructor(maxLineBytes: number) {
    this.#maxLineBytes = maxLineBytes;
  }

  /** The values of the lines that the chunk finishes, or why the stream cannot be read on. Empty lines have no value. */
  push(chunk: Buffer): readonly unknown[] | string {
    const values: unknown[] = [];
    let start = 0;
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
      if (!this.#add(chunk.subarray(start, end))) return this.#tooLong();
      start = end + 1;
      const text = this.#take().trim();
      if (text === "") continue;
      const value = parseJson(text);
      if (value === undefined) return "a line of the stream is not JSON";
      values.push(value);
    }
    return this.#add(chunk.subarray(start)) ? values : this.#tooLong();
  }

  #add(part: Buffer): boolean {
    this.#length += part.length;
    if (this.#length > this.#maxLineBytes) return false;
    if (part.length > 0) this.#parts.push(part);
    return true;
  }

  #take(): string {
    const text = Buffer.concat(this.#parts).toString();
    this.#parts = [];
    this.#length = 0;
    return text;
  }

  #tooLong(): string {
    return `a line of the stream has more than ${this.#maxLineBytes / 1_024} KiB`;
  }
}
