import { expect, test } from "bun:test";

import { DenseList, type Placed } from "../../src/lib/dense-list.ts";
import { seededRandom } from "../../src/lib/random.ts";

class Item implements Placed {
  place = -1;
}

test("a list has what a set has, whatever is added and deleted", () => {
  const random = seededRandom(3);
  const items = Array.from({ length: 20 }, () => new Item());
  const list = new DenseList<Item>();
  const other = new DenseList<Item>();
  const stranger = new Item();
  other.add(stranger);
  const expected = new Set<Item>();
  for (let turn = 0; turn < 5_000; turn++) {
    const item = items[Math.floor(random() * items.length)] as Item;
    if (expected.has(item) || random() < 0.3) expect(list.delete(item)).toBe(expected.delete(item));
    else {
      list.add(item);
      expected.add(item);
    }
    expect(list.size).toBe(expected.size);
    expect(list.some((each) => each === item)).toBe(expected.has(item));
  }
  expect(new Set(list.toArray())).toEqual(expected);
  expect(list.delete(stranger)).toBe(false);
  expect(other.size).toBe(1);
});
