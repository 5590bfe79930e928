import { expect, test } from "bun:test";

import { usableAnswers } from "../../src/control/answer-keeper.ts";
import { parseMembers, serializeMembers } from "../../src/discovery/kept-answer.ts";
import { memberAt } from "../../src/discovery/source.ts";
import { openSqlite } from "../../src/state/sqlite-store.ts";

const template = {
  protocol: "https",
  backup: false,
  tls: { verify: true, clientCertificate: { cert: "CERT", key: "SECRET" } },
} as const;

const members = [
  memberAt(template, {
    hostname: "10.0.0.1",
    port: 443,
    weight: 3,
    serverName: "api.internal",
    name: "api-1",
  }),
  memberAt(template, { hostname: "fd00::1", port: 8443, backup: true, serverName: "api.internal" }),
];

test("an answer is kept without certificates and keys, and comes back with those of the configuration", () => {
  const text = serializeMembers(members);
  expect(text).not.toContain("SECRET");
  expect(parseMembers(text, template)).toEqual(members);
});

test("what is no member in a kept answer is left out", () => {
  for (const text of ["", "[", "{}", "[1, null]", '[{"hostname": "a"}]'])
    expect(parseMembers(text, template)).toEqual([]);
  const wrong = JSON.stringify([{ protocol: "http", hostname: "a", port: 1, weight: 999 }]);
  expect(parseMembers(wrong, template)).toEqual([]);
});

test("the store has the last answers, and a start uses those of the last hour", () => {
  const store = openSqlite(":memory:");
  const kept = (source: string, at: number) => ({ pool: "main", source, at, members: "[]" });
  store.keepMembers([kept("dns a:1", 5)]);
  store.keepMembers([kept("dns b:1", 1_000), kept("dns c:1", 3_600_000)]);
  expect(store.members()).toEqual([kept("dns b:1", 1_000), kept("dns c:1", 3_600_000)]);
  expect(usableAnswers(store.members(), 3_601_001).map(({ source }) => source)).toEqual(["dns c:1"]);
  store.close();
});
