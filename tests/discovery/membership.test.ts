import { describe, expect, test } from "bun:test";

import { Membership } from "../../src/discovery/membership.ts";
import { memberAt, maxMembers } from "../../src/discovery/source.ts";

const template = { protocol: "http", backup: false } as const;

/** "a b!" is a member a, and a member b that shuts down. */
const membersOf = (text: string) =>
  text
    .split(" ")
    .filter(Boolean)
    .map((name) =>
      memberAt(template, { hostname: name.replace("!", ""), port: 80, isTerminating: name.endsWith("!") }),
    );

type Step = readonly [at: number, report: string, wanted: string];

/** A report: members; "?" for a failure, "-" for an absence, "." for time alone. */
function run(membership: Membership, steps: readonly Step[]): readonly Step[] {
  return steps.map(([seconds, report]) => {
    const now = seconds * 1_000;
    if (report === "?") membership.failed("SERVFAIL", now);
    else if (report === "-") membership.absent("no such name", now);
    else if (report !== ".") membership.answered(membersOf(report), now);
    membership.settle(now);
    const wanted = membership.wanted.map(({ address }) => address.hostname).join(" ");
    return [seconds, report, wanted];
  });
}

const cases: readonly (readonly [sentence: string, steps: readonly Step[]])[] = [
  [
    "members come and go at once",
    [
      [0, "a b", "a b"],
      [1, "b c", "b c"],
      [2, "b c", "b c"],
    ],
  ],
  [
    "a member that shuts down leaves at once, and comes back when it does not",
    [
      [0, "a b", "a b"],
      [1, "a b!", "a"],
      [2, "a b", "a b"],
    ],
  ],
  [
    "a member that shuts down when it is seen first never joins",
    [
      [0, "a b!", "a"],
      [1, "a", "a"],
    ],
  ],
  [
    "failures keep the last answer for ever",
    [
      [0, "a b", "a b"],
      [1, "?", "a b"],
      [86_400, "?", "a b"],
      [86_401, "b", "b"],
    ],
  ],
  [
    "without an answer there are no members",
    [
      [0, "?", ""],
      [9, "?", ""],
      [10, "a", "a"],
    ],
  ],
  [
    "two absences change nothing",
    [
      [0, "a", "a"],
      [40, "-", "a"],
      [80, "-", "a"],
      [81, "a", "a"],
    ],
  ],
  [
    "three absences within half a minute change nothing",
    [
      [0, "a", "a"],
      [1, "-", "a"],
      [2, "-", "a"],
      [3, "-", "a"],
      [30, "-", "a"],
    ],
  ],
  [
    "three absences over half a minute empty the source",
    [
      [0, "a b", "a b"],
      [1, "-", "a b"],
      [20, "-", "a b"],
      [31, "-", ""],
      [32, "-", ""],
    ],
  ],
  [
    "an answer after an absence begins the count again",
    [
      [0, "a", "a"],
      [1, "-", "a"],
      [20, "-", "a"],
      [25, "a", "a"],
      [31, "-", "a"],
      [40, "-", "a"],
    ],
  ],
  [
    "a failure between two absences is no answer",
    [
      [0, "a", "a"],
      [1, "-", "a"],
      [10, "?", "a"],
      [20, "-", "a"],
      [25, "?", "a"],
      [32, "-", ""],
    ],
  ],
  [
    "members come back after an absence",
    [
      [0, "a", "a"],
      [1, "-", "a"],
      [20, "-", "a"],
      [31, "-", ""],
      [32, "a", "a"],
    ],
  ],
  [
    "a member that comes back departs only after ten seconds the next time",
    [
      [0, "a b", "a b"],
      [1, "a", "a"],
      [2, "a b", "a b"],
      [3, "a", "a b"],
      [12, "a", "a b"],
      [13, "a", "a"],
    ],
  ],
  [
    "and after twenty the time after that",
    [
      [0, "a b", "a b"],
      [1, "a", "a"],
      [2, "a b", "a b"],
      [3, "a", "a b"],
      [13, ".", "a"],
      [14, "a b", "a b"],
      [15, "a", "a b"],
      [34, "a", "a b"],
      [35, ".", "a"],
    ],
  ],
  [
    "ten minutes without a return end that",
    [
      [0, "a b", "a b"],
      [1, "a", "a"],
      [700, "a", "a"],
      [701, "a b", "a b"],
      [702, "a", "a"],
    ],
  ],
  [
    "a member that is missing does not depart while the source fails",
    [
      [0, "a b", "a b"],
      [1, "a", "a"],
      [2, "a b", "a b"],
      [3, "a", "a b"],
      [4, "?", "a b"],
      [60, ".", "a b"],
      [61, "a", "a"],
    ],
  ],
];

