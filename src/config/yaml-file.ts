/** Reads the text of a configuration file: YAML (and so JSON) into a plain value that still knows its lines. */

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
  /** Whether the file itself says something there. */
  has(path: Path): boolean;
  /** Where it says so, or where the nearest thing around it begins. */
  placeOf(path: Path): SourceLocation;
  /** Where its last key stands, which may not belong there. */
  placeOfKey(path: Path): SourceLocation;
}

/** More than anyone reads; a file that is not YAML at all has hundreds. */
const maxProblems = 20;

/** What the text says, or why nobody can say. Aliases may be used, but not to build a bomb. */
export function readFileText(text: string, name: string): FileText | readonly Problem[] {
  const lines = new LineCounter();
  const place = (offset: number): SourceLocation => {
    const { line, col } = lines.linePos(offset);
    return { file: name, line: Math.max(1, line), column: Math.max(1, col) };
  };
  // Pretty errors would quote lines of the file, and so secrets.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true });
  const errors = [...document.errors, ...document.warnings].slice(0, maxProblems);
  if (errors.length > 0) return errors.map((error) => problemOf(error, text, place(error.pos[0])));
  if (document.contents === null) return [{ action, place: place(0), why: "it is empty" }];
  if (!isMap(document.contents)) {
    const why = 'it needs a map of settings such as "listen: { port: 8080 }"';
    return [{ action, place: place(0), why }];
  }

  const find = (path: Path) => {
    let found: Found = { node: document.contents };
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
      placeOf: (path) => {
        const { key, node } = find(path);
        return place(startOf(node) ?? startOf(key) ?? 0);
      },
      placeOfKey: (path) => {
        const { key, node } = find(path);
        return place(startOf(key) ?? startOf(node) ?? 0);
      },
    };
  } catch (error) {
    // The library finds aliases without anchor, and bombs, only while it builds the value.
    const why = error instanceof ReferenceError ? lowerFirst(error.message) : "it is nested too deeply";
    return [{ action, place: place(0), why }];
  }
}

const action = "read the configuration";

interface Found {
  readonly node: unknown;
  readonly key?: unknown;
}

function childOf(node: unknown, key: string): Found | undefined {
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

function problemOf(error: YAMLError, text: string, place: SourceLocation): Problem {
  if (error.code === "DUPLICATE_KEY") {
    return {
      action,
      place,
      why: `the key ${/^[\w.$-]*/.exec(text.slice(error.pos[0]))?.[0]} is there twice`,
    };
  }
  if (error.code === "MULTIPLE_DOCS") return { action, place, why: "it needs to be one document" };
  if (error.code === "RESOURCE_EXHAUSTION") return { action, place, why: "it is nested too deeply" };
  return { action, place, why: lowerFirst(error.message) };
}

function lowerFirst(message: string): string {
  return message.charAt(0).toLowerCase() + message.slice(1);
}

// Reads files that an operator named, and says in words why one cannot be read.

/** Text of a file; undefined if there is none. Throws an `Error` with the system's code (EACCES, EISDIR …). */
export type ReadText = (path: string) => string | undefined;

/** Its text, or why there is none. Throws what is no mistake of the operator. */
export function readReferencedFile(
  path: string,
  read: ReadText,
): { readonly text: string } | { readonly why: string; readonly isMissing: boolean } {
  if (path === "") return { why: "it needs the name of a file", isMissing: false };
  try {
    const text = read(path);
    return text === undefined ? { why: "there is no such file", isMissing: true } : { text };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : undefined;
    if (code === undefined) throw error;
    return { why: words[code] ?? `the system says ${code}`, isMissing: false };
  }
}

const words: Readonly<Record<string, string>> = {
  EACCES: "this user may not read it",
  EPERM: "this user may not read it",
  EISDIR: "it is a folder and not a file",
  ENOTDIR: "a part of its path is not a folder",
  ENAMETOOLONG: "its name is too long",
};
