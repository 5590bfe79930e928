/** Finds the configuration file and reads it; what is wrong with its content is decided elsewhere. */

import { defaults } from "../config/config.ts";
import { type FileText, readFileText } from "../config/file.ts";
import { type Problem, quote } from "../config/problem.ts";
import { configFlag } from "./flags.ts";
import { type Environment, givensOf } from "./givens.ts";
import type { Line } from "./program.ts";
import type { FileSource, Surroundings } from "./surroundings.ts";

type Readable = Pick<Surroundings, "read" | "file" | "isFileExpected">;

/** The path of the file that was named, else of the default one; there may be none. */
export function configPath(line: Line, env: Environment): string {
  return givensOf([configFlag], line.written, env)[0]?.text ?? defaults.configFile;
}

/** The file that was named, else the default one; undefined if there is neither. */
export function readConfigFile(
  line: Line,
  env: Environment,
  readable: Readable,
): FileText | readonly Problem[] | undefined {
  const source = readSource(line, env, readable);
  return source && "text" in source ? readFileText(source.text, source.name) : source;
}

/** Its text alone. */
export function readSource(
  line: Line,
  env: Environment,
  { read, file, isFileExpected }: Readable,
): FileSource | readonly Problem[] | undefined {
  if (file) return file;
  const [given] = givensOf([configFlag], line.written, env);
  const name = configPath(line, env);
  const problem = (why: string): readonly Problem[] => [
    { action: given ? `use ${given.name}` : "read the configuration", why, received: quote(name) },
  ];
  if (name === "") return problem("it needs the name of a file");
  try {
    const text = read(name);
    if (text !== undefined) return { name, text };
    if (isFileExpected) return problem("the file is gone");
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
