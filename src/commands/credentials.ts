/** `evenkeel password` and `evenkeel token`: make what the configuration needs to know somebody, and print it once. */

import type { Reply } from "./admin-call.ts";
import { digestOf, newSecret } from "../lib/secrets.ts";
import type { Passwords } from "../runtime/runtime.ts";

/** Three words have as many. NIST SP 800-63B, section 5.1.1.2, asks for eight at least. */
const shortest = 12;

/** The login refuses longer ones. */
const longest = 1_024;

export async function makePassword(source: SecretSource, passwords: Passwords): Promise<Reply> {
  const password = await readSecret(source, "Password: ");
  const why = secretProblem(password);
  if (why !== undefined) return refused(why, password === undefined ? "nothing" : hidden);
  if (source.isTerminal && (await readSecret(source, "Once more: ")) !== password) {
    return refused("the two are not the same", hidden);
  }
  return { text: await passwords.hash(password ?? ""), exitCode: 0 };
}

export function makeToken(): Reply {
  const token = newSecret();
  const lines = [
    `token:      ${token}`,
    `tokenHash:  sha256:${digestOf(token)}`,
    "",
    "Give the token to the program (ADMIN_TOKEN) and the hash to the configuration (admin.tokens).",
  ];
  return { text: lines.join("\n"), exitCode: 0 };
}

function secretProblem(password: string | undefined): string | undefined {
  if (password === undefined) return "it needs to be typed";
  if (password.length < shortest) return `it needs at least ${shortest} characters`;
  return password.length > longest ? `it needs at most ${longest} characters` : undefined;
}

const hidden = "a value that is not shown";

function refused(why: string, received: string): Reply {
  return { text: `Cannot use the password: ${why}, received ${received}`, exitCode: 2 };
}

// Reads a line that must not be seen: from a terminal without echo, or from whatever else standard input is.

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
