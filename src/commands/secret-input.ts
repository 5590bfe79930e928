/** Reads a line that must not be seen: from a terminal without echo, or from whatever else standard input is. */

/** As much of standard input and error as this needs, so that a test can be one. */
export interface SecretSource {
  readonly isTerminal: boolean;
  /** Turns echo and line editing of the terminal off or on. */
  hide(isHidden: boolean): void;
  /** Text as it comes; undefined at the end. */
  next(): Promise<string | undefined>;
  prompt(text: string): void;
}

const [interrupt, endOfInput, backspace, erase] = ["\u0003", "\u0004", "\u0008", "\u007f"];

/** Of what is piped in, the first line counts. */
const most = 16_384;

/** Undefined if somebody gave up. */
export async function readSecret(source: SecretSource, prompt: string): Promise<string | undefined> {
  // Hidden first: whoever types at the prompt must not be faster.
  source.hide(true);
  try {
    if (source.isTerminal) source.prompt(prompt);
    return await lineFrom(source);
  } finally {
    source.hide(false);
    if (source.isTerminal) source.prompt("\n");
  }
}

async function lineFrom({ isTerminal, next }: SecretSource): Promise<string | undefined> {
  let line = "";
  for (;;) {
    const text = await next();
    if (text === undefined) return line === "" ? undefined : line;
    for (const character of text) {
      if (character === "\n" || character === "\r") return line;
      if (isTerminal && (character === interrupt || character === endOfInput)) return undefined;
      if (isTerminal && (character === backspace || character === erase))
        line = [...line].slice(0, -1).join("");
      else if (line.length < most) line += character;
    }
  }
}
