/** Files of users: one `name:hash` on each line, as `htpasswd -B` writes them. */

import { type RouteUser, userHashProblem } from "./user-hash.ts";

/** What a file has, and what is wrong with its lines. No problem quotes a hash. */
export interface UserFile {
  readonly users: readonly RouteUser[];
  readonly problems: readonly string[];
}

/** A file of another kind has a problem on each line. */
const maxProblems = 5;

/** Empty lines and lines that begin with # are left out. */
export function readHtpasswd(text: string): UserFile {
  const users: RouteUser[] = [];
  const problems: string[] = [];
  const lines = new Map<string, number>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (problems.length === maxProblems) break;
    if (line.trim() === "" || line.startsWith("#")) continue;
    const problem = (why: string) => void problems.push(`line ${index + 1}: ${why}`);
    const [, name, passwordHash] = /^([^:]{1,128}):([^:]*)/.exec(line.trimEnd()) ?? [];
    if (name === undefined || passwordHash === undefined) {
      problem("expected a name, a colon and a hash");
      continue;
    }
    const why = userHashProblem(passwordHash);
    const earlier = lines.get(name);
    if (why !== undefined) problem(why);
    else if (earlier !== undefined) problem(`line ${earlier} has the same name`);
    lines.set(name, index + 1);
    users.push({ name, passwordHash });
  }
  if (users.length === 0 && problems.length === 0) problems.push("it has no users");
  return { users, problems };
}
