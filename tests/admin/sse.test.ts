import { expect, test } from "bun:test";

import { RequestTail } from "../../src/admin/request-routes.ts";
import type { StoredRequest } from "../../src/requests/recent-requests.ts";
import { FakeTime } from "../support/fake-time.ts";
import { goodRecord } from "../support/records.ts";

/** A tail with fake time and made-up requests. */
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

/** The next message that the client was sent. */
async function read(reader: { read(): Promise<{ value?: Uint8Array | undefined }> }): Promise<string> {
  return new TextDecoder().decode((await reader.read()).value);
}

test("a client gets the requests that match its filter, and the tail is idle when the last client has left", async () => {
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
  expect([tail.clients, watchers.size, time.waits]).toEqual([0, 0, []]);
});

test("a slow client misses requests, gets their number, and is disconnected after two unread heartbeats", async () => {
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
  expect(tail.clients).toBe(0);
  expect(await reader.read().then(String, String)).toContain("does not read");
});
