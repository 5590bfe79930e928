import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { createFileSource, membersIn } from "../../src/discovery/members-file.ts";
import type { DiscoveredMember } from "../../src/discovery/source.ts";
import { systemSchedule } from "../../src/lib/clock.ts";
import { temporaryFolder } from "../support/folder.ts";
import { until } from "../support/wait.ts";

const template = { protocol: "http", backup: false } as const;
const inFolder = temporaryFolder("members");

const urlsOf = (members: readonly DiscoveredMember[] | string) =>
  typeof members === "string"
    ? members
    : members.map(({ address }) => `${address.protocol}://${address.hostname}:${address.port}`);

describe("a file of members", () => {
  test("lists them in the short and in the long form", () => {
    const text = `members:
  - http://10.0.0.1:8080;weight=3
  - { url: "https://[fd00::1]", backup: true, name: api-2 }
`;
    expect(membersIn(text, "members.yaml", { ...template, tls: { verify: false } })).toEqual([
      {
        address: { protocol: "http", hostname: "10.0.0.1", port: 8080 },
        weight: 3,
        backup: false,
        isTerminating: false,
      },
      {
        address: { protocol: "https", hostname: "[fd00::1]", port: 443, tls: { verify: false } },
        weight: 1,
        backup: true,
        isTerminating: false,
        name: "api-2",
      },
    ]);
  });

  test("takes weight and role of the entry before its own", () => {
    const members = membersIn("members: [http://a:1;weight=9]", "m", {
      ...template,
      weight: 2,
      backup: true,
    });
    expect(members).toMatchObject([{ weight: 2, backup: true }]);
  });

  test("lists nobody in an empty list", () => expect(membersIn("members: []", "m", template)).toEqual([]));

  const refused: ReadonlyArray<readonly [text: string, why: string]> = [
    ["", "members.yaml:1:1: the file is empty"],
    ["members: [http://a:1", "members.yaml:1:21: "],
    [
      "members:\n  - http://a:1\n  - ftp://b",
      'members.yaml:3:5: members[1].url: the protocol must be http or https (received "ftp://b")',
    ],
    [
      "members:\n  - http://a:1;weight=x",
      'members.yaml:2:5: members[0].weight: expected a whole number from 0 to 256 (received "x")',
    ],
    ["member: []", "members.yaml:1:1: "],
    [
      "- http://a:1",
      'members.yaml:1:1: expected a map of settings such as "members: [http://10.0.0.1:8080]"',
    ],
    [
      "members: [{ url: http://a:1, wieght: 3 }]",
      'members.yaml:1:30: members[0].wieght: unknown key; did you mean "weight"?',
    ],
  ];
  for (const [text, why] of refused)
    test(`is refused with its line: ${JSON.stringify(text)}`, () =>
      expect(String(membersIn(text, "members.yaml", template))).toStartWith(why));
});

describe("the source of a file", () => {
  function started(name: string) {
    const folder = inFolder(name);
    mkdirSync(folder);
    const path = join(folder, "members.yaml");
    const reports: string[] = [];
    const source = createFileSource(
      { source: { kind: "file", path }, template },
      { schedule: systemSchedule },
    );
    const start = () =>
      source.start({
        answered: ({ members }) => reports.push(`answered ${String(urlsOf(members))}`),
        failed: (why) => reports.push(`failed ${why.replace(folder, "")}`),
        absent: (why) => reports.push(`absent ${why.replace(folder, "")}`),
      });
    return { folder, path, reports, start };
  }

  test("reports the members, each change once, and what is wrong with it", async () => {
    const { folder, path, reports, start } = started("changing");
    writeFileSync(path, "members: [http://10.0.0.1:1]");
    const cancel = start();
    expect(reports).toEqual(["answered http://10.0.0.1:1"]);
    writeFileSync(join(folder, "new"), "members: [http://10.0.0.1:1, http://10.0.0.2:1]");
    renameSync(join(folder, "new"), path);
    await until(() => reports.length === 2, "the second answer");
    writeFileSync(path, "members: [http://10.0.0.1:1, wrong]");
    await until(() => reports.length === 3, "the failure");
    writeFileSync(path, "members: []");
    await until(() => reports.length === 4, "the absence");
    cancel();
    expect(reports.slice(1)).toEqual([
      "answered http://10.0.0.1:1,http://10.0.0.2:1",
      'failed /members.yaml:1:30: members[1].url: expected a URL such as http://10.0.0.1:8080 (received "wrong")',
      "absent /members.yaml lists no members",
    ]);
  });

  const unusable: readonly (readonly [what: string, make: (path: string) => void, why: string])[] = [
    ["a link to itself", (path) => symlinkSync(path, path), "failed /members.yaml: too many links"],
    ["a folder", (path) => mkdirSync(path), "failed /members.yaml: it is a directory"],
    [
      "a pipe, which would be waited for",
      (path) => void spawnSync("mkfifo", [path]),
      "failed /members.yaml: it is no regular file",
    ],
    [
      "a device without an end",
      (path) => symlinkSync("/dev/zero", path),
      "failed /members.yaml: it is no regular file",
    ],
  ];
  for (const [what, make, why] of unusable)
    test(`fails at ${what}, and goes on when a file is there`, async () => {
      const { path, reports, start } = started(what.replaceAll(/\W/g, "-"));
      make(path);
      const cancel = start();
      expect(reports).toEqual([why]);
      rmSync(path, { recursive: true });
      writeFileSync(path, "members: [http://10.0.0.1:1]");
      await until(() => reports.at(-1) === "answered http://10.0.0.1:1", "the answer", 8_000);
      cancel();
    });

  test("waits for a file whose folder is not there yet", async () => {
    const { folder, path, reports, start } = started("late");
    rmSync(folder, { recursive: true });
    const cancel = start();
    expect(reports).toEqual(["failed /members.yaml: file not found"]);
    mkdirSync(folder);
    writeFileSync(path, "members: [http://10.0.0.1:1]");
    await until(() => reports.length === 2, "the first answer", 10_000);
    cancel();
    expect(reports[1]).toBe("answered http://10.0.0.1:1");
  });
});
