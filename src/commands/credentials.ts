/** `evenkeel password` and `evenkeel token`: make what the configuration needs to know somebody, and print it once. */

import { digestOf, newSecret } from "../lib/secrets.ts";
import type { Passwords } from "../runtime/runtime.ts";
import type { Reply } from "./ask.ts";
import { readSecret, type SecretSource } from "./secret-input.ts";

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
