import { describe, expect, test } from "bun:test";

import { problemsOf, parsed } from "./fake.ts";

const commandOf = (argv: string) => parsed("verb", { argv }).verb;

describe("rehearse", () => {
  test("describes the fault in the units of the API", () => {
    const argv =
      "rehearse a --latency 2s --errors 0.3 --kind connect_reset --for 1m --probes --force --reason x";
    expect(commandOf(argv)).toEqual({
      verb: "rehearse",
      reason: "x",
      upstream: "a",
      method: "PUT",
      body: {
        latencyMs: 2_000,
        errorShare: 0.3,
        error: "connect_reset",
        seconds: 60,
        probes: true,
        force: true,
      },
    });
    expect(commandOf("rehearse a --errors 1")).toMatchObject({ body: { errorShare: 1 } });
  });

  test("stops a fault", () => {
    const order = { verb: "rehearse", upstream: "a", method: "DELETE", body: {}, reason: "seen" } as const;
    expect(commandOf("rehearse a --end --reason seen")).toEqual(order);
  });

  test("reports every problem at once", () => {
    expect(problemsOf({ argv: "rehearse a --latency 2 --errors x --for soon" })).toEqual([
      'Cannot use --latency: expected a duration such as 2s (received "2").',
      'Cannot use --for: expected a duration such as 30s (received "soon").',
      'Cannot use --errors: expected a number from 0 to 1 (received "x").',
    ]);
    expect(problemsOf({ argv: "rehearse a --end --errors 1 --for 1s" })).toEqual([
      "Cannot use --errors: not allowed together with --end.",
      "Cannot use --for: not allowed together with --end.",
    ]);
  });
});
