/** Finds the configuration file and reads it; what is wrong with its content is decided elsewhere. */

import { defaults } from "../config/config.ts";
import { type FileText, readFileText } from "../config/file.ts";
import { type Problem, quote } from "../config/problem.ts";
import { configFlag } from "./flags.ts";
import { type Environment, givensOf } from "./givens.ts";
import type { Line } from "./program.ts";
import type { Surroundings } from "./surroundings.ts";

/** The file that was named, else the default one; undefined if there is neither. */
export function readConfigFile(
  line: Line,
  env: Environment,
  { read }: Pick<Surroundings, "read">,
): FileText | readonly Problem[] | undefined {
  const [given] = givensOf([configFlag], line.written, env);
  const path = given?.text ?? defaults.configFile;
  const problem = (why: string): readonly Problem[] => [
    { action: given ? `use ${given.name}` : "read the configuration", why, received: quote(path) },
  ];
  if (path === "") return problem("it needs the name of a file");
  try {
    const text = read(path);
    if (text !== undefined) return readFileText(text, path);
    return given ? problem("there is no such file") : undefined;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : undefined;
    if (code === undefined) throw error;
    return problem(words[code] ?? `the system says ${code}`);
  }
}

const words: Readonly<Record<string, string>> = {
  EACCES: "this user may not read it",
  EPERM: "this user may not read it",
  EISDIR: "it is a folder and not a file",
  ENOTDIR: "a part of its path is not a folder",
  ENAMETOOLONG: "its name is too long",
};
