import { afterEach, describe, expect, test } from "bun:test";
import { startDashboard } from "../../../src/dashboard/dashboard.ts";
import { runtime } from "../../../src/runtime/bun.ts";
import { type FakeAdminApi, startFakeAdminApi } from "../../support/fake-admin-api.ts";
import { linksIn, textOf } from "../../support/dashboard-scene.ts";
import { retriedRequest, someRequest } from "../../support/requests-fixture.ts";
import { until } from "../../support/wait.ts";

const open: Array<() => void | Promise<void>> = [];

afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});

async function scene(): Promise<{ admin: FakeAdminApi; base: string }> {
  const admin = await startFakeAdminApi();
  open.push(() => admin.close());
  const where = { hostname: "127.0.0.1", port: 0, balancerUrl: admin.url, adminUrl: admin.url };
  const dashboard = await startDashboard(where, runtime);
  open.push(() => dashboard.close());
  return { admin, base: `http://127.0.0.1:${dashboard.port}` };
}

async function page(address: string): Promise<{ status: number; text: string }> {
  const response = await fetch(address);
  return { status: response.status, text: await response.text() };
}

interface News {
  readonly rows: string;
  readonly missed: number;
  readonly error: string | null;
}

/** All messages of a tail so far. */
async function tail(address: string): Promise<{ news: News[]; leave(): Promise<void> }> {
  const response = await fetch(address);
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  const news: News[] = [];
  let text = "";
  const read = async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      text += decoder.decode(value, { stream: true });
      const events = text.split("\n\n");
      text = events.pop() ?? "";
      for (const event of events) {
        const data = /^event: requests\ndata: (.*)$/.exec(event)?.[1];
        if (data !== undefined) news.push(JSON.parse(data) as News);
      }
    }
  };
  const reading = read().catch(() => {});
  const leave = async () => {
    await reader.cancel().catch(() => {});
    await reading;
  };
  open.push(leave);
  return { news, leave };
}

describe("the requests page", () => {
  test("queries the admin API with the filter of its address, and links each row to its explanation", async () => {
    const { admin, base } = await scene();
    const { status, text } = await page(`${base}/requests?which=failed&pool=main&status=5xx`);
    expect(status).toBe(200);
    expect(admin.requestsApi.queries).toEqual(["list which=failed&pool=main&status=5xx&limit=50"]);
    expect(text).toContain('href="/requests/6f1e0c2a-00005b"');
    expect(text).toContain("queue_timeout");
    expect(text).not.toContain("hx-sse:connect");
  });

  test("is a list with a form and a refresh link without scripts", async () => {
    const { base } = await scene();
    const { text } = await page(`${base}/requests`);
    expect(text).toContain('<form class="request-filters" method="get" action="/requests"');
    expect(text).toContain("Not live.");
    expect(text.match(/<li class="request"/g)).toHaveLength(40);
  });

  test("folds its filter unless one is typed, and says what is set, each with a link that removes it", async () => {
    const { base } = await scene();
    const foldOf = async (query: string) =>
      /<div class="filter-fold">.*?<\/form>.*?<\/details>(.*?)<\/div>/s.exec(
        (await page(`${base}/requests${query}`)).text,
      ) ?? [];
    const [none = "", noChips] = await foldOf("");
    expect([none.includes("<details>"), none.includes("none set"), noChips]).toEqual([true, true, ""]);
    const [linked = "", chips = ""] = await foldOf(
      "?upstream=checkout-07&outcome=failed%2Cslow&from=-1h&to=now",
    );
    expect([linked.includes("<details>"), linked.includes("2 set")]).toEqual([true, true]);
    expect(textOf(chips)).toMatch(/Upstream checkout-07 Remove .* Outcome Failed and slow Remove /);
    expect(linksIn(chips)).toEqual([
      "/requests?outcome=failed%2Cslow&from=-1h&to=now",
      "/requests?upstream=checkout-07&from=-1h&to=now",
    ]);
    expect((await foldOf("?status=5xx"))[0]).toContain("<details open>");
  });

  test("shows the address for a first request", async () => {
    const { admin, base } = await scene();
    admin.requestsApi.requests = [];
    expect((await page(`${base}/requests`)).text).toContain(`No requests yet. Send one to ${admin.url}.`);
    const { text } = await page(`${base}/requests?method=PUT`);
    expect(text).toContain("No recorded request matches this filter.");
  });

  test("links to older requests, and back to the newest", async () => {
    const { admin, base } = await scene();
    admin.requestsApi.requests = Array.from({ length: 120 }, (_, index) => someRequest(120 - index));
    expect((await page(`${base}/requests`)).text).toContain('href="/requests?before=71"');
    const { text } = await page(`${base}/requests?before=71`);
    expect(text).toContain('href="/requests?before=21"');
    expect(text).toContain('<a class="button" href="/requests">Newest</a>');
  });

  test.each(["__proto__", "constructor", "toString"])("shows a list for the outcome %s", async (outcome) => {
    const { base } = await scene();
    expect((await page(`${base}/requests?outcome=${outcome}`)).text).toContain("<h1>Requests</h1>");
  });

  test("shows the admin API's error for an invalid filter", async () => {
    const { base } = await scene();
    const { status, text } = await page(`${base}/requests?status=teapot`);
    expect(status).toBe(422);
    expect(text).toContain("status must be a number or a class like 4xx");
  });

  test("distinguishes an older balancer, a refused role and an unreachable admin API", async () => {
    const { admin, base } = await scene();
    const response = (status: number, detail: string) => {
      admin.respond = (request, response) => {
        const isOurs = request.url?.startsWith("/api/requests") ?? false;
        response.writeHead(isOurs ? status : 200, { "content-type": "application/json" });
        const me = { kind: "anybody", name: null, role: "admin", login: false };
        response.end(JSON.stringify(isOurs ? { detail } : me));
      };
    };
    response(404, "There is nothing here.");
    expect((await page(`${base}/requests`)).text).toContain("it is older than this dashboard");
    response(403, "This asks for the role operator.");
    const refused = await page(`${base}/requests`);
    expect(refused).toMatchObject({ status: 422 });
    expect(refused.text).toContain("This asks for the role operator.");
    await admin.close();
    const away = await page(`${base}/requests`);
    expect(away.status).toBe(502);
    expect(away.text).toContain("Cannot reach the admin API: connection refused.");
  });
});

