/** What a flag is, with its variable and its place in the configuration, and how those of listeners are made. */

import type { Path } from "../config/problem.ts";

/** One setting as the command line and the environment know it. */
export interface Flag {
  /** "--port"; undefined for a secret: command lines are visible to every user of a machine. */
  readonly name?: string;
  /** What stands for its value in help: "<port>". */
  readonly value: string;
  readonly variable: string;
  /** Where it belongs in the configuration; "*" stands for the first pool. */
  readonly path: Path;
  /** From text to the value meant there; what makes no sense stays text, for the schema to refuse. */
  readonly read?: (text: string) => unknown;
  /** Whether it may be given several times. */
  readonly isList?: true;
  readonly summary: string;
  /** As help shows it; undefined if there is none. */
  readonly fallback?: string;
}

/** A number where it is one; else the text, for the schema to refuse. */
export const numberFlag = (text: string): unknown =>
  /^\d+(\.\d+)?$|^\.\d+$/.test(text) ? Number(text) : text;

/** @param key of the listener in the configuration; empty where the command has only one */
export function portFlag(variable: string, fallback: number, key: string, summary: string): Flag {
  const name = key === "" || key === "listen" ? "--port" : `--${key}-port`;
  const path = key === "" ? ["port"] : [key, "port"];
  return { name, value: "<port>", variable, path, read: numberFlag, summary, fallback: String(fallback) };
}

/** @param key as for {@link portFlag} */
export function hostFlag(variable: string, fallback: string, key: string, summary: string): Flag {
  const name = key === "" || key === "listen" ? "--host" : `--${key}-host`;
  return { name, value: "<host>", variable, path: key === "" ? ["host"] : [key, "host"], summary, fallback };
}
