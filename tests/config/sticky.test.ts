import { describe, expect, test } from "bun:test";

import { planSteps } from "../../src/control/plan.ts";
import { parsed, problemsOf } from "../cli/fake.ts";

const [one, two] = ["1".repeat(32), "2".repeat(40)];
const poolWith = (sticky: string, more = "") =>
  `pools: { web: { sticky: ${sticky}, upstreams: [http://a] } }\n${more}`;
const input = (text: string, env = {}, files = {}) => ({
  argv: "check",
  env,
  files: { "evenkeel.yaml": text, ...files },
});
const configOf = (...given: Parameters<typeof input>) => parsed("check", input(...given)).config;

describe("a sticky pool", () => {
  test("has a session cookie of its own by default, which drains keep", () => {
    expect(configOf(poolWith("true")).pools[0]?.sticky).toEqual({
      cookie: "evenkeel_web",
      maxAgeSeconds: 0,
      sameSite: "Lax",
      secure: "auto",
      path: "/",
      whileDraining: "keep",
    });
    for (const off of ["false", "{}"])
      expect(configOf(poolWith(off)).pools[0]?.sticky === undefined).toBe(off === "false");
    expect(configOf("pools: { web: { upstreams: [http://a] } }").pools[0]?.sticky).toBeUndefined();
  });

  test("takes every attribute, and its effective form has the same meaning", () => {
    const text = poolWith(
      "{ cookie: sid, maxAge: 30d, sameSite: None, secure: always, path: /shop, domain: example.com, whileDraining: move }",
    );
    const config = configOf(text);
    expect(config.pools[0]?.sticky).toEqual({
      ...{ cookie: "sid", maxAgeSeconds: 30 * 86_400, sameSite: "None", secure: "always" },
      ...{ path: "/shop", domain: "example.com", whileDraining: "move" },
    });
    expect(configOf(parsed("check", input(text)).text)).toEqual(config);
    expect(configOf(parsed("check", input(poolWith("true"))).text)).toEqual(configOf(poolWith("true")));
  });

  test.each([
    [
      "{ cookie: 'a b' }",
      'pools.web.sticky.cookie at evenkeel.yaml:1:35: expected the name of a cookie (received "a b").',
    ],
    [
      "{ path: '/a;b' }",
      'pools.web.sticky.path at evenkeel.yaml:1:33: expected a path that starts with / (received "/a;b").',
    ],
    [
      "{ sameSite: None, secure: never }",
      'pools.web.sticky.secure at evenkeel.yaml:1:51: browsers take cookies with SameSite=None only with Secure; set auto or always (received "never").',
    ],
    [
      "{ cookie: __Host-sid }",
      "pools.web.sticky.secure at evenkeel.yaml:1:25: browsers take a cookie of this name only with Secure; set always.",
    ],
    [
      "{ cookie: __Host-sid, secure: always, path: /x }",
      'pools.web.sticky.path at evenkeel.yaml:1:69: browsers take a cookie of this name only with the path / (received "/x").',
    ],
    ["{ maxage: 1h }", 'pools.web.sticky.maxage at evenkeel.yaml:1:27: unknown key; did you mean "maxAge"?'],
  ])("%s is refused", (sticky, sentence) =>
    expect(problemsOf(input(poolWith(sticky)))).toEqual([`Cannot use ${sentence}`]),
  );

  test("does not share its cookie with another one", () => {
    const text =
      "pools: { a: { sticky: true, upstreams: [http://a] }, b: { sticky: { cookie: evenkeel_a }, upstreams: [http://b] } }";
    expect(problemsOf(input(text))).toEqual([
      'Cannot use pools.b.sticky.cookie at evenkeel.yaml:1:77: pools.a.sticky already uses this name (received "evenkeel_a").',
    ]);
  });
});

describe("the secrets of sticky cookies", () => {
  const fileText = `${one}\n\n  ${two}  \n`;

  test("come from the variable and from a file, one a line", () => {
    const text = poolWith("true", "stickySecretFile: secrets\n");
    expect(configOf(text, {}, { secrets: fileText }).stickySecrets).toEqual([one, two]);
    const both = configOf(text, { EVENKEEL_STICKY_SECRET: "3".repeat(32) }, { secrets: one });
    expect(both.stickySecrets).toEqual(["3".repeat(32), one]);
    expect(configOf(poolWith("true")).stickySecrets).toBeUndefined();
  });

  test("are refused without a quotation where they are short, many or missing", () => {
    const problems = (text: string, env = {}, files = {}) =>
      problemsOf(input(poolWith("true", text), env, files));
    expect(problems("", { EVENKEEL_STICKY_SECRET: "too-short" })).toEqual([
      "Cannot use EVENKEEL_STICKY_SECRET: expected at least 32 bytes in each line.",
    ]);
    const named = "Cannot use stickySecretFile at evenkeel.yaml:2:19:";
    const file = (text: string) => problems("stickySecretFile: secrets\n", {}, { secrets: text });
    expect(file(`${one}\ntoo-short`)).toEqual([`${named} expected at least 32 bytes in each line.`]);
    expect(file(" \n")).toEqual([`${named} expected a secret in a line.`]);
    expect(file(`${one}\n`.repeat(9))).toEqual([`${named} expected at most 8 secrets, one a line.`]);
    expect(problems("stickySecretFile: secrets\n")).toEqual([
      `${named} file not found (received "secrets").`,
    ]);
    expect(problems("stickySecret: [hidden-secret]\n").join()).not.toContain("hidden-secret");
  });

  test("are never shown, and a change of theirs is", () => {
    const text = poolWith("true", "stickySecretFile: secrets\n");
    const env = { EVENKEEL_STICKY_SECRET: "3".repeat(32) };
    const command = parsed("check", input(text, env, { secrets: fileText }));
    expect(command.text).toContain("# stickySecret: (set) # env EVENKEEL_STICKY_SECRET");
    expect(command.text).toContain("stickySecretFile: secrets");
    for (const secret of [one, two, "333"]) expect(command.text).not.toContain(secret);
    const before = configOf(text, {}, { secrets: fileText });
    const steps = planSteps(before, configOf(text, {}, { secrets: two }));
    expect(steps).toMatchObject([{ action: "change", key: "stickySecret" }]);
    expect(JSON.stringify(steps)).not.toContain("222");
    expect(planSteps(before, configOf(text, {}, { secrets: fileText }))).toEqual([]);
  });
});
