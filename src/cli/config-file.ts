/** Finds the configuration file and reads it; what is wrong with its content is decided elsewhere. */

import { defaults } from "../config/config.ts";
import { type FileText, readFileText } from "../config/yaml-file.ts";
import { readReferencedFile } from "../config/named-files.ts";
import { type Problem, quote } from "../config/problem.ts";
import { configFlag } from "./flags.ts";
import { type Environment, commandLineValues } from "./givens.ts";
import type { Line } from "./program.ts";
import type { FileSource, CliEnvironment } from "./environment.ts";

type Readable = Pick<CliEnvironment, "read" | "file" | "isFileExpected">;

/** The path of the file that was named, else of the default one; there may be none. */
export function configPath(line: Line, env: Environment): string {
  return commandLineValues([configFlag], line.written, env)[0]?.text ?? defaults.configFile;
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
  const [given] = commandLineValues([configFlag], line.written, env);
  const name = configPath(line, env);
  const problem = (why: string): readonly Problem[] => [
    { action: given ? `use ${given.name}` : "read the configuration", why, received: quote(name) },
  ];
  const found = readReferencedFile(name, read);
  if ("text" in found) return { name, text: found.text };
  if (!found.isMissing) return problem(found.why);
  if (isFileExpected) return problem("the file is gone");
  return given ? problem(found.why) : undefined;
}
