import { describe, expect, test } from "bun:test";

import { readHtpasswd } from "../../src/access/htpasswd.ts";
import { userHashProblem } from "../../src/access/user-hash.ts";

const bcrypt = "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
const argon2 = `$argon2id$v=19$m=64,t=2,p=1$${"A".repeat(22)}$${"A".repeat(43)}`;

describe("hashes of users", () => {
  test("are argon2id and bcrypt up to a cost of 14", () => {
    const accepted = [bcrypt, bcrypt.replace("$2y", "$2a"), bcrypt.replace("$2y", "$2b"), bcrypt.replace("$05", "$14"), argon2]; // prettier-ignore
    expect(accepted.map(userHashProblem)).toEqual(accepted.map(() => undefined));
    expect(userHashProblem(bcrypt.replace("$05", "$15"))).toBe("its cost must be from 4 to 14");
    expect(userHashProblem(argon2.replace("m=64", "m=9999999"))).toStartWith("its cost must be at most");
  });

  test("of every other kind are refused with the command that makes a good one, and without the hash", () => {
    const md5 = "$apr1$c2s2vYZs$abcdefghijklmnopqrstu.";
    const found = [md5, "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "$5$salt$digest", "rqXexS6ZhobKA", "secret"].map(userHashProblem); // prettier-ignore
    expect(found.map((why) => why?.split(" ")[0])).toEqual([
      "MD5",
      "SHA-1",
      "SHA-crypt",
      "crypt",
      "expected",
    ]);
    for (const why of found) {
      expect(why).toContain("`htpasswd -B`");
      expect(why).not.toMatch(/apr1|W6ph|digest|rqXe|secret/);
    }
  });
});

describe("a file of users", () => {
  test("has a name and a hash on each line, comments and empty lines", () => {
    const { users, problems } = readHtpasswd(`# staff\n\nann:${bcrypt}\r\nben:${argon2}\n`);
    expect(problems).toEqual([]);
    expect(users.map(({ name }) => name)).toEqual(["ann", "ben"]);
    expect(users.map(({ passwordHash }) => passwordHash)).toEqual([bcrypt, argon2]);
  });

  test("has problems by line, at most five, and never a hash in them", () => {
    const { problems } = readHtpasswd(`ann:${bcrypt}\nann:${bcrypt}\nben\ncat:$apr1$salt$hidden\n:x\n`);
    expect(problems.map((why) => why.split(" ").slice(0, 3).join(" "))).toEqual([
      ...["line 2: line", "line 3: expected", "line 4: MD5", "line 5: expected"],
    ]);
    expect(problems.join()).not.toContain("hidden");
    expect(readHtpasswd("x\n".repeat(1_000)).problems).toHaveLength(5);
    expect(readHtpasswd("# none\n").problems).toEqual(["it has no users"]);
  });
});
