import { describe, expect, test } from "bun:test";

import { entryFor, type Order, parseEntry, serializeEntry, withAside } from "../../src/fleet/entry.ts";
import { intentKey } from "../../src/state/intent.ts";
import { entry, meta, modeOrder } from "./entries.ts";

const address = {
  protocol: "https",
  hostname: "a",
  port: 80,
  tls: { verify: true, serverName: "b" },
} as const;
const orders: readonly Order[] = [
  modeOrder("draining", "s 1"),
  { kind: "weight", upstream: "s1", weight: 0, ...meta },
  { kind: "added", upstream: "s1", pool: "p", spec: { id: "s1", address, weight: 1, backup: true }, ...meta },
  {
    kind: "removed",
    upstream: "s1",
    pool: "p",
    address: { protocol: "http", hostname: "a", port: 1 },
    ...meta,
  },
  { kind: "forgotten", upstream: "s1", aspect: "member", ...meta },
];

describe("an entry of the store", () => {
  test.each(orders)("is the same after it was written and read: %p", (order) => {
    const one = withAside(
      entryFor(order, "a", entry("7", order, ["1", "2"])),
      entry("8", modeOrder("ready")),
    );
    expect(parseEntry(intentKey(order), serializeEntry(one))).toEqual(one);
    expect(one.past.length).toBeGreaterThan(2);
  });

  const good = JSON.parse(serializeEntry(entryFor(modeOrder("draining"), "a", undefined))) as object;
  const texts: readonly (readonly [why: string, text: string])[] = [
    ["no JSON", "rubbish"],
    ["another value", "[1,2]"],
    ["no id", JSON.stringify({ ...good, id: 7 })],
    ["an id with markup", JSON.stringify({ ...good, id: "<b>12345678" })],
    ["a past that is none", JSON.stringify({ ...good, past: ["x"] })],
    ["a past without end", JSON.stringify({ ...good, past: Array.from({ length: 25 }, () => "12345678") })],
    ["a time that is none", JSON.stringify({ ...good, at: "now" })],
    ["a time that no date has", JSON.stringify({ ...good, at: 1e300 })],
    ["a reason without end", JSON.stringify({ ...good, why: "x".repeat(2_000) })],
    ["a mode that is none", JSON.stringify({ ...good, order: { kind: "mode", mode: "asleep" } })],
    ["a kind for another key", JSON.stringify({ ...good, order: { kind: "weight", weight: 1 } })],
    ["an order that was set aside and is none", JSON.stringify({ ...good, aside: [{ id: 1 }] })],
    ["too much", JSON.stringify({ ...good, more: "x".repeat(9_000) })],
  ];
  test.each(texts)("is nothing with %s", (_, text) => expect(parseEntry("mode s1", text)).toBeUndefined());

  test.each(["", "mode", "mode ", "colour s1", "@epoch"])("is nothing under the key %p", (key) =>
    expect(parseEntry(key, JSON.stringify(good))).toBeUndefined(),
  );
});
