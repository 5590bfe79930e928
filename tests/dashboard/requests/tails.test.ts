import { expect, test } from "bun:test";

import type { AdminResult } from "../../../src/dashboard/admin-client.ts";
import type { RequestListener } from "../../../src/dashboard/requests/request-client.ts";
import { emptyFilter } from "../../../src/dashboard/requests/filter.tsx";
import { type TailClient, LiveTails } from "../../../src/dashboard/requests/live-tail.ts";
import type { RequestList } from "../../../src/requests/recent-requests.ts";
import { FakeTime } from "../../support/fake-time.ts";

test("a list that arrives after its stream has ended does not hide the error", async () => {
  const time = new FakeTime();
  const followed: RequestListener[] = [];
  const lists: ((result: AdminResult<RequestList>) => void)[] = [];
  const client: TailClient = {
    follow: (_, listener) => {
      followed.push(listener);
      return () => {};
    },
    list: () => new Promise((resolve) => lists.push(resolve)),
  };
  const tails = new LiveTails({ schedule: time.schedule, render: () => "" });
  const reader = tails.open(client, emptyFilter)?.getReader();
  const news = async () => new TextDecoder().decode((await reader?.read())?.value);
  expect(await news()).toBe(":\n\n");
  followed[0]?.opened();
  followed[0]?.ended(undefined);
  lists[0]?.({ value: { requests: [], sampled: false } });
  await time.advance(500);
  expect(await news()).toContain('"error":"Cannot reach the admin API: the balancer closed the stream."');
  await time.advance(500);
  expect(await news()).toContain('"error":"Cannot reach the admin API: the balancer closed the stream."');
  followed[1]?.opened();
  lists[1]?.({ value: { requests: [], sampled: false } });
  await time.advance(500);
  expect(await news()).toContain('"error":null');
  await reader?.cancel();
});
