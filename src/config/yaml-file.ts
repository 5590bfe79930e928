/** Parses a configuration file (YAML, and so JSON) into a plain value with source locations, and reads referenced files. */

import {
  type Alias,
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
const maxParseProblems = 20;

/** What starts or ends a value: quotes, brackets, commas, line ends, and signs of YAML. */
const marks: ReadonlySet<number> = new Set([..."\n,[]{}\"'?%&*!"].map((mark) => mark.charCodeAt(0)));

const hyphen = "-".charCodeAt(0);
const colon = ":".charCodeAt(0);
const blank = " ".charCodeAt(0);
const tab = "\t".charCodeAt(0);

/**
 * Whether a text has more than so many marks around its values. Parsing takes time for each of them, and this takes next to
 * none: for texts that others send.
 */
export function hasMoreMarks(text: string, limit: number): boolean {
  let count = 0;
  for (let i = 0; i < text.length && count <= limit; i++) {
    const code = text.charCodeAt(i);
    if (marks.has(code)) count += 1;
    else if (code === hyphen) count += text.charCodeAt(i + 1) === blank ? 1 : 0;
    // A colon behind a key is counted with the end of its line. Behind a blank it makes a map of an empty key.
    else if (code === colon) count += isBlank(text.charCodeAt(i - 1)) ? 1 : 0;
  }
  return count > limit;
}

function isBlank(code: number): boolean {
  return code === blank || code === tab;
}

/**
 * Parses the text, or returns why it cannot be parsed. Aliases are allowed up to a limit, against exponential expansion.
 * @param example what such a file may have, for the sentence about one that is no map
 */
export function readFileText(
  text: string,
  name: string,
  example = "listen: { port: 8080 }",
): FileText | readonly Problem[] {
  const lines = new LineCounter();
  const locate = (offset: number): SourceLocation => {
    const { line, col } = lines.linePos(offset);
    return { file: name, line: Math.max(1, line), column: Math.max(1, col) };
  };
  // Pretty errors would quote lines of the file, which may contain secrets.
  // The library compares each key with all others of its map, which takes a minute for 100,000 keys.
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
    uniqueKeys: false,
  });
  const errors = [...document.errors, ...document.warnings].slice(0, maxParseProblems);
  if (errors.length > 0) return errors.map((error) => problemOf(error, locate(error.pos[0])));
  const repeated = repeatedKeys(document.contents).slice(0, maxParseProblems);
  if (repeated.length > 0) {
    return repeated.map(({ key, offset }) => ({
      action,
      location: locate(offset),
      why: `duplicate key ${/^[\w.$-]*/.exec(key)?.[0]}`,
    }));
  }
  if (document.contents === null) return [{ action, location: locate(0), why: "the file is empty" }];
  if (!isMap(document.contents)) {
    const why = `expected a map of settings such as "${example}"`;
    return [{ action, location: locate(0), why }];
  }

  const childOf = childFinder();
  const targets = new WeakMap<Alias, unknown>();
  /** An alias is resolved once: the library searches the whole document for it. */
  const resolved = (node: unknown): unknown => {
    if (!isAlias(node)) return node;
    if (!targets.has(node)) targets.set(node, node.resolve(document));
    return targets.get(node);
  };
  const find = (path: Path) => {
    let found: NodeLocation = { node: document.contents };
    for (const key of path) {
      const next = childOf(resolved(found.node), key);
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

type KeyedPair = Pair<Node, Node | null>;

/** Finds children by key. It indexes a map at the first search in it, so that many searches take linear time. */
function childFinder(): (node: unknown, key: string) => NodeLocation | undefined {
  const indexes = new WeakMap<object, ReadonlyMap<string, KeyedPair>>();
  return (node, key) => {
    if (isSeq(node)) {
      const child: unknown = node.items[Number(key)];
      return child === undefined ? undefined : { node: child };
    }
    if (!isMap(node)) return undefined;
    let index = indexes.get(node);
    if (!index) {
      index = new Map((node.items as readonly KeyedPair[]).map((pair) => [String(pair.key), pair]));
      indexes.set(node, index);
    }
    const pair = index.get(key);
    return pair && { node: pair.value, key: pair.key };
  };
}

interface RepeatedKey {
  readonly key: string;
  readonly offset: number;
}

/** The keys that a map has twice, in the order of the file. */
function repeatedKeys(contents: unknown): readonly RepeatedKey[] {
  const repeated: RepeatedKey[] = [];
  const open: unknown[] = [contents];
  // A list of open nodes and no recursion: nesting may be as deep as the file is long.
  while (open.length > 0) {
    const node = open.pop();
    if (isSeq(node)) for (const item of node.items) open.push(item);
    if (!isMap(node)) continue;
    const seen = new Set<string>();
    for (const pair of node.items as readonly KeyedPair[]) {
      const key = String(pair.key);
      if (seen.has(key)) repeated.push({ key, offset: startOf(pair.key) ?? 0 });
      seen.add(key);
      open.push(pair.value);
    }
  }
  return repeated.sort((left, right) => left.offset - right.offset);
}

function startOf(node: unknown): number | undefined {
  return (node as Node | null | undefined)?.range?.[0];
}

function problemOf(error: YAMLError, location: SourceLocation): Problem {
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

/** The code with which a {@link ReadText} refuses a pipe or a device; no system has it. */
export const irregularFile = "IRREGULAR";

const systemErrors: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "permission denied",
  EISDIR: "it is a directory",
  [irregularFile]: "it is no regular file",
  ENOTDIR: "a part of the path is not a directory",
  ENAMETOOLONG: "the path is too long",
  ELOOP: "too many links",
  ERR_INVALID_ARG_VALUE: "it is no path",
};
