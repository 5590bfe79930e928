import { expect, test } from "bun:test";

import { textMemo } from "../../src/lib/text-memo.ts";

function counted() {
  const computed: string[] = [];
  const lengthOf = textMemo((text) => {
    computed.push(text);
    return text === "" ? undefined : text.length;
  });
  return { computed, lengthOf };
}

test("computes a result once, also one that is undefined", () => {
  const { computed, lengthOf } = counted();
  expect(["a", "", "bc", "a", "", "bc"].map(lengthOf)).toEqual([1, undefined, 2, 1, undefined, 2]);
  expect(computed).toEqual(["a", "", "bc"]);
});

test("keeps no long text, and no more than it may", () => {
  const { computed, lengthOf } = counted();
  const long = "x".repeat(129);
  expect([lengthOf(long), lengthOf(long)]).toEqual([129, 129]);
  expect(computed).toHaveLength(2);
  for (let i = 0; i < 64; i++) lengthOf(`text ${i}`);
  computed.length = 0;
  lengthOf("text 0");
  expect(computed).toEqual([]);
  lengthOf("one more");
  lengthOf("text 0");
  expect(computed).toEqual(["one more", "text 0"]);
});
