import { afterAll, describe, expect, test } from "bun:test";

import { requestRoutes, RequestTail } from "../../src/admin/request-routes.ts";
import type { RequestRecord } from "../../src/proxy/record.ts";
import { Requests } from "../../src/requests/requests.ts";
import { runtime } from "../../src/runtime/bun.ts";
import type { WebListener } from "../../src/runtime/runtime.ts";
import { FakeTime } from "../support/fake-time.ts";
import { goodRecord } from "../support/records.ts";
import { until } from "../support/wait.ts";

const open: WebListener[] = [];
afterAll(() => open.forEach((listener) => listener.close()));

interface Received {
  readonly id: number;
  readonly target: string;
}

/** The tail behind a real listener, of a balancer started at this time (epoch milliseconds). */
async function stand(startedAt = 1_000_000) {
  const time = new FakeTime();
  const requests = new Requests({
    registry: { routes: [], members: [] } as never,
    clock: time.clock,
    wallClock: () => startedAt + time.clock(),
  });
  const tail = new RequestTail({ requests, schedule: time.schedule });
  const app = requestRoutes(requests, tail, { idOf: (reference) => reference });
  const handle = (request: Request) => app.fetch(request);
  const listener = await runtime.serve({ hostname: "127.0.0.1", port: 0, handle });
  open.push(listener);
  const end = (target: string, more: Partial<RequestRecord> = {}) =>
    requests.adopt([{ ...goodRecord, requestId: target, target, ...more }], false);
  const listen = async (query = "", headers: Record<string, string> = {}) => {
    const response = await fetch(`http://127.0.0.1:${listener.port}/api/requests/stream?${query}`, {
      headers,
    });
    const received: Received[] = [];
    const text = { all: "" };
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    void (async () => {
      for (;;) {
        const chunk = await reader?.read().catch(() => undefined);
        if (!chunk || chunk.done) return;
        text.all += chunk.value;
        received.length = 0;
        for (const [, id, data = ""] of text.all.matchAll(/^event: request\nid: (\d+)\ndata: (.*)\n\n/gm)) {
          received.push({ id: Number(id), target: (JSON.parse(data) as RequestRecord).target });
        }
      }
    })();
    const targets = () => received.map(({ target }) => target).join(" ");
    return { status: response.status, received, targets, text, stop: () => reader?.cancel() };
  };
  return { end, listen };
}

describe("the stream of requests", () => {
  test("resumes after Last-Event-ID with the requests that ended meanwhile, within the filter", async () => {
    const { end, listen } = await stand();
    const first = await listen("status=2xx");
    end("/1");
    end("/2");
    await until(() => first.targets() === "/1 /2", "both");
    await first.stop();
    end("/3");
    end("/4", { status: 503 });
    end("/5");
    const last = String(first.received[1]?.id);
    const second = await listen("status=2xx", { "Last-Event-ID": last });
    await until(() => second.targets() === "/3 /5", "what was missed");
    end("/6");
    await until(() => second.targets() === "/3 /5 /6", "what comes");
    const byQuery = await listen(`after=${last}`);
    await until(() => byQuery.targets() === "/3 /4 /5 /6", "what was missed, by the query");
    await Promise.all([second.stop(), byQuery.stop()]);
  });

  test("begins with the next request without a number, and with everything after a restart", async () => {
    const before = await stand(1_000_000);
    before.end("/old");
    const fresh = await before.listen();
    before.end("/next");
    await until(() => fresh.targets() === "/next", "the next one");
    await fresh.stop();
    const after = await stand(1_060_000);
    after.end("/since-the-start");
    const back = await after.listen("", { "Last-Event-ID": String(fresh.received[0]?.id) });
    await until(() => back.targets() === "/since-the-start", "what came since the restart");
    await back.stop();
  });

  test("is bounded for a client that reconnects late, and sends it the number it missed", async () => {
    const { end, listen } = await stand();
    const target = `/${"x".repeat(1_000)}`;
    for (let i = 0; i < 999; i++) end(target);
    const back = await listen("after=0");
    await until(() => back.received.length > 80, "some of them");
    end("/last");
    await until(() => back.text.all.includes("event: missed"), "how many were missed");
    const missed = Number(/event: missed\ndata: \{"count":(\d+)\}/.exec(back.text.all)?.[1]);
    expect(missed + back.received.length).toBe(1_000);
    await back.stop();
  });

  test("ignores an invalid Last-Event-ID, but rejects an invalid query", async () => {
    const { listen } = await stand();
    const odd = await listen("", { "Last-Event-ID": "x" });
    expect([odd.status, (await listen("after=x")).status]).toEqual([200, 400]);
    await odd.stop();
  });
});
