/** `evenkeel password` and `evenkeel token`: create credentials and print the hashes for the configuration. */

import { hiddenValue } from "../config/sources.ts";
import { problemSentence } from "../config/problem.ts";
import { digestOf, newSecret } from "../lib/secrets.ts";
import type { Passwords } from "../runtime/runtime.ts";
import type { Reply } from "./admin-call.ts";

/** About three words. NIST SP 800-63B, section 5.1.1.2, requires at least eight. */
const minPasswordLength = 12;

/** The login rejects longer passwords. */
const maxPasswordLength = 1_024;

export async function makePassword(source: SecretSource, passwords: Passwords): Promise<Reply> {
  const password = await readSecret(source, "Password: ");
  if (password === undefined) return rejected("no password was entered");
  const why = passwordProblem(password);
  if (why !== undefined) return rejected(why, hiddenValue);
  if (source.isTerminal && (await readSecret(source, "Repeat the password: ")) !== password) {
    return rejected("the two entries differ");
  }
  return { text: await passwords.hash(password), exitCode: 0 };
}

export function makeToken(): Reply {
  const token = newSecret();
  const lines = [
    `token:      ${token}`,
    `tokenHash:  sha256:${digestOf(token)}`,
    "",
    "Set the token in the program (ADMIN_TOKEN) and the hash in the configuration (admin.tokens).",
  ];
  return { text: lines.join("\n"), exitCode: 0 };
}

function passwordProblem(password: string): string | undefined {
  if (password.length < minPasswordLength) return `expected at least ${minPasswordLength} characters`;
  return password.length > maxPasswordLength ? `expected at most ${maxPasswordLength} characters` : undefined;
}

function rejected(why: string, received?: string): Reply {
  return {
    text: problemSentence({ action: "use the password", why, ...(received !== undefined && { received }) }),
    exitCode: 2,
  };
}

/** The part of standard input and error that reading a secret uses. */
export interface SecretSource {
  readonly isTerminal: boolean;
  /** Turns echo and line editing of the terminal off (true) or on. */
  hide(isHidden: boolean): void;
  /** The next chunk of text; undefined at the end. */
  next(): Promise<string | undefined>;
  prompt(text: string): void;
}

const [interrupt, endOfInput, backspace, erase] = ["\u0003", "\u0004", "\u0008", "\u007f"];

/** Limit on the length of a line of piped input. */
const maxLineLength = 16_384;

/** Reads one line, from a terminal without echo. Undefined if the input ended or was interrupted. */
async function readSecret(source: SecretSource, prompt: string): Promise<string | undefined> {
  // Before the prompt, so that fast typing is not echoed.
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
      else if (line.length < maxLineLength) line += character;
    }
  }
}
