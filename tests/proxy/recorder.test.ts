import { heapStats } from "bun:jsc";
import { expect, test } from "bun:test";

import type { EndedExchange, RequestRecord } from "../../src/proxy/record.ts";
import { Recorder } from "../../src/proxy/recorder.ts";

const end = {
  requestId: "r",
  clientAddress: "127.0.0.1",
  peerAddress: "127.0.0.1",
  scheme: "http" as const,
  listener: "main",
  protocol: null,
  status: 200,
  bytesIn: 0,
  bytesOut: 0,
  isClientGone: false,
};
const observer = { attemptEnded() {}, retried() {}, notRetried() {}, hedged() {}, refused() {} };

function recording(wantsSlow: (durationMs: number) => boolean = () => false) {
  const records: RequestRecord[] = [];
  const sink = {
    wants: () => false,
    wantsSlow,
    wantsFailed: () => false,
    accept: ({ record }: EndedExchange) => void records.push(record),
  };
  let now = 0;
  const recorder = new Recorder({ clock: () => (now += 1), observer, records: [sink] });
  return { records, recorder };
}

const headOf = (target: string) => ({
  method: "GET",
  target,
  host: "shop.example",
  clientAddress: "127.0.0.1",
  peerAddress: "127.0.0.1",
  scheme: "http" as const,
  listener: "main",
  protocol: null,
  header: () => undefined,
});

test("a record holds only the shown part of a long target and a long key in memory", () => {
  const { records, recorder } = recording(() => true);
  const before = heapStats();
  for (let i = 0; i < 400; i++) {
    recorder.begin();
    const long = Buffer.alloc(100_000, 97 + (i % 20)).toString("latin1");
    recorder.opened(headOf(long), undefined, long.slice(10, 60));
    recorder.ended(end, undefined);
  }
  Bun.gc(true);
  const after = heapStats();
  const grownBytes = after.heapSize + after.extraMemorySize - before.heapSize - before.extraMemorySize;
  expect(records[0]?.target).toHaveLength(2_048);
  expect(records[0]?.key).toHaveLength(50);
  expect(grownBytes).toBeLessThan(10_000_000);
});

test("a WebSocket is not recorded as slow because it was open for long", () => {
  const { records, recorder } = recording((durationMs) => durationMs > 0);
  for (const status of [101, 200]) {
    recorder.begin();
    recorder.opened(headOf("/"), undefined, "");
    recorder.ended({ ...end, status }, undefined);
  }
  expect(records.map(({ status }) => status)).toEqual([200]);
});
