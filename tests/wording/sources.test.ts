import { describe, expect, test } from "bun:test";

import type { SourceSnapshot } from "../../src/snapshot/snapshot.ts";
import { isTroubled, originText, sourceText, sourceTextOf } from "../../src/wording/sources.ts";
import { pool, upstream } from "../support/fake-admin-api.ts";

const now = 1e12;
const current: SourceSnapshot = {
  ...{ source: "dns api.internal:80", state: "current", why: "", skipped: [] },
  ...{ answeredAt: now - 3_000, since: null, members: 3, omitted: 0, failures: 0 },
};

const plain = (text: string) => text.replaceAll("\u00a0", " ").replaceAll("\u202f", " ");

describe("a source of members is described", () => {
  const cases: readonly (readonly [Partial<SourceSnapshot>, string, boolean])[] = [
    [{}, "dns api.internal:80: 3 members, answered 3 s ago", false],
    [{ members: 1, answeredAt: now }, "dns api.internal:80: 1 member, answered now", false],
    [
      { state: "waiting", answeredAt: null, why: "refused", members: 0 },
      "dns api.internal:80: no answer yet (refused)",
      true,
    ],
    [
      { state: "waiting", answeredAt: null },
      "dns api.internal:80: no answer yet, keeps 3 members of before the restart",
      true,
    ],
    [
      { state: "stale", why: "SERVFAIL", since: now - 60_000, answeredAt: now - 120_000 },
      "dns api.internal:80: failing for 1 min (SERVFAIL), keeps 3 members; last answer 2 min ago",
      true,
    ],
    [
      { state: "absent", why: "there is no such name", since: now - 5_000 },
      "dns api.internal:80: nothing found for 5 s (there is no such name), keeps 3 members",
      true,
    ],
    [
      { omitted: 2, skipped: ["web-1: it has no port"] },
      "dns api.internal:80: 3 members, answered 3 s ago; 2 above the limit left out; left out: web-1: it has no port",
      true,
    ],
  ];
  for (const [change, text, troubled] of cases)
    test(text, () => {
      const source = { ...current, ...change };
      expect(plain(sourceText(source, now))).toBe(text);
      expect(isTroubled(source)).toBe(troubled);
    });
});

test("a member says where it comes from, by its name there, and whether it is still reported", () => {
  const member = (name: string | null, gone: boolean) =>
    upstream("main:10.0.0.1:80", { discovered: { source: current.source, name, gone } });
  expect(originText(member(null, false))).toBe("from dns api.internal:80");
  expect(originText(member("api-7", true))).toBe("api-7 from dns api.internal:80, which reports it no more");
  expect(originText(upstream("a"))).toBeUndefined();
  expect(sourceTextOf(member(null, false), pool({ discovery: [current] }), now)).toBe(
    sourceText(current, now),
  );
  expect(sourceTextOf(member(null, false), pool(), now)).toBeUndefined();
});
