import { describe, expect, test } from "bun:test";

import type { RequestRecord } from "../../src/proxy/record.ts";
import { RequestSampler } from "../../src/requests/sampler.ts";
import { endedWith, goodRecord } from "../support/records.ts";

const ended = (record: Partial<RequestRecord>) => endedWith({ ...goodRecord, ...record });

function setUp() {
  const now = { ms: 0 };
  const stored: RequestRecord[] = [];
  const sampler = new RequestSampler(
    () => now.ms,
    (record) => void stored.push(record),
  );
  return { now, stored, sampler };
}

describe("a request sampler", () => {
  test("stores everything while traffic is low, and a sample while it is high", () => {
    const { now, sampler } = setUp();
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

  test("stores failed ones in addition, but not every one of an outage", () => {
    const { now, sampler } = setUp();
    now.ms = 1_000;
    for (let i = 0; i < 50; i++) sampler.wants();
    expect(Array.from({ length: 1_000 }, () => sampler.wantsFailed()).filter(Boolean)).toHaveLength(200);
  });

  test("stores all that are slower than the hundredth slowest of ten minutes", () => {
    const { now, sampler, stored } = setUp();
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
    expect(stored).toHaveLength(102);
  });
});

test("WebSockets do not raise the limit for slow requests", () => {
  const { sampler, now } = setUp();
  now.ms = 1_000;
  for (let i = 0; i < 200; i++) sampler.accept(ended({ durationMs: 3_600_000, status: 101 }));
  expect(sampler.wantsSlow(900)).toBe(true);
});
