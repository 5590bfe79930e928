import { describe, expect, test } from "bun:test";

import { problemsOf, parsed } from "../cli/fake.ts";

const hash = `$argon2id$v=19$m=19456,t=2,p=1$${"a".repeat(43)}$${"b".repeat(43)}`;
const tokenHash = `sha256:${"c".repeat(64)}`;
const ann = `{ name: ann, role: admin, passwordHash: "${hash}" }`;
const ci = `{ name: ci, role: operator, tokenHash: "${tokenHash}" }`;
const accounts = `admin: { host: 10.0.0.1, users: [${ann}], tokens: [${ci}] }`;

const problems = (file: string) => problemsOf({ argv: "check", files: { "evenkeel.yaml": file } });
const place = "evenkeel.yaml:1:";

describe("accounts in the configuration", () => {
  test("are users with a password's hash, and programs with a token's", () => {
    const { config } = parsed("check", { argv: "check", files: { "evenkeel.yaml": accounts } });
    expect(config.admin.users).toEqual([{ name: "ann", role: "admin", passwordHash: hash }]);
    expect(config.admin.tokens).toEqual([{ name: "ci", role: "operator", tokenHash }]);
  });

  test.each([`users: [${ann}]`, `tokens: [${ci}]`, "token: s3cret"])("let the admin API listen on other addresses: %s", (one) =>
    expect(problems(`admin: { host: 0.0.0.0, ${one} }`)).toEqual([]),
  ); // prettier-ignore

  test.each(["", "users: []", "users: [], tokens: []"])("are required for that: %p", (none) =>
    expect(problems(`admin: { host: 0.0.0.0, ${none} }`)).toEqual([expect.stringContaining("or admin.users (received")]),
  ); // prettier-ignore

  test("let the dashboard listen on other addresses; a token does not, since it identifies no user", () => {
    const settings = (admin: string) => `dashboard: { host: 0.0.0.0 }\nadmin: { ${admin} }`;
    expect(problems(settings(`users: [${ann}]`))).toEqual([]);
    for (const none of ["token: s3cret", `tokens: [${ci}]`, ""]) {
      expect(problems(settings(none))).toEqual([expect.stringContaining("the dashboard requires logins")]);
    }
  });

  const secret = "hunter2-hunter2";
  const why = "expected an argon2id hash as printed by `evenkeel password`, never a password";
  const shown = "(received a hidden value).";
  test.each([
    [`users: [{ name: ann, role: admin, passwordHash: ${secret} }]`, `passwordHash at ${place}58: ${why} ${shown}`],
    [
      `users: [{ name: ann, role: admin, passwordHash: "${hash}", password: ${secret} }]`,
      "a plain-text password is not allowed; set passwordHash to the output of `evenkeel password`",
    ],
    [`users: [${secret}]`, `admin.users[0] at ${place}18: expected a map with name, role and passwordHash ${shown}`],
    [`users: { ann: ${secret} }`, "admin.users"],
    [`users: ${secret}`, `expected a list of at most 256 users ${shown}`],
    [`tokens: [{ name: ci, role: viewer, tokenHash: ${secret} }]`, "expected the hash that `evenkeel token` prints"],
    [`users: [{ name: "a b", role: admin, passwordHash: "${hash}" }]`, 'received "a b"'],
    [`users: [{ name: ann, role: root, passwordHash: "${hash}" }]`, "expected one of viewer, operator, admin"],
    [`users: [{ name: prober, role: admin, passwordHash: "${hash}" }]`, "this name is reserved for the balancer"],
    [`users: [${ann}, ${ann.replace("ann", "Ann")}]`, 'admin.users[0].name already uses this name (received "Ann").'],
    [`users: [${ann}], tokens: [${ci.replace("ci", "ann")}]`, "admin.users[0].name already uses this name"],
    [
      `users: [${ann.replace("m=19456", "m=9999999")}]`,
      "its cost must be at most m=1048576, t=16, p=16, and m at least 8 times p",
    ],
    [`users: [${ann.replace("argon2id", "2b")}]`, why],
  ])("are rejected with a sentence that shows no secret: %s", (file, sentence) => {
    const found = problems(`admin: { ${file} }`).join("\n");
    expect(found).toContain(sentence);
    expect(found).not.toContain(secret);
    expect(found).not.toContain("aaaa");
  }); // prettier-ignore

  test("appear in views with names and roles, without hashes", () => {
    const { text } = parsed("check", { argv: "check", files: { "evenkeel.yaml": accounts } });
    expect(text).toContain("# users[0]: ann (admin) # file evenkeel.yaml:1");
    expect(text).toContain("# tokens[0]: ci (operator) # file evenkeel.yaml:1");
    const { config, settings } = parsed("proxy", { argv: "proxy", files: { "evenkeel.yaml": accounts } });
    const list = settings(config);
    expect(list).toContainEqual({ name: "admin.users[0]", value: "ann (admin)", source: "file evenkeel.yaml:1" });
    for (const view of [text, JSON.stringify(list)]) expect(view).not.toMatch(/aaaa|bbbb|cccc|argon2|sha256/);
  }); // prettier-ignore
});
