import { describe, expect, test } from "bun:test";

import type { RequestRecord } from "../../src/proxy/record.ts";
import { RequestSampler } from "../../src/requests/sampler.ts";
import { endedWith, goodRecord } from "../support/records.ts";

const ended = (record: Partial<RequestRecord>) => endedWith({ ...goodRecord, ...record });

function setUp() {
  const now = { ms: 0 };
  const taken: RequestRecord[] = [];
  const sampler = new RequestSampler(
    () => now.ms,
    (one) => void taken.push(one),
  );
  return { now, taken, sieve: sampler };
}

describe("a sieve of requests", () => {
  test("keeps everything of a quiet balancer, and a sample of a busy one", () => {
    const { now, sieve: sampler } = setUp();
    for (let second = 0; second < 3; second++) {
      now.ms = second * 1_000;
      const wanted = Array.from({ length: 40 }, () => sampler.wants());
      expect(wanted.every(Boolean)).toBe(true);
    }
    expect(sampler.skipped).toBe(0);
    now.ms = 5_000;
    const wanted = Array.from({ length: 10_000 }, () => sampler.wants());
    expect(wanted.filter(Boolean)).toHaveLength(50);
    expect(sampler.skipped).toBe(9_950);
  });

  test("keeps failed ones besides, but not every one of an outage", () => {
    const { now, sieve: sampler } = setUp();
    now.ms = 1_000;
    for (let i = 0; i < 50; i++) sampler.wants();
    expect(Array.from({ length: 1_000 }, () => sampler.wantsFailed()).filter(Boolean)).toHaveLength(200);
  });

  test("keeps whatever is slower than the hundredth slowest, for ten minutes", () => {
    const { now, sieve: sampler, taken } = setUp();
    for (let ms = 1; ms <= 100; ms++) {
      expect(sampler.wantsSlow(ms)).toBe(true);
      sampler.accept(ended({ durationMs: ms }));
    }
    expect(sampler.wantsSlow(1)).toBe(false);
    expect(sampler.wantsSlow(1.5)).toBe(true);
    sampler.accept(ended({ durationMs: 1.5 }));
    expect(sampler.wantsSlow(1.5)).toBe(false);
    now.ms = 700_000;
    sampler.accept(ended({ durationMs: 500 }));
    expect(sampler.wantsSlow(0.1)).toBe(true);
    expect(taken).toHaveLength(102);
  });
});

test("a sieve lets no WebSockets raise what a slow request has to exceed", () => {
  const { sieve: sampler, now } = setUp();
  now.ms = 1_000;
  for (let i = 0; i < 200; i++) sampler.accept(ended({ durationMs: 3_600_000, status: 101 }));
  expect(sampler.wantsSlow(900)).toBe(true);
});
