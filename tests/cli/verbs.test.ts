import { describe, expect, test } from "bun:test";

import { userName } from "../../src/cli/environment.ts";
import { type Verb, verbs } from "../../src/cli/verbs.ts";
import { problemsOf, parsed } from "./fake.ts";

describe("a command for a running balancer", () => {
  test.each<[argv: string, verb: Verb]>([
    ["status", { verb: "status", isWatched: false, asJson: false }],
    ["status --ready", { verb: "readiness" }],
    ["status --watch --json", { verb: "status", isWatched: true, asJson: true }],
    ["ready a", { verb: "ready", upstream: "a", reason: "" }],
    ["maintenance a --reason disk", { verb: "maintenance", upstream: "a", reason: "disk" }],
    ["drain a", { verb: "drain", upstream: "a", reason: "", waitMs: 0, isForced: false }],
    [
      "drain a --wait 1.5s --force",
      { verb: "drain", upstream: "a", reason: "", waitMs: 1_500, isForced: true },
    ],
    ["weight a 0", { verb: "weight", upstream: "a", weight: 0, reason: "" }],
    ["weight a 256", { verb: "weight", upstream: "a", weight: 256, reason: "" }],
    ["weight a configured", { verb: "weight", upstream: "a", weight: null, reason: "" }],
    ["add main http://x", { verb: "add", pool: "main", newUpstream: { url: "http://x" }, reason: "" }],
    [
      "add main http://x --weight 3 --backup --name c",
      {
        verb: "add",
        pool: "main",
        newUpstream: { url: "http://x", weight: 3, backup: true, name: "c" },
        reason: "",
      },
    ],
    ["remove a --wait 1h", { verb: "remove", upstream: "a", waitMs: 3_600_000, reason: "" }],
    ["events", { verb: "events", isFollowed: false, upstream: undefined, limit: 20, asJson: false }],
    [
      "events --follow --upstream a --limit 0 --json",
      { verb: "events", isFollowed: true, upstream: "a", limit: 0, asJson: true },
    ],
    [
      "problems",
      { verb: "problems", subcommand: "list", isWatched: false, withClosed: false, asJson: false },
    ],
    [
      "problems --all --watch --json",
      { verb: "problems", subcommand: "list", isWatched: true, withClosed: true, asJson: true },
    ],
    [
      "problems dismiss p-aaaaa --reason seen",
      { verb: "problems", subcommand: "dismiss", id: "p-aaaaa", reason: "seen" },
    ],
    ["explain 0f3a", { verb: "explain", request: "0f3a", asJson: false }],
    [
      "dry-run shop.example",
      {
        verb: "dry-run",
        request: { method: "GET", host: "shop.example", target: "/", headers: {} },
        asJson: false,
      },
    ],
    [
      "dry-run HTTPS://shop.example:8443/a/..%2fb?x#y -X post -H X-V:1 --header x-v:2 -H cookie:a=1 -H Cookie:b=2 --from ::1 --listener inner --json",
      {
        verb: "dry-run",
        request: {
          method: "POST",
          host: "shop.example:8443",
          target: "/a/..%2fb?x",
          scheme: "https",
          clientAddress: "::1",
          listener: "inner",
          headers: { "x-v": "1, 2", cookie: "a=1; b=2" },
        },
        asJson: true,
      },
    ],
  ])("%s is parsed", (argv, verb) => {
    const input = { argv, env: { ADMIN_URL: "http://10.0.0.1:8091", ADMIN_TOKEN: "s3cret" } };
    const ask = { adminUrl: "http://10.0.0.1:8091", adminToken: "s3cret" };
    expect(parsed("verb", input)).toEqual({ kind: "verb", target: ask, verb });
  });

  test.each([
    ["drain", "Cannot run evenkeel drain: missing <upstream>."],
    ["weight a", "Cannot run evenkeel weight: missing <weight>."],
    [
      "drain a b",
      'Cannot run evenkeel drain: unexpected argument; expected <upstream> and flags (received "a b").',
    ],
    ["status --ready --watch", "Cannot use --watch: not allowed together with --ready."],
    ["status a", 'Cannot run evenkeel status: unexpected argument; expected only flags (received "a").'],
    [
      "weight a 257",
      'Cannot use <weight>: expected a whole number from 0 to 256, or configured (received "257").',
    ],
    ["drain a --wait 2h", 'Cannot use --wait: expected a duration of at most 1h (received "2h").'],
    [
      "add main http://x --weight x",
      'Cannot use --weight: expected a whole number from 0 to 256 (received "x").',
    ],
    ["dry-run /x", 'Cannot use <url>: expected a URL such as https://shop.example/cart (received "/x").'],
    ["dry-run a.test -H x", 'Cannot use --header: expected "Name: value" (received "x").'],
    ["events --limit 2001", 'Cannot use --limit: expected a whole number from 0 to 2000 (received "2001").'],
  ])("%s is rejected with a sentence", (argv, sentence) => expect(problemsOf({ argv })).toEqual([sentence]));

  test("reports every problem at once", () =>
    expect(problemsOf({ argv: "drain a --wait soon --admin-url nowhere" })).toHaveLength(2));

  for (const [name, { operands, ownFlags }] of Object.entries(verbs)) {
    test(`${name} --help names its arguments, its flags and the exit codes, within 100 columns`, () => {
      const { text } = parsed("help", { argv: `${name} --help` });
      const words = text.replace(/\s+/g, " ");
      expect(words).toContain(["evenkeel", name, ...operands, "[flags]"].join(" "));
      for (const { name: flag, value, summary } of ownFlags)
        expect(words).toContain(`${flag} ${value} ${summary}`.replace(/\s+/g, " "));
      expect(words).toContain("--admin-url <url>");
      expect(words).toContain(
        "Exit codes: 0 success, 1 target state not reached, 2 usage error or refused, 3",
      );
      for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(100);
    });
  }
});

test("the user's name comes from the system, in characters that the event log accepts", () => {
  expect(userName({ USER: "ann" })).toBe("ann");
  expect(userName({ LOGNAME: "eve\n<b>", USER: "ann" })).toBe("eve__b_");
  expect(userName({})).toMatch(/^[\w.@ -]{1,64}$/);
});
