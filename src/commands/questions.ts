/** Questions on a terminal, one line an answer: a default that Enter takes, and another try after a problem. */

import { type Problem, problemSentence } from "../config/problem.ts";
import { plainText } from "./terminal.ts";

/** The part of standard input and error that questions use. */
export interface LineSource {
  readonly isTerminal: boolean;
  /** The next chunk of text; undefined at the end. */
  next(): Promise<string | undefined>;
  prompt(text: string): void;
}

export interface Question {
  readonly text: string;
  /** The answer that an empty line stands for. */
  readonly fallback: string;
  /** Shown as the default instead of it. */
  readonly shown?: string;
  /** With a problem it is asked again. */
  readonly problems?: (answer: string) => readonly Problem[];
}

/** A terminal has no longer lines: what more comes is none. */
const maxLineLength = 16_384;

export class Questions {
  readonly #source: LineSource;
  #rest = "";

  constructor(source: LineSource) {
    this.#source = source;
  }

  /** The answer without blanks around it; undefined if the input ended. */
  async ask({
    text,
    fallback,
    shown = fallback,
    problems = () => [],
  }: Question): Promise<string | undefined> {
    for (;;) {
      this.#source.prompt(`${text} [${plainText(shown)}]: `);
      const line = await this.#line();
      if (line === undefined) {
        this.#source.prompt("\n");
        return undefined;
      }
      const answer = line.trim() === "" ? fallback : line.trim();
      const found = problems(answer);
      if (found.length === 0) return answer;
      this.refuse(found);
    }
  }

  refuse(problems: readonly Problem[]): void {
    for (const problem of problems) this.say(problemSentence(problem));
  }

  say(sentence: string): void {
    this.#source.prompt(`${plainText(sentence)}\n`);
  }

  /** A chunk may have several lines, or a part of one. */
  async #line(): Promise<string | undefined> {
    for (;;) {
      const end = this.#rest.search(/[\r\n]/);
      if (end >= 0) {
        const line = this.#rest.slice(0, end);
        this.#rest = this.#rest.slice(this.#rest.startsWith("\r\n", end) ? end + 2 : end + 1);
        return line;
      }
      if (this.#rest.length > maxLineLength) return undefined;
      const chunk = await this.#source.next();
      if (chunk === undefined) return undefined;
      this.#rest += chunk;
    }
  }
}
