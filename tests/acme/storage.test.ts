import { beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";

import { lockLifeMs, takeHostLock } from "../../src/acme/host-lock.ts";
import { AcmeStorage, storedChallenge } from "../../src/acme/storage.ts";
import { TestAuthority } from "../support/acme-authority.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder("acme-storage");
let counter = 0;
const freshFolder = () => folder(`case-${counter++}`);
let first: { cert: string; key: string };
let second: { cert: string; key: string };

beforeAll(async () => {
  const authority = await TestAuthority.create();
  [first, second] = [await authority.pair("a.test"), await authority.pair("a.test")];
});

const modeOf = (file: string) => (statSync(file).mode & 0o777).toString(8);

describe("the folder", () => {
  test("and its files are for their owner alone, also where the folder existed", () => {
    const path = freshFolder();
    mkdirSync(path, { mode: 0o755 });
    const storage = new AcmeStorage(path, process.pid);
    storage.saveCertificate("a.test", first);
    storage.saveMeta("a.test", { directory: "https://ca.test/" });
    storage.saveOrder("a.test", { url: "https://ca.test/1", directory: "https://ca.test/", key: first.key });
    storage.account("https://ca.test/", () => "key");
    expect([modeOf(path), modeOf(`${path}/a.test`)]).toEqual(["700", "700"]);
    const files = readdirSync(`${path}/a.test`);
    expect(files.sort()).toEqual(["cert.pem", "key.pem", "meta.json", "order.json"]);
    for (const file of files) expect(modeOf(`${path}/a.test/${file}`)).toBe("600");
    const [account = ""] = readdirSync(path).filter((name) => name.startsWith("account-ca.test-"));
    expect(modeOf(`${path}/${account}`)).toBe("600");
  });

  test("keeps one account per directory, the first one's", () => {
    const path = freshFolder();
    const [one, other] = [new AcmeStorage(path, process.pid), new AcmeStorage(path, process.pid)];
    expect(one.account("https://ca.test/", () => "first").key).toBe("first");
    expect(other.account("https://ca.test/", () => "second").key).toBe("first");
    expect(other.account("https://other.test/", () => "third").key).toBe("third");
    expect(readdirSync(path).filter((name) => !/^account-[\w.-]+\.json$/.test(name))).toEqual([]);
  });

  test("returns nothing for files that are empty, damaged or of another pair", () => {
    for (const spoil of [
      (host: string) => writeFileSync(`${host}/cert.pem`, ""),
      (host: string) => writeFileSync(`${host}/key.pem`, second.key),
      (host: string) => writeFileSync(`${host}/key.pem`, "garbage"),
      (host: string) => rmSync(`${host}/key.pem`),
      (host: string) => rmSync(`${host}/cert.pem`),
    ]) {
      const path = freshFolder();
      const storage = new AcmeStorage(path, process.pid);
      storage.saveCertificate("a.test", first);
      expect(storage.certificate("a.test")?.names).toEqual(["a.test"]);
      spoil(`${path}/a.test`);
      expect(storage.certificate("a.test")).toBeUndefined();
    }
    const path = freshFolder();
    mkdirSync(`${path}/a.test`, { recursive: true });
    writeFileSync(`${path}/a.test/meta.json`, '{"failures":-1,"failedAt":"x"');
    writeFileSync(`${path}/a.test/order.json`, "[]");
    const storage = new AcmeStorage(path, process.pid);
    expect(storage.order("a.test")).toBeUndefined();
    expect(storage.meta("a.test").failures).toBeUndefined();
  });

  test("has a whole pair after a crash between certificate and key", () => {
    const path = freshFolder();
    const storage = new AcmeStorage(path, process.pid);
    storage.saveCertificate("a.test", first);
    storage.saveOrder("a.test", { url: "https://ca.test/1", directory: "https://ca.test/", key: second.key });
    expect(storage.certificate("a.test")?.key).toBe(first.key);
    writeFileSync(`${path}/a.test/cert.pem`, second.cert);
    expect(storage.certificate("a.test")?.key).toBe(second.key);
    writeFileSync(`${path}/a.test/key.pem`, second.key);
    expect(storage.certificate("a.test")?.key).toBe(second.key);
  });
});

describe("responses to challenges", () => {
  const token = "a".repeat(22);

  test("are found by their token in every process, until they are removed", () => {
    const path = freshFolder();
    const storage = new AcmeStorage(path, process.pid);
    storage.saveChallenge(token, `${token}.thumbprint`);
    expect(storedChallenge(path, token)).toBe(`${token}.thumbprint`);
    storage.removeChallenge(token);
    expect(storedChallenge(path, token)).toBeUndefined();
  });

  test("are no way to other files", () => {
    const path = freshFolder();
    const storage = new AcmeStorage(path, process.pid);
    storage.saveCertificate("a.test", first);
    writeFileSync(`${path}/a.test/${token}`, `${token}.thumbprint`);
    for (const name of [
      "../a.test/key.pem",
      `../a.test/${token}`,
      "",
      ".",
      "..",
      "key.pem",
      "a/b",
      `${token}/`,
    ])
      expect(storedChallenge(path, name)).toBeUndefined();
    mkdirSync(`${path}/challenges`);
    writeFileSync(`${path}/challenges/${token}`, "something else");
    expect(storedChallenge(path, token)).toBeUndefined();
  });

  test("that a crash has left go with the next one", () => {
    const path = freshFolder();
    const storage = new AcmeStorage(path, process.pid);
    storage.saveChallenge(token, `${token}.thumbprint`);
    utimesSync(`${path}/challenges/${token}`, new Date(0), new Date(0));
    const next = "b".repeat(22);
    storage.saveChallenge(next, `${next}.thumbprint`);
    expect(readdirSync(`${path}/challenges`)).toEqual([next]);
  });
});

describe("the lock of a host", () => {
  const now = 1_000_000_000_000;
  const lockFile = () => `${freshFolder()}/a.test/lock`;
  const foreign = (pid: number, expiresAt: number, owner = "another machine") =>
    JSON.stringify({ id: "other", owner, pid, expiresAt });

  test("is had by one at a time", () => {
    const file = lockFile();
    const lock = takeHostLock(file, process.pid, () => now);
    expect(lock).toBeDefined();
    expect(takeHostLock(file, process.pid, () => now)).toBeUndefined();
    lock?.release();
    const next = takeHostLock(file, process.pid, () => now);
    expect(next).toBeDefined();
    lock?.release();
    expect(takeHostLock(file, process.pid, () => now)).toBeUndefined();
    next?.release();
    expect(readdirSync(file.replace(/\/lock$/, ""))).toEqual([]);
  });

  for (const [what, text, isTaken] of [
    ["of another machine", () => foreign(1, now + lockLifeMs), false],
    ["of another machine that is over", () => foreign(1, now), true],
    ["far in the future, by a clock that was set back", () => foreign(1, now + 10 * lockLifeMs), true],
    ["of a process that is gone", (own: string) => foreign(2 ** 22 + 1, now + lockLifeMs, own), true],
    ["of a process that runs", (own: string) => foreign(process.ppid, now + lockLifeMs, own), false],
    [
      "of an earlier process with this one's id",
      (own: string) => foreign(process.pid, now + lockLifeMs, own),
      true,
    ],
    ["that is damaged", () => "", true],
  ] as const) {
    test(`${what} is ${isTaken ? "taken over" : "respected"}`, () => {
      const file = lockFile();
      const lock = takeHostLock(file, process.pid, () => now);
      const { owner } = JSON.parse(readFileSync(file, "utf8")) as { owner: string };
      lock?.release();
      writeFileSync(file, text(owner));
      const taken = takeHostLock(file, process.pid, () => now);
      expect(taken !== undefined).toBe(isTaken);
      if (!isTaken) expect(readFileSync(file, "utf8")).toBe(text(owner));
      taken?.release();
      expect(readdirSync(file.replace(/\/lock$/, ""))).toEqual(isTaken ? [] : ["lock"]);
    });
  }
});