describe("the explanation of a request", () => {
  test("contains the account, both attempts, both selections and the ids", async () => {
    const { admin, base } = await scene();
    admin.requestsApi.requests.unshift(retriedRequest(101, { requestId: "shop/cart:1" }));
    const { status, text } = await page(`${base}/requests/${encodeURIComponent("shop/cart:1")}`);
    expect(status).toBe(200);
    for (const expected of [
      ...["It was tried again at localhost:8083", "failed while connecting: connect_refused", "response 200"],
      ...["Connection refused"],
      ...["after connect_refused", "tried before", "shop/cart:1", "4bf92f3577b34da6a3ce929d0e0e4736"],
    ]) {
      expect(text).toContain(expected);
    }
    expect(text.match(/data-chosen="yes"/g)).toHaveLength(2);
    expect(text).not.toContain("style=");
  });

  test("is found by the request's id", async () => {
    const { base } = await scene();
    const response = await fetch(`${base}/requests/find?id=+shop%2Fcart `, { redirect: "manual" });
    expect([response.status, response.headers.get("location")]).toEqual([303, "/requests/shop%2Fcart"]);
  });

  test("of an unknown request states how many are kept", async () => {
    const { base } = await scene();
    const { status, text } = await page(`${base}/requests/unknown-1`);
    expect(status).toBe(404);
    expect(text).toContain("Request not found");
    expect(text).toContain("The last 1,000 requests are kept");
  });
});

