/** Applies an edit to a head of HTTP/1.1 that is already written: only routes that change heads pay for it. */

import {
  type Field,
  foldedName,
  type HeadEdit,
  isFraming,
  missingDefaults,
  type NameForm,
  type NameSet,
  responseForm,
} from "../../../proxy/head-edit.ts";
import type { ListenerHeaders } from "./response-writer.ts";

/**
 * The request head for an upstream after an edit.
 * @param head start line and fields with the empty line, one character for each byte
 */
export function editRequestHead(head: string, edit: HeadEdit): string {
  const { start, lines } = partsOf(head);
  const [method = "", , version = ""] = start.split(" ");
  const first = edit.target === undefined ? start : `${method} ${edit.target} ${version}`;
  const kept = edit.host === undefined ? lines : lines.map((line) => withHost(line, edit.host ?? ""));
  return joined(first, kept, edit, foldedName);
}

/**
 * The response head for a client after an edit.
 * @param head as for {@link editRequestHead}  @param listener what the listener has written into it, which stays
 */
export function editResponseHead(head: string, given: HeadEdit, listener?: ListenerHeaders): string {
  const { start, lines } = partsOf(head);
  const edit = listener ? { ...given, removed: withoutOwn(given.removed, listener) } : given;
  return joined(start, lines, edit, responseForm);
}

function withoutOwn(removed: NameSet, { hasHsts, hasAltSvc }: ListenerHeaders): NameSet {
  const isOwn = (name: string) =>
    (hasHsts && name === "strict-transport-security") || (hasAltSvc && name === "alt-svc");
  return { has: (name) => !isOwn(name.toLowerCase()) && removed.has(name) };
}

function partsOf(head: string): { readonly start: string; readonly lines: readonly string[] } {
  const [start = "", ...lines] = head.slice(0, -"\r\n\r\n".length).split("\r\n");
  return { start, lines };
}

function withHost(line: string, host: string): string {
  return nameIn(line).toLowerCase() === "host" ? `Host: ${host}` : line;
}

function joined(
  start: string,
  lines: readonly string[],
  { removed, defaults, added }: HeadEdit,
  form: NameForm,
): string {
  const kept = lines.filter((line) => isFraming(nameIn(line)) || !removed.has(nameIn(line)));
  const missing = missingDefaults(defaults, kept.map(nameIn), form);
  return `${[start, ...kept, ...missing.map(lineOf), ...added.map(lineOf)].join("\r\n")}\r\n\r\n`;
}

function nameIn(line: string): string {
  return line.slice(0, Math.max(0, line.indexOf(":")));
}

function lineOf([name, value]: Field): string {
  return `${name}: ${value}`;
}
