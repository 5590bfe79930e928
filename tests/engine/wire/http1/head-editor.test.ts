import { describe, expect, test } from "bun:test";

import { ByteWriter } from "../../../../src/engine/wire/http1/byte-writer.ts";
import { editRequestHead, editResponseHead } from "../../../../src/engine/wire/http1/head-editor.ts";
import { listenerHeaders } from "../../../../src/engine/wire/http1/response-writer.ts";
import { seededRandom } from "../../../../src/lib/random.ts";
import {
  type Field,
  foldedName,
  FoldedNames,
  type HeadEdit,
  isFraming,
  type NameForm,
  PlainNames,
  responseForm,
} from "../../../../src/proxy/head-edit.ts";
import { bytesOf } from "./parse-result.ts";

/** An edit as its documentation says, one line after the other. */
function expectedHead(head: string, edit: HeadEdit, form: NameForm): string {
  const [start = "", ...lines] = head.slice(0, -4).split("\r\n");
  const nameIn = (line: string) => line.slice(0, line.indexOf(":"));
  const [method, , version] = start.split(" ");
  const first = edit.target === undefined ? start : `${method} ${edit.target} ${version}`;
  const kept = lines
    .map((line) =>
      edit.host !== undefined && nameIn(line).toLowerCase() === "host" ? `Host: ${edit.host}` : line,
    )
    .filter((line) => isFraming(nameIn(line)) || !edit.removed.has(nameIn(line)));
  const present = new Set(kept.map((line) => form(nameIn(line))));
  const missing = edit.defaults.filter(([name]) => !present.has(form(name)));
  const added = [...missing, ...edit.added].map(([name, value]) => `${name}: ${value}`);
  return `${[first, ...kept, ...added].join("\r\n")}\r\n\r\n`;
}

function requestAfter(head: string, edit: HeadEdit): string {
  const output = new ByteWriter();
  const bytes = bytesOf(`${head}a body: that is no line\r\n`);
  const [targetEnd, headersStart] = [head.indexOf(" HTTP/1.1"), head.indexOf("\r\n") + 2];
  editRequestHead(output, bytes, { targetEnd, headersStart, headersEnd: head.length - 2 }, edit);
  return output.bytes.toString("latin1", 0, output.length);
}

function responseAfter(
  head: string,
  edit: HeadEdit,
  listener = listenerHeaders(undefined, undefined),
): string {
  const output = new ByteWriter();
  const bytes = bytesOf(`before: it\r\n${head}a body: that is no line\r\n`);
  const from = bytes.indexOf("HTTP/1.1");
  editResponseHead(output, { bytes, from, to: from + head.length }, edit, listener);
  return output.bytes.toString("latin1", 0, output.length);
}

const names = [
  "X-A",
  "x_a",
  "X.A",
  "x-ab",
  "X-User-Id",
  "Server",
  "Host",
  "Content-Length",
  "TE",
  "Cookie",
  "é",
];
const patterns = [...names, "X-*", "x_us*", "Ser*", "Content-*", "h*"];

describe("the head after an edit is as documented, whatever it has:", () => {
  const random = seededRandom(11);
  const draw = <Item>(items: readonly Item[]) => items[Math.floor(random() * items.length)] as Item;
  const some = <Item>(max: number, make: () => Item): Item[] =>
    Array.from({ length: Math.floor(random() * (max + 1)) }, make);
  const field = (): Field => [draw(names.slice(0, 6)), draw(["1", "caf\xe9", "x".repeat(60), ""])];
  const edited = (removed: HeadEdit["removed"]) => ({
    removed,
    defaults: random() < 0.5 ? [] : some(3, field),
    added: some(3, field),
  });

  test("requests", () => {
    for (let i = 0; i < 5_000; i++) {
      const lines = some(
        8,
        () => `${draw(names)}:${draw([" ", "", "\t"])}${draw(["1", "a: b", "x".repeat(70)])}\r\n`,
      );
      const head = `GET /${draw(["", "a?b:c"])} HTTP/1.1\r\n${lines.join("")}\r\n`;
      const edit = {
        ...edited(new FoldedNames(some(3, () => draw(patterns)))),
        target: random() < 0.3 ? "/other?c:d" : undefined,
        host: random() < 0.3 ? "other.example:81" : undefined,
      };
      expect(requestAfter(head, edit)).toBe(expectedHead(head, edit, foldedName));
    }
  });

  test("responses", () => {
    for (let i = 0; i < 5_000; i++) {
      const lines = some(8, () => `${draw(names)}: ${draw(["1", "a: b", "x".repeat(70)])}\r\n`);
      const head = `HTTP/1.1 200 ${draw(["OK", "", "a: b"])}\r\n${lines.join("")}\r\n`;
      const edit = edited(new PlainNames(some(3, () => draw(patterns))));
      expect(responseAfter(head, edit)).toBe(expectedHead(head, edit, responseForm));
    }
  });
});

test("what the listener wrote stays, and the upstream's of another name goes", () => {
  const listener = listenerHeaders("max-age=9", undefined);
  const head = "HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=9\r\nAlt-Svc: clear\r\nA: 1\r\n\r\n";
  const removed = new PlainNames(["strict-transport-security", "Alt-*", "b"]);
  expect(responseAfter(head, { removed, defaults: [], added: [] }, listener)).toBe(
    "HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=9\r\nA: 1\r\n\r\n",
  );
});

test("names are the same in bytes and in text", () => {
  for (const set of [
    new FoldedNames(patterns),
    new FoldedNames(["x-a"]),
    new PlainNames(["X-A", "se*"]),
    new PlainNames(),
  ])
    for (const name of [...names, "X", "X-", "", "se", "ser", "x-a-b", "HOST", "\xe9"]) {
      const bytes = bytesOf(`>${name}:`);
      expect([name, set.hasBytes(bytes, 1, 1 + name.length)]).toEqual([name, set.has(name)]);
    }
});
