import { describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";

import { passwordHashOf } from "../../src/access/password-hash.ts";
import { makePassword, type SecretSource } from "../../src/commands/credentials.ts";
import { digestOf } from "../../src/lib/secrets.ts";
import { runtime } from "../../src/runtime/bun.ts";
import { fromBuild } from "../support/program.ts";

/** A terminal with these keys; `seen` shows whether the echo was off at each prompt. */
function terminal(...keys: string[]) {
  const seen: string[] = [];
  let isHidden = false;
  const source: SecretSource = {
    isTerminal: true,
    hide: (hidden) => void (isHidden = hidden),
    next: async () => keys.shift(),
    prompt: (text) => void seen.push(`${isHidden ? "hidden" : "open"} ${text}`),
  };
  return { source, seen };
}

async function evenkeel(command: string, input: string) {
  const [program = "", ...rest] = [...fromBuild, command];
  const child = spawn(program, rest, { stdio: ["pipe", "pipe", "pipe"] });
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  child.stdin.end(input);
  const code = await new Promise((resolve) => child.on("close", resolve));
  return { code, out, err };
}

describe("evenkeel password", () => {
  test("prints the hash of the piped password, and not the password", async () => {
    const { code, out } = await evenkeel("password", "correct horse battery\nmore\n");
    expect(code).toBe(0);
    expect(passwordHashOf(out.trim())).toMatchObject({ memoryKib: 19_456, passes: 2, lanes: 1 });
    expect(await runtime.passwords.verify("correct horse battery", out.trim())).toBe(true);
  });

  test.each([
    ["short\n", "expected at least 12 characters (received a hidden value)."],
    ["", "no password was entered."],
    [`${"x".repeat(20_000)}\n`, "expected at most 1024 characters"],
  ])("rejects %j with exit code 2", async (input, why) => {
    const { code, out, err } = await evenkeel("password", input);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain(`Cannot use the password: ${why}`);
  });

  test("prompts twice on a terminal, with the echo off, and handles its keys", async () => {
    const { source, seen } = terminal("correct hors", "eX\u007f", " battery\r", "correct horse battery\n");
    const { text, exitCode } = await makePassword(source, runtime.passwords);
    expect(exitCode).toBe(0);
    expect(await runtime.passwords.verify("correct horse battery", text)).toBe(true);
    expect(seen).toEqual(["hidden Password: ", "open \n", "hidden Repeat the password: ", "open \n"]);
  });

  test("rejects two that differ, and an interrupted one", async () => {
    const differing = terminal("correct horse battery\r", "correct horse batterY\r");
    expect(await makePassword(differing.source, runtime.passwords)).toEqual({
      text: "Cannot use the password: the two entries differ.",
      exitCode: 2,
    });
    const interrupted = terminal("correct horse battery\u0003");
    expect((await makePassword(interrupted.source, runtime.passwords)).exitCode).toBe(2);
    expect(interrupted.seen.at(-1)).toBe("open \n");
  });
});

test("evenkeel token prints a new token with its hash each time", async () => {
  const [one, other] = [await evenkeel("token", ""), await evenkeel("token", "")];
  const [, token = "", hash = ""] = /^token: +(\S{43})\ntokenHash: +(sha256:\S{64})\n/.exec(one.out) ?? [];
  expect(hash).toBe(`sha256:${digestOf(token)}`);
  expect(other.out).not.toContain(token);
  expect([one.code, other.code]).toEqual([0, 0]);
});
