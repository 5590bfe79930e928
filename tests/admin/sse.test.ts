import { expect, test } from "bun:test";

import { RequestTail } from "../../src/admin/request-routes.ts";
import type { StoredRequest } from "../../src/requests/recent-requests.ts";
import { FakeTime } from "../support/fake-time.ts";
import { goodRecord } from "../support/records.ts";

/** A tail on time that a test moves, and requests that it makes up. */
function stand() {
  const time = new FakeTime();
  const watchers = new Set<(request: StoredRequest) => void>();
  const watch = (watcher: (request: StoredRequest) => void) => {
    watchers.add(watcher);
    return () => void watchers.delete(watcher);
  };
  const tail = new RequestTail({ requests: { since: () => [], watch }, schedule: time.schedule });
  let seq = 0;
  const add = (more: Partial<StoredRequest> = {}) => {
    seq += 1;
    for (const watcher of watchers) watcher({ ...goodRecord, ...more, seq });
  };
  return { time, tail, add, watchers };
}

/** What a reader has been sent so far, message by message. */
async function read(reader: { read(): Promise<{ value?: Uint8Array | undefined }> }): Promise<string> {
  return new TextDecoder().decode((await reader.read()).value);
}

test("a listener gets what its filter lets through, and the tail rests when the last one has left", async () => {
  const { time, tail, add, watchers } = stand();
  const reader = tail.open({ query: { status: "5xx" }, after: null })?.getReader();
  if (!reader) throw new Error("refused");
  expect(await read(reader)).toBe("retry: 1000\n\n");
  add();
  add({ status: 503 });
  expect(await read(reader)).toStartWith('event: request\nid: 2\ndata: {"requestId":"r-1"');
  await time.advance(15_000);
  expect(await read(reader)).toBe(":\n\n");
  await reader.cancel();
  expect([tail.listeners, watchers.size, time.waits]).toEqual([0, 0, []]);
});

test("a listener that is behind misses requests, is told how many, and is cut after two beats of reading nothing", async () => {
  const { time, tail, add } = stand();
  const reader = tail.open({ query: {}, after: null })?.getReader();
  if (!reader) throw new Error("refused");
  expect(await read(reader)).toBe("retry: 1000\n\n");
  const target = `/${"x".repeat(99_999)}`;
  for (let i = 0; i < 10; i++) add({ target });
  const sent = [await read(reader), await read(reader), await read(reader)];
  expect(sent.map((text) => /^id: (\d+)$/m.exec(text)?.[1])).toEqual(["1", "2", "3"]);
  add();
  expect(await read(reader)).toBe('event: missed\ndata: {"count":7}\n\n');
  expect(await read(reader)).toStartWith("event: request\nid: 11\n");
  for (let i = 0; i < 3; i++) add({ target });
  await time.advance(30_000);
  expect(tail.listeners).toBe(0);
  expect(await reader.read().then(String, String)).toContain("does not read");
});
