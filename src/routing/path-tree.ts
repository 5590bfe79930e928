/** The paths of one host as a tree of segments, and the most specific entry of a path whose conditions hold. */

import type { RequestHead } from "../proxy/request-head.ts";
import { PathEnds, type TableRoute } from "./path-ends.ts";
import type { PathPattern } from "./path-pattern.ts";

/** Most segments have one or two children, which are compared where they stand. */
const maxListed = 2;

class TreeNode {
  readonly ends = new PathEnds();
  parameter: TreeNode | undefined;
  readonly #names: string[] = [];
  readonly #nodes: TreeNode[] = [];
  #byName: Map<string, TreeNode> | undefined;

  get hasChildren(): boolean {
    return this.parameter !== undefined || this.#nodes.length > 0 || this.#byName !== undefined;
  }

  addLiteral(name: string): TreeNode {
    const existing = this.#byName?.get(name) ?? this.#nodes[this.#names.indexOf(name)];
    if (existing) return existing;
    const node = new TreeNode();
    if (this.#byName) this.#byName.set(name, node);
    else {
      this.#names.push(name);
      this.#nodes.push(node);
      if (this.#names.length > maxListed) this.#useMap();
    }
    return node;
  }

  #useMap(): void {
    this.#byName = new Map(this.#names.map((name, index) => [name, this.#nodes[index] as TreeNode]));
    this.#names.length = this.#nodes.length = 0;
  }

  /** The child for the segment of the path from `start` to `end`. */
  literal(path: string, start: number, end: number): TreeNode | undefined {
    if (this.#byName) return this.#byName.get(path.slice(start, end));
    const names = this.#names;
    for (let i = 0; i < names.length; i++) {
      const name = names[i] as string;
      if (name.length === end - start && path.startsWith(name, start)) return this.#nodes[i];
    }
    return undefined;
  }
}

export class PathTree {
  readonly #root = new TreeNode();

  add({ segments, end }: PathPattern, placed: TableRoute): void {
    let node = this.#root;
    for (const { text } of segments)
      node = text === undefined ? (node.parameter ??= new TreeNode()) : node.addLiteral(text);
    node.ends.add(end, placed);
  }

  /**
   * Goes back where conditions do not hold, so the time is linear in the path, and in the number of templates that match its
   * beginning.
   * @param path in its written form
   */
  find(path: string, head: RequestHead): TableRoute | undefined {
    return path.charCodeAt(0) === slash ? findBelow(this.#root, path, 0, head) : undefined;
  }
}

const slash = 0x2f;

/** @param at the end of the node's segment: a slash, or the end of the path */
function findBelow(node: TreeNode, path: string, at: number, head: RequestHead): TableRoute | undefined {
  const start = at + 1;
  let found: TableRoute | undefined;
  if (start < path.length && node.hasChildren) {
    const next = path.indexOf("/", start);
    const end = next < 0 ? path.length : next;
    if (end > start) {
      const literal = node.literal(path, start, end);
      if (literal) found = findBelow(literal, path, end, head);
      if (!found && node.parameter) found = findBelow(node.parameter, path, end, head);
    }
  }
  return found ?? node.ends.find(path, at, head);
}
