/** Which values of a configuration are nobody's business, and which have no place in a file at all. */

import type { Path } from "./problem.ts";

/** A password in the clear has no place in a file, however its key is called. */
export function plainPasswordProblem(key: string): string | undefined {
  if (!/^pass(word|phrase|wd)?$/i.test(key)) return undefined;
  return "a password does not belong in a file: give passwordHash what `evenkeel password` prints";
}

/** Whether a value there must not be quoted: anything of accounts but names and roles, also where it is misplaced. */
export function isSecretAt(path: Path): boolean {
  const last = path.at(-1) ?? "";
  if (path[0] === "admin" && ["users", "tokens"].includes(path[1] ?? "")) {
    return !(path.length === 4 && (last === "name" || last === "role"));
  }
  return /token|pass/i.test(last);
}
