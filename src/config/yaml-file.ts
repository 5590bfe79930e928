/** Parses a configuration file (YAML, and so JSON) into a plain value with source locations, and reads referenced files. */

import {
  isAlias,
  isMap,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type YAMLError,
} from "yaml";
import type { Path, Problem, SourceLocation } from "./problem.ts";

export interface FileText {
  readonly name: string;
  /** A map. */
  readonly value: unknown;
  /** Whether the file has a value at this path. */
  has(path: Path): boolean;
  /** Location of the value, or of the nearest enclosing node. */
  locationOf(path: Path): SourceLocation;
  /** Location of the last key of the path, for a key that is not allowed there. */
  keyLocationOf(path: Path): SourceLocation;
}

/** A file that is not YAML at all produces hundreds of errors. */
const maxProblems = 20;

/** Parses the text, or returns why it cannot be parsed. Aliases are allowed up to a limit, against exponential expansion. */
export function readFileText(text: string, name: string): FileText | readonly Problem[] {
  const lines = new LineCounter();
  const locate = (offset: number): SourceLocation => {
    const { line, col } = lines.linePos(offset);
    return { file: name, line: Math.max(1, line), column: Math.max(1, col) };
  };
  // Pretty errors would quote lines of the file, which may contain secrets.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true });
  const errors = [...document.errors, ...document.warnings].slice(0, maxProblems);
  if (errors.length > 0) return errors.map((error) => problemOf(error, text, locate(error.pos[0])));
  if (document.contents === null) return [{ action, location: locate(0), why: "the file is empty" }];
  if (!isMap(document.contents)) {
    const why = 'expected a map of settings such as "listen: { port: 8080 }"';
    return [{ action, location: locate(0), why }];
  }

  const find = (path: Path) => {
    let found: NodeLocation = { node: document.contents };
    for (const key of path) {
      const next = childOf(isAlias(found.node) ? found.node.resolve(document) : found.node, key);
      if (!next) return { ...found, complete: false };
      found = next;
    }
    return { ...found, complete: true };
  };
  try {
    return {
      name,
      value: document.toJS({ maxAliasCount: 100 }),
      has: (path) => find(path).complete,
      locationOf: (path) => {
        const { key, node } = find(path);
        return locate(startOf(node) ?? startOf(key) ?? 0);
      },
      keyLocationOf: (path) => {
        const { key, node } = find(path);
        return locate(startOf(key) ?? startOf(node) ?? 0);
      },
    };
  } catch (error) {
    // The library reports aliases without an anchor, and too many aliases, only while it builds the value.
    const why = error instanceof ReferenceError ? lowerFirst(error.message) : "the file is nested too deeply";
    return [{ action, location: locate(0), why }];
  }
}

const action = "read the configuration";

interface NodeLocation {
  readonly node: unknown;
  readonly key?: unknown;
}

function childOf(node: unknown, key: string): NodeLocation | undefined {
  if (isSeq(node)) {
    const child: unknown = node.items[Number(key)];
    return child === undefined ? undefined : { node: child };
  }
  if (!isMap(node)) return undefined;
  const pair = (node.items as readonly Pair<Node, Node | null>[]).find((item) => String(item.key) === key);
  return pair ? { node: pair.value, key: pair.key } : undefined;
}

function startOf(node: unknown): number | undefined {
  return (node as Node | null | undefined)?.range?.[0];
}

function problemOf(error: YAMLError, text: string, location: SourceLocation): Problem {
  if (error.code === "DUPLICATE_KEY") {
    return {
      action,
      location,
      why: `duplicate key ${/^[\w.$-]*/.exec(text.slice(error.pos[0]))?.[0]}`,
    };
  }
  if (error.code === "MULTIPLE_DOCS") return { action, location, why: "expected a single document" };
  if (error.code === "RESOURCE_EXHAUSTION") return { action, location, why: "the file is nested too deeply" };
  return { action, location, why: lowerFirst(error.message) };
}

function lowerFirst(message: string): string {
  return message.charAt(0).toLowerCase() + message.slice(1);
}

/** Returns the text of a file; undefined if it does not exist. Throws an `Error` with the system's code (EACCES, EISDIR …). */
export type ReadText = (path: string) => string | undefined;

/** Reads a file that the operator named, or returns why it cannot be read. Throws everything that is no error of the system. */
export function readReferencedFile(
  path: string,
  read: ReadText,
): { readonly text: string } | { readonly why: string; readonly isMissing: boolean } {
  if (path === "") return { why: "expected a file name", isMissing: false };
  try {
    const text = read(path);
    return text === undefined ? { why: "file not found", isMissing: true } : { text };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : undefined;
    if (code === undefined) throw error;
    return { why: systemErrors[code] ?? `system error ${code}`, isMissing: false };
  }
}

const systemErrors: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "permission denied",
  EISDIR: "it is a directory",
  ENOTDIR: "a part of the path is not a directory",
  ENAMETOOLONG: "the path is too long",
};