describe("the members of a source that reports all of them:", () => {
  for (const [sentence, steps] of cases)
    test(sentence, () => expect(run(new Membership(false), steps)).toEqual(steps));
});

const sampledCases: typeof cases = [
  [
    "one answer that leaves a member out changes nothing",
    [
      [0, "a b c", "a b c"],
      [5, "a b", "a b c"],
      [10, "b c", "a b c"],
      [15, "a c", "a b c"],
    ],
  ],
  [
    "two answers in a row that leave a member out are its departure",
    [
      [0, "a b", "a b"],
      [5, "a", "a b"],
      [10, "a", "a"],
    ],
  ],
  [
    "but not within three seconds",
    [
      [0, "a b", "a b"],
      [1, "a", "a b"],
      [2, "a", "a b"],
      [3, "a", "a b"],
      [4, "a", "a"],
    ],
  ],
];

describe("the members of a source whose answers are samples:", () => {
  for (const [sentence, steps] of sampledCases)
    test(sentence, () => expect(run(new Membership(true), steps)).toEqual(steps));
});

describe("a source", () => {
  test("is stale after five seconds of failures, and not before", () => {
    const membership = new Membership(false);
    membership.answered(membersOf("a"), 0);
    expect(membership.isStale(100_000)).toBe(false);
    membership.failed("timeout", 100_000);
    membership.failed("timeout", 104_000);
    expect([membership.isStale(104_999), membership.isStale(105_000)]).toEqual([false, true]);
    expect(membership.dueAt(104_000)).toBe(105_000);
    membership.answered(membersOf("a"), 106_000);
    expect([membership.isStale(200_000), membership.why]).toEqual([false, ""]);
  });

  test("that reports a server several times counts it once, and leaves nobody out", () => {
    const membership = new Membership(false);
    const named = (weight: number, backup: boolean) =>
      memberAt({ ...template, backup }, { hostname: "a", port: 80, weight });
    membership.answered([named(1, true), named(2, false), named(3, false), named(4, true)], 0);
    membership.settle(0);
    expect(membership.wanted).toMatchObject([{ weight: 2, backup: false }]);
    expect(membership.omitted).toBe(0);
  });

  test("has at most a thousand members: those of before stay, and the rest is counted", () => {
    const membership = new Membership(false);
    const many = Array.from({ length: maxMembers + 5 }, (_, i) => `m${i}`);
    membership.answered(membersOf(`kept ${many[0]}`), 0);
    membership.settle(0);
    membership.answered(membersOf([...many, "kept"].join(" ")), 1);
    membership.settle(1);
    const wanted = membership.wanted.map(({ address }) => address.hostname);
    expect([wanted.length, membership.omitted]).toEqual([maxMembers, 6]);
    expect(wanted).toContain("kept");
  });

  test("that reports other members each time fills no memory", () => {
    const membership = new Membership(false);
    for (let round = 0; round < 50; round++) {
      membership.answered(
        membersOf(Array.from({ length: 500 }, (_, i) => `m${round}-${i}`).join(" ")),
        round * 1_000,
      );
      membership.settle(round * 1_000);
    }
    expect(membership.remembered).toBeLessThanOrEqual(2 * maxMembers);
  });

  test("says when time alone changes its members", () => {
    const membership = new Membership(false);
    run(membership, [
      [0, "a b", ""],
      [1, "a", ""],
      [2, "a b", ""],
      [3, "a", ""],
    ]);
    expect(membership.dueAt(3_000)).toBe(13_000);
    expect(membership.settle(12_999)).toBe(false);
    expect(membership.settle(13_000)).toBe(true);
    expect(membership.dueAt(13_000)).toBe(Infinity);
  });
});
