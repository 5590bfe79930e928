import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";

import { candidatesFor, firstFound, localAddresses } from "../../src/dns/names.ts";
import { parseHosts, ParsedFile, parseResolvConf } from "../../src/dns/resolv-conf.ts";
import { temporaryFolder } from "../support/folder.ts";

const inFolder = temporaryFolder("names");

describe("/etc/resolv.conf", () => {
  test("names servers, domains and options", () =>
    expect(
      parseResolvConf(`# a comment
nameserver 10.0.0.53
nameserver fd00::53 ; another one
nameserver wrong
nameserver 10.0.0.54
nameserver 10.0.0.55
search shop.svc.cluster.local svc.cluster.local. cluster.local
options ndots:5 timeout:1 attempts:9 rotate
`),
    ).toEqual({
      servers: ["10.0.0.53", "fd00::53", "10.0.0.54"],
      search: ["shop.svc.cluster.local", "svc.cluster.local", "cluster.local"],
      ndots: 5,
      timeoutMs: 1_000,
      attempts: 3,
    }));

  test("that is empty means the server of this machine", () =>
    expect(parseResolvConf("")).toEqual({
      servers: ["127.0.0.1"],
      search: [],
      ndots: 1,
      timeoutMs: 2_000,
      attempts: 2,
    }));

  test("with options that are no numbers has the usual ones", () =>
    expect(parseResolvConf("options ndots:x timeout:-1 attempts")).toMatchObject({ ndots: 1, attempts: 2 }));
});

test("a file is parsed again when it has changed, and only then", () => {
  const path = inFolder("hosts");
  let parsed = 0;
  const file = new ParsedFile(path, (text) => {
    parsed += 1;
    return parseHosts(text);
  });
  expect(file.value.size).toBe(0);
  writeFileSync(path, "10.0.0.1 api\n");
  expect(file.value.get("api")).toEqual(["10.0.0.1"]);
  expect(file.value.get("api")).toEqual(["10.0.0.1"]);
  writeFileSync(path, "10.0.0.1 api API.internal # comment\nfd00::1 api\nnothing api\n");
  expect([...file.value]).toEqual([
    ["api", ["10.0.0.1", "fd00::1"]],
    ["api.internal", ["10.0.0.1"]],
  ]);
  expect(parsed).toBe(3);
});

describe("a name", () => {
  const cluster = { search: ["shop.svc", "svc"], ndots: 2 };
  test.each([
    ["api", ["api.shop.svc", "api.svc", "api"]],
    ["api.shop", ["api.shop.shop.svc", "api.shop.svc", "api.shop"]],
    ["api.shop.example", ["api.shop.example", "api.shop.example.shop.svc", "api.shop.example.svc"]],
    ["api.", ["api"]],
  ])("%s may mean these, in this order", (name, candidates) =>
    expect(candidatesFor(name, cluster)).toEqual(candidates),
  );

  test("is taken from the hosts file where that counts, and localhost always", () => {
    const hosts = () => parseHosts("10.0.0.7 api.internal\n127.0.0.1 localhost\n");
    const system = { usesSystem: () => true };
    const own = { usesSystem: () => false };
    expect(localAddresses("API.internal.", system, hosts)).toEqual(["10.0.0.7"]);
    expect(localAddresses("api.internal", own, hosts)).toBeUndefined();
    expect(localAddresses("localhost", own, hosts)).toEqual(["127.0.0.1"]);
    expect(localAddresses("a.localhost", system, hosts)).toEqual(["127.0.0.1", "::1"]);
    expect(localAddresses("10.0.0.9", own, hosts)).toEqual(["10.0.0.9"]);
  });

  test("is not looked for under the next candidate after a failure, which might be another's", async () => {
    const asked: string[] = [];
    const results = await firstFound(["a.one", "a.two"], ["A"], (name) => {
      asked.push(name);
      return Promise.resolve({ kind: "failed", why: "SERVFAIL" });
    });
    expect([asked, results.get("A")?.kind]).toEqual([["a.one"], "failed"]);
  });
});
