/** Applies an edit to a head of HTTP/1.1 that is already written: only routes that change heads pay for it. */

import {
  type Field,
  foldedNamed,
  framingFields,
  type HeadEdit,
  type NameSet,
  plainNamed,
  restricted,
} from "../../../proxy/head-edit.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { colon, latin1, lf, space } from "./bytes.ts";
import type { WrittenHead } from "./request-view.ts";
import type { ListenerHeaders } from "./response-writer.ts";

const lineEnd = latin1("\r\n");
const hostField = plainNamed("host");

/**
 * Writes the request head for an upstream after an edit.
 * @param head the bytes before it, from offset 0  @param at where its parts are
 */
export function editRequestHead(output: ByteWriter, head: Buffer, at: WrittenHead, edit: HeadEdit): void {
  let copied = 0;
  if (edit.target !== undefined) {
    output.append(head, 0, head.indexOf(space) + 1);
    output.appendText(edit.target);
    copied = at.targetEnd;
  }
  const lines = { copied, from: at.headersStart, to: at.headersEnd, host: edit.host };
  editLines(output, head, lines, edit, foldedNamed);
}

/**
 * Writes the response head for a client after an edit.
 * @param head bytes[from..to), with the empty line
 * @param listener what the listener has written into it, which stays
 */
export function editResponseHead(
  output: ByteWriter,
  { bytes, from, to }: WrittenResponse,
  given: HeadEdit,
  listener?: ListenerHeaders,
): void {
  const edit = listener ? withoutOwn(given, listener) : given;
  const lines = { copied: from, from: bytes.indexOf(lf, from) + 1, to: to - lineEnd.length };
  editLines(output, bytes, lines, edit, plainNamed);
}

export interface WrittenResponse {
  readonly bytes: Buffer;
  readonly from: number;
  readonly to: number;
}

function withoutOwn(edit: HeadEdit, { hasHsts, hasAltSvc }: ListenerHeaders): HeadEdit {
  const isOwn = (name: string) =>
    (hasHsts && name === "strict-transport-security") || (hasAltSvc && name === "alt-svc");
  return { ...edit, removed: restricted(edit.removed, (name) => !isOwn(name.toLowerCase())) };
}

/** The lines of a head, from..to. */
interface HeadLines {
  /** Offset of the first byte that is not in the output yet. */
  readonly copied: number;
  readonly from: number;
  readonly to: number;
  /** Takes the place of Host. */
  readonly host?: string | undefined;
}

/** Copies the kept lines, in runs that are as long as possible, and appends the edit's. */
function editLines(
  output: ByteWriter,
  head: Buffer,
  { copied, from, to, host }: HeadLines,
  { removed, defaults, added }: HeadEdit,
  namesAs: (name: string) => NameSet,
): void {
  let missing = defaults;
  let run = copied;
  for (let line = from; line < to;) {
    let nameEnd = line;
    while (nameEnd < to && head[nameEnd] !== colon) nameEnd += 1;
    let next = nameEnd;
    while (next < to && head[next++] !== lf);
    const isHost = host !== undefined && hostField.hasBytes(head, line, nameEnd);
    if (isHost || (removed.hasBytes(head, line, nameEnd) && !framingFields.hasBytes(head, line, nameEnd))) {
      output.append(head, run, line);
      run = next;
      if (isHost) appendField(output, "Host", host);
    } else if (missing.length > 0) missing = withoutPresent(missing, head, { namesAs, line, nameEnd });
    line = next;
  }
  output.append(head, run, to);
  appendFields(output, missing);
  appendFields(output, added);
  output.append(lineEnd, 0, lineEnd.length);
}

/** The default fields but those of this name, in any spelling that counts. */
function withoutPresent(
  defaults: readonly Field[],
  head: Buffer,
  { namesAs, line, nameEnd }: Readonly<{ namesAs: (name: string) => NameSet; line: number; nameEnd: number }>,
): readonly Field[] {
  const isOfLine = ([name]: Field) => namesAs(name).hasBytes(head, line, nameEnd);
  for (let i = 0; i < defaults.length; i++) {
    const field = defaults[i] as Field;
    if (field[0].length === nameEnd - line && isOfLine(field))
      return defaults.filter((other) => !isOfLine(other));
  }
  return defaults;
}

function appendFields(output: ByteWriter, fields: readonly Field[]): void {
  for (const [name, value] of fields) appendField(output, name, value);
}

function appendField(output: ByteWriter, name: string, value: string): void {
  output.appendText(name);
  output.appendText(": ");
  output.appendText(value);
  output.append(lineEnd, 0, lineEnd.length);
}
