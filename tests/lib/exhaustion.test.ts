import { describe, expect, test } from "bun:test";

import { Exhaustion } from "../../src/lib/exhaustion.ts";

function setUp(reportsEinval = false) {
  const system = { now: 0, problem: undefined as string | undefined };
  const exhaustion = new Exhaustion({
    clock: () => system.now,
    descriptorProblem: () => system.problem,
    reportsEinval,
  });
  return { system, exhaustion };
}

describe("the cause of a failed connect", () => {
  test.each(["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EADDRNOTAVAIL", "EAGAIN"])(
    "is this process for %s",
    (code) => {
      const { exhaustion } = setUp();
      expect(exhaustion.ownCodeOf(code)).toBe(code);
    },
  );

  test.each(["ECONNREFUSED", "ConnectionRefused", "FailedToOpenSocket", "ENOTFOUND", "EAI_AGAIN", "19", ""])(
    'is the peer for "%s", but this process while it can open no file, and for a second after',
    (code) => {
      const { exhaustion, system } = setUp();
      expect(exhaustion.ownCodeOf(code)).toBeUndefined();
      system.problem = "EMFILE";
      expect(exhaustion.ownCodeOf(code)).toBe("EMFILE");
      system.problem = undefined;
      system.now += 999;
      expect(exhaustion.ownCodeOf(code)).toBe("EMFILE");
      system.now += 1;
      expect(exhaustion.ownCodeOf(code)).toBeUndefined();
    },
  );

  test.each(["ECONNRESET", "ETIMEDOUT", "EHOSTUNREACH", "CERT_HAS_EXPIRED"])(
    "is the peer for %s, whatever is short",
    (code) => {
      const { exhaustion, system } = setUp();
      system.problem = "EMFILE";
      expect(exhaustion.ownCodeOf(code)).toBeUndefined();
    },
  );

  test("is counted by code", () => {
    const { exhaustion } = setUp();
    expect(exhaustion.counts).toEqual({});
    for (const code of ["EMFILE", "EADDRNOTAVAIL", "EMFILE"]) exhaustion.count(code);
    expect(exhaustion.counts).toEqual({ EMFILE: 2, EADDRNOTAVAIL: 1 });
  });

  test("is a lack of ports for EINVAL under Deno", () => {
    expect(setUp(true).exhaustion.ownCodeOf("EINVAL")).toBe("EADDRNOTAVAIL");
    expect(setUp(false).exhaustion.ownCodeOf("EINVAL")).toBeUndefined();
  });

  test("a lack of ports to one peer does not excuse refusals of others", () => {
    const { exhaustion } = setUp();
    exhaustion.ownCodeOf("EADDRNOTAVAIL");
    expect(exhaustion.ownCodeOf("ECONNREFUSED")).toBeUndefined();
  });
});
