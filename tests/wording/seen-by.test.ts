import { expect, test } from "bun:test";

import { problemLines } from "../../src/commands/problem-lines.ts";
import { problemOf } from "../support/problems.ts";

const layout = { hasColour: false };
const shared = problemOf("p-aaaaa", { seenBy: ["fra-1", "fra-2"] });
const alone = problemOf("p-aaaaa");

test("a problem names the balancers that see it, if there is more than one", () => {
  const [, facts] = problemLines([shared], layout);
  expect(facts).toEndWith(" · 1 in 40 requests, 13,020 so far · seen by fra-1 and fra-2");
  expect(problemLines([alone], layout).join()).not.toContain("seen by");
  const many = problemOf("p-aaaaa", { seenBy: Array.from({ length: 40 }, (_, index) => `lb-${index}`) });
  expect(problemLines([many], layout)[1]).toEndWith("seen by lb-0, lb-1, lb-2 and 37 more");
});
