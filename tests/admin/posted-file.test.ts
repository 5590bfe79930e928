import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { BalancerFixture } from "../support/balancer-fixture.ts";

/** The answer to a dry run of a posted file, and the processor time that it took, milliseconds. */
async function check(admin: string, body: string) {
  const before = process.cpuUsage();
  const response = await fetch(`${admin}/api/reload?dry=1`, { method: "POST", body });
  const answer = (await response.json()) as { readonly detail?: string; readonly problems?: string[] };
  const { user, system } = process.cpuUsage(before);
  return { status: response.status, answer, costMs: (user + system) / 1_000 };
}

const unknownKeys = (count: number) => Array.from({ length: count }, (_, i) => `k${i}: 1\n`).join("");

describe("a posted configuration", () => {
  const fixture = new BalancerFixture();
  beforeAll(async () => {
    await fixture.startServers("a");
    fixture.write(fixture.poolWith(["a"]));
    await fixture.start();
  });
  afterAll(() => fixture[Symbol.asyncDispose]());

  test("with 8,000 unknown keys gets fifty problems and the number of the others", async () => {
    const { status, answer, costMs } = await check(fixture.admin, unknownKeys(8_000));
    expect(status).toBe(422);
    expect(answer.detail).toContain("8000 problems");
    expect(answer.problems).toHaveLength(51);
    expect(answer.problems?.at(-1)).toBe("And 7950 more problems.");
    // Clients wait meanwhile. It took 4 s.
    expect(costMs).toBeLessThan(1_500);
  });

  test("with 100,000 unknown keys is refused before it is parsed", async () => {
    const { status, answer, costMs } = await check(fixture.admin, unknownKeys(100_000));
    expect(status).toBe(413);
    expect(answer.detail).toContain("it has more values than a request may check");
    expect(costMs).toBeLessThan(200);
  });

  test("with 6,000 upstreams is checked", async () => {
    const lines = Array.from({ length: 6_000 }, (_, i) => `      - http://10.0.${i >> 8}.${i & 255}:80\n`);
    const { status, costMs } = await check(
      fixture.admin,
      `pools:\n  main:\n    upstreams:\n${lines.join("")}`,
    );
    expect(status).toBe(200);
    expect(costMs).toBeLessThan(2_000);
  });
});