describe("the dry run", () => {
  test("distinguishes a request that waits from one that is refused", async () => {
    const { admin, base } = await scene();
    const send = async (refusal: "no_upstream" | null) => {
      admin.requestsApi.dryRun = { ...admin.requestsApi.dryRun, chosen: null, refusal };
      return (await ask(base, { host: "shop.example", target: "/" })).text();
    };
    expect(await send(null)).toContain("It would wait in the queue");
    expect(await send("no_upstream")).toContain("It would be refused: no_upstream");
  });

  const ask = (base: string, fields: Record<string, string>) =>
    fetch(`${base}/requests/dry-run`, {
      method: "POST",
      headers: { Origin: base, "Content-Type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams(fields).toString(),
    });

  test("shows the upstream, the score and why the others are unavailable", async () => {
    const { admin, base } = await scene();
    const response = await ask(base, { host: "shop.example", target: "/cart", headers: "Cookie: a=1" });
    const text = await response.text();
    expect(response.status).toBe(200);
    expect(admin.requestsApi.dryRuns).toEqual([
      {
        method: "GET",
        host: "shop.example",
        target: "/cart",
        clientAddress: "127.0.0.1",
        headers: { cookie: "a=1" },
      },
    ]);
    for (const expected of [
      "It would go to",
      "localhost:8083",
      "5,260",
      "draining, set by ann",
      "Nothing was sent",
    ]) {
      expect(text).toContain(expected);
    }
  });

  test("sends no invalid request, and keeps the form's values", async () => {
    const { admin, base } = await scene();
    const response = await ask(base, { host: "", target: "/kept" });
    const text = await response.text();
    expect(response.status).toBe(422);
    expect(text).toContain("Cannot start the dry run: the host is missing.");
    expect(text).toContain('value="/kept"');
    expect(admin.requestsApi.dryRuns).toEqual([]);
  });
});

describe("the live tail", () => {
  const rows = (news: readonly News[]) => news.map((each) => each.rows).join("");

  test("starts with the latest requests, streams new ones and counts dropped ones", async () => {
    const { admin, base } = await scene();
    const { news } = await tail(`${base}/live/requests?pool=main`);
    await until(() => rows(news).includes("request-100-"), "the latest");
    expect(admin.requestsApi.queries).toEqual(["stream pool=main", "list which=recent&pool=main&limit=50"]);
    admin.requestsApi.add(retriedRequest(101));
    admin.requestsApi.sendMissed(7);
    await until(() => rows(news).includes("request-101-"), "the new request");
    await until(() => news.some(({ missed }) => missed === 7), "the count of what was missed");
    expect(news.filter(({ error }) => error !== null)).toEqual([]);
  });

  test("reports that the balancer is unreachable, and continues when it is back", async () => {
    const { admin, base } = await scene();
    const { news } = await tail(`${base}/live/requests`);
    await until(() => admin.requestsApi.streams === 1, "the stream");
    admin.requestsApi.disconnect();
    await until(() => news.some(({ error }) => error !== null), "the error");
    admin.requestsApi.reconnect();
    await until(() => admin.requestsApi.streams === 1, "the next stream");
    admin.requestsApi.add(someRequest(102));
    await until(() => rows(news).includes("request-102-"), "what came after it");
    expect(news.at(-1)?.error).toBeNull();
  });

  test("limits the rows of one message", async () => {
    const { admin, base } = await scene();
    admin.requestsApi.requests = [];
    const { news } = await tail(`${base}/live/requests`);
    await until(() => admin.requestsApi.streams === 1, "the stream");
    for (let seq = 1; seq <= 1_000; seq++) admin.requestsApi.add(someRequest(seq));
    await until(() => rows(news).includes("request-1000-"), "the newest");
    const shown = rows(news).match(/<li class="request"/g)?.length ?? 0;
    const missed = news.reduce((sum, each) => sum + each.missed, 0);
    expect(shown).toBeLessThanOrEqual(500);
    expect(missed).toBeGreaterThanOrEqual(500);
  });

  test("closes the admin API's stream when its viewer leaves", async () => {
    const { admin, base } = await scene();
    const { leave } = await tail(`${base}/live/requests`);
    await until(() => admin.requestsApi.streams === 1, "the stream");
    await leave();
    await until(() => admin.requestsApi.streams === 0, "its end");
  });

  test("rejects viewers above the limit, and admits one when another leaves", async () => {
    const { base } = await scene();
    const tails = await Promise.all(Array.from({ length: 50 }, () => tail(`${base}/live/requests`)));
    expect((await fetch(`${base}/live/requests`)).status).toBe(503);
    await tails[0]?.leave();
    await until(async () => {
      const response = await fetch(`${base}/live/requests`);
      await response.body?.cancel();
      return response.status === 200;
    }, "a free slot");
  });
});
