import { afterEach, describe, expect, test } from "bun:test";
import { parseAddForm } from "../../src/dashboard/actions/add-upstream.tsx";
import { type Dashboard, startDashboard } from "../../src/dashboard/dashboard.ts";
import { runtime } from "../../src/runtime/bun.ts";
import {
  type FakeAdminApi,
  busySnapshot,
  calmSnapshot,
  pool,
  snapshotOf,
  startFakeAdminApi,
  upstream,
  upstreamsOf,
  withUpstream,
} from "../support/fake-admin-api.ts";
import { noticeProblem, poolOf } from "../support/problem-fixture.ts";
import { until } from "../support/wait.ts";

interface Fixture {
  readonly admin: FakeAdminApi;
  readonly dashboard: Dashboard;
  readonly base: string;
  readonly bugs: unknown[];
}

const open: Array<() => void | Promise<void>> = [];

afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

async function scene(
  options: { snapshot?: ReturnType<typeof calmSnapshot>; adminToken?: string; balancerUrl?: string } = {},
): Promise<Fixture> {
  const { snapshot, balancerUrl, ...rest } = options;
  const admin = await startFakeAdminApi(snapshot);
  const bugs: unknown[] = [];
  const dashboard = await startDashboard(
    {
      hostname: "127.0.0.1",
      port: 0,
      balancerUrl: balancerUrl ?? admin.url,
      adminUrl: admin.url,
      bug: (error) => void bugs.push(error),
      ...rest,
    },
    runtime,
  );
  open.push(
    () => dashboard.close(),
    () => admin.close(),
  );
  return { admin, dashboard, base: `http://127.0.0.1:${dashboard.port}`, bugs };
}

function postMode(
  base: string,
  id: string,
  mode: string,
  headers: Record<string, string> = {},
): Promise<Response> {
  const fields = { upstream: id, reason: "a test", confirmed: "yes" };
  return act(base, { act: mode === "draining" ? "drain" : mode, ...fields }, headers);
}

function act(
  base: string,
  fields: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`${base}/actions`, {
    method: "POST",
    redirect: "manual",
    headers: { Origin: base, "Content-Type": "application/x-www-form-urlencoded", ...headers },
    body: new URLSearchParams(fields).toString(),
  });
}

/** Reads the fragments of a live stream one at a time; what is for the charts is left out. */
async function watch(
  base: string,
  path = "/live",
): Promise<{ next(): Promise<string>; leave(): Promise<void> }> {
  const response = await fetch(base + path);
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  let text = "";
  return {
    async next() {
      for (;;) {
        const end = text.indexOf("\n\n");
        if (end >= 0) {
          const message = text.slice(0, end);
          text = text.slice(end + 2);
          if (/^(:|event: )/.test(message)) continue;
          return message;
        }
        const { done, value } = await reader.read();
        if (done) throw new Error("Cannot read on: the stream has ended");
        text += decoder.decode(value, { stream: true });
      }
    },
    leave: () => reader.cancel(),
  };
}

describe("the page", () => {
  test("shows the whole state without JavaScript", async () => {
    const { base } = await scene();
    const response = await fetch(base);
    const html = await response.text();
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(html).toStartWith("<!doctype html>");
    for (const words of [
      "All 3 upstreams serve",
      "localhost:8082",
      "Reachable",
      "status 200",
      'name="upstream" value="localhost:8081"',
      'action="/actions"',
    ]) {
      expect(html).toContain(words);
    }
    expect(html).not.toMatch(/<script>|<style|\sstyle=|\son\w+=/);
  });

  test("carries the security headers of every response", async () => {
    const { base } = await scene();
    for (const path of ["/", "/live", "/healthz", "/api/status", "/nothing-here", "/assets/none.css"]) {
      const response = await fetch(base + path);
      await response.body?.cancel();
      expect(response.headers.get("content-security-policy")).toBe(
        "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
      );
      expect(response.headers.get("x-content-type-options")).toBe("nosniff");
      expect(response.headers.get("referrer-policy")).toBe("same-origin");
    }
  });

  test("refers to assets that exist, under names that change with their content", async () => {
    const { base } = await scene();
    const html = await (await fetch(base)).text();
    const paths = [...new Set(html.match(/\/assets\/[\w.-]+/g))];
    expect(paths).toHaveLength(5);
    for (const path of paths) {
      expect(path).toMatch(/\.[0-9a-f]{12}\.(css|js|svg)$/);
      const response = await fetch(base + path);
      expect(response.status).toBe(200);
      expect(response.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
      expect((await response.text()).length).toBeGreaterThan(200);
    }
  });

  test("is refused to a foreign Host", async () => {
    const { base } = await scene();
    expect((await fetch(base, { headers: { Host: "evil.example" } })).status).toBe(403);
  });
});

describe("the further pages", () => {
  test("show one upstream in full, without JavaScript", async () => {
    const { base } = await scene({ snapshot: busySnapshot() });
    const response = await fetch(`${base}/upstreams/localhost%3A8082`);
    const html = await response.text();
    expect(response.status).toBe(200);
    for (const words of [
      "<h1>localhost:8082</h1>",
      "9 of the last 60 probes failed",
      "connect_refused",
      "responses in the last minute",
      'name="at" value="localhost:8082"',
    ]) {
      expect(html).toContain(words);
    }
    expect(html).not.toMatch(/<script>|<style|\sstyle=|\son\w+=/);
  });

  test("return 404 for an unknown upstream", async () => {
    const { base } = await scene();
    const response = await fetch(`${base}/upstreams/missing`);
    expect(response.status).toBe(404);
    expect(await response.text()).toContain("No upstream named &quot;missing&quot;.");
  });

  test("stay when the admin API is unreachable, and show the outage", async () => {
    const { admin, base } = await scene();
    const live = await watch(base, "/live/upstreams/localhost%3A8081");
    expect(await live.next()).toContain("Passing");
    await admin.close();
    await until(async () => (await live.next()).includes("The admin API is unreachable: connection refused"));
    await live.leave();
  });

  test("show the configuration with the source of each value, or why not", async () => {
    const { admin, base } = await scene();
    const html = await (await fetch(`${base}/config`)).text();
    for (const words of ["env ADMIN_TOKEN", "(set)", "flag --policy", "file evenkeel.yaml:7"])
      expect(html).toContain(words);
    await admin.close();
    const gone = await fetch(`${base}/config`);
    expect(gone.status).toBe(502);
    expect(await gone.text()).toContain("connection refused");
  });

  test("lead back to themselves after an action", async () => {
    const { base } = await scene();
    const post = async (place: Record<string, string>) => {
      const response = await act(base, { act: "drain", upstream: "localhost:8082", ...place });
      return response.headers.get("location")?.replace(/done=[\w-]+/, "done=KEY");
    };
    expect(await post({ at: "localhost:8082" })).toBe("/upstreams/localhost%3A8082?done=KEY");
    expect(await post({ at: "localhost:8082", from: "-2h", to: "now" })).toBe(
      "/upstreams/localhost%3A8082?from=-2h&to=now&done=KEY",
    );
    expect(await post({ sort: "errors" })).toBe("/?sort=errors&dir=down&done=KEY#upstream-localhost_3a_8082");
    expect(await post({ at: "//evil.example" })).toBe("/upstreams/%2F%2Fevil.example?done=KEY");
  });

  test("have the numbers of their charts as a table", async () => {
    const { base } = await scene();
    expect(await (await fetch(`${base}/numbers?pool=main&from=-24h`)).text()).toContain("Worst p99");
  });
});

describe("an action", () => {
  test("by a plain form leads back to the page, to its upstream", async () => {
    const { admin, base } = await scene();
    const response = await postMode(base, "localhost:8082", "draining");
    expect(response.status).toBe(303);
    const location = response.headers.get("location") ?? "";
    expect(location).toEndWith("#upstream-localhost_3a_8082");
    const html = await (await fetch(base + location)).text();
    expect(html).toContain('id="upstream-localhost_3a_8082"');
    expect(html).toContain("localhost:8082 is draining");
    expect(admin.posts).toEqual([
      {
        id: "localhost:8082",
        mode: "draining",
        reason: "a test",
        actor: "dashboard",
        authorization: undefined,
      },
    ]);
  });

  test("by htmx returns the result; the new state arrives with the stream", async () => {
    const { base } = await scene();
    const live = await watch(base);
    await live.next();
    const response = await postMode(base, "localhost:8082", "maintenance", { "HX-Request": "true" });
    const html = await response.text();
    expect(response.status).toBe(200);
    expect(html).not.toContain("<html");
    expect(html).toContain("localhost:8082 is in maintenance");
    expect(await live.next()).toContain("<span>localhost:8082 in maintenance</span>");
    await live.leave();
  });

  test("sends the admin token with reads and writes", async () => {
    const { admin, base } = await scene({ adminToken: "s3cret" });
    await postMode(base, "localhost:8081", "draining");
    expect(admin.posts[0]?.authorization).toBe("Bearer s3cret");
    expect(await (await fetch(base)).text()).not.toContain("s3cret");
  });

  test("reaches upstreams with any id", async () => {
    const id = `a/b c?d#e%2F"'&ü`;
    const { admin, base } = await scene({ snapshot: snapshotOf(pool({ upstreams: [upstream(id)] })) });
    expect((await postMode(base, id, "draining")).status).toBe(303);
    expect(admin.posts[0]?.id).toBe(id);
    expect(upstreamsOf(admin.snapshot)[0]?.mode).toBe("draining");
  });

  const foreign: ReadonlyArray<readonly [string, Record<string, string>]> = [
    ["another site", { "Sec-Fetch-Site": "cross-site", Origin: "https://example.com" }],
    ["another port of this machine", { "Sec-Fetch-Site": "same-site", Origin: "http://127.0.0.1:1" }],
    ["another origin, by an old browser", { Origin: "https://example.com" }],
    ["a foreign Host", { Host: "evil.example", Origin: "http://evil.example" }],
  ];
  for (const [name, headers] of foreign) {
    test(`from ${name} is refused with 403 and never reaches the admin API`, async () => {
      const { admin, base } = await scene();
      expect((await postMode(base, "localhost:8081", "draining", headers)).status).toBe(403);
      expect(admin.posts).toEqual([]);
    });
  }

  test("is undone by a plain form too, once, and not over a later change", async () => {
    const { admin, base } = await scene();
    const draining = async () => {
      const location = (await postMode(base, "localhost:8082", "draining")).headers.get("location") ?? "";
      const html = await (await fetch(base + location)).text();
      return /action="(\/undo\/[\w-]+)"/.exec(html)?.[1] ?? "";
    };
    const undo = (path: string) =>
      fetch(base + path, { method: "POST", redirect: "manual", headers: { Origin: base }, body: "" });
    const first = await draining();
    expect((await undo(first)).status).toBe(303);
    expect(admin.posts.map(({ mode }) => mode)).toEqual(["draining", "ready"]);
    const again = await undo(first);
    expect(again.status).toBe(422);
    expect(await again.text()).toContain("Cannot undo this action");
    const second = await draining();
    admin.snapshot = withUpstream(admin.snapshot, "localhost:8082", { mode: "maintenance" });
    expect(await (await undo(second)).text()).toContain(
      "The mode of localhost:8082 has since changed to maintenance",
    );
    expect(admin.posts).toHaveLength(3);
  });

  test("that would leave a pool without upstreams must be confirmed, and some need a reason", async () => {
    const { admin, base } = await scene({ snapshot: snapshotOf(pool({ upstreams: [upstream("only")] })) });
    const unconfirmed = await act(base, { act: "drain", upstream: "only" });
    expect(unconfirmed.status).toBe(422);
    expect(await unconfirmed.text()).toContain("Pool main will have no available upstream: clients get 503.");
    const silent = await act(base, { act: "maintenance", upstream: "only", confirmed: "yes" });
    expect(await silent.text()).toContain("Enter a reason");
    expect((await act(base, { act: "drain", upstream: "only", confirmed: "yes" })).status).toBe(303);
    expect(admin.posts).toHaveLength(1);
  });

  test("with an unknown mode is refused", async () => {
    const { admin, base } = await scene();
    expect((await postMode(base, "localhost:8081", "asleep")).status).toBe(422);
    expect(admin.posts).toEqual([]);
  });

  test("that fails returns the error: as a page, and for htmx as a fragment", async () => {
    const { base } = await scene();
    const page = await postMode(base, "missing", "draining");
    expect(page.status).toBe(422);
    expect(await page.text()).toContain("There is no such upstream.");
    const notice = await postMode(base, "missing", "draining", { "HX-Request": "true" });
    expect(notice.status).toBe(422);
    expect(await notice.text()).toStartWith('<hx-partial hx-target="#panel"');
  });

  test("fails with 502 when the admin API is down", async () => {
    const { admin, base } = await scene();
    await admin.close();
    const response = await postMode(base, "localhost:8081", "draining");
    expect(response.status).toBe(502);
    expect(await response.text()).toContain("connection refused");
  });
});

describe("adding an upstream", () => {
  test("goes to the pool of its link, whichever pool the charts show, and leads back to those charts", async () => {
    const { base } = await scene({ snapshot: snapshotOf(poolOf("web", 2), poolOf("media", 2)) });
    const page = await (await fetch(`${base}/?pool=web`)).text();
    const link = /href="(\/actions\/add[^"]*)"[^>]*aria-label="Add upstream to media"/.exec(page)?.[1] ?? "";
    const form = await (await fetch(base + link.replaceAll("&amp;", "&"))).text();
    expect(form).toContain("Add upstream to media");
    expect(form).toContain('href="/?pool=web"');
    const fields = new URLSearchParams();
    for (const [, name = "", value = ""] of form.matchAll(/type="hidden" name="([^"]*)" value="([^"]*)"/g))
      fields.set(name, value);
    expect(parseAddForm(fields)?.pool).toBe("media");
  });
});

describe("the live stream", () => {
  test("sends complete fragments when the state changes", async () => {
    const { admin, base } = await scene();
    const live = await watch(base);
    expect(await live.next()).toContain("All 3 upstreams serve");
    admin.snapshot = withUpstream(admin.snapshot, "localhost:8083", { fit: false, status: "failing" });
    await until(async () => (await live.next()).includes("2 of 3 upstreams serve"), "the new verdict");
    await live.leave();
  });

  test("goes on after a message of any size", async () => {
    const { admin, base } = await scene();
    admin.snapshot = snapshotOf(poolOf("web", 100));
    const live = await watch(base, "/live?open=web");
    expect(await live.next()).toContain("web-100");
    admin.snapshot = { ...admin.snapshot, problems: [noticeProblem()] };
    await until(async () => (await live.next()).includes("ends in 9 days"), "the next message");
    await live.leave();
  });

  test("shares one poll among all viewers, and does not poll without viewers", async () => {
    const { admin, base } = await scene();
    const viewers = await Promise.all(Array.from({ length: 8 }, () => watch(base)));
    for (const viewer of viewers) {
      await viewer.next();
      await viewer.next();
    }
    expect(admin.reads).toBeLessThanOrEqual(4);
    for (const viewer of viewers) await viewer.leave();
    // A poll in flight may still arrive; after that there is silence for more than a second.
    let [reads, since] = [admin.reads, performance.now()];
    await until(() => {
      if (admin.reads !== reads) [reads, since] = [admin.reads, performance.now()];
      return performance.now() - since > 1_500;
    }, "silence");
    expect(admin.reads).toBeLessThanOrEqual(5);
  });

  test("shows an action to all viewers at once", async () => {
    const { base } = await scene();
    const live = await watch(base);
    await live.next();
    await postMode(base, "localhost:8081", "draining");
    expect(await live.next()).toContain("localhost:8081 draining");
    await live.leave();
  });

  test("ends when the dashboard stops, which waits for nothing else", async () => {
    const { base, dashboard } = await scene();
    const live = await watch(base);
    await live.next();
    const stopped = dashboard.stop();
    await until(() => live.next().then(() => false, () => true), "the end of the stream"); // prettier-ignore
    await stopped;
  });
});

describe("without the admin API", () => {
  test("the last known state stays, marked as stale, until the admin API responds again", async () => {
    const { admin, base } = await scene();
    const live = await watch(base);
    expect(await live.next()).not.toContain("stale");
    await admin.close();
    let message = "";
    await until(async () => (message = await live.next()).includes("The admin API is unreachable"));
    for (const words of [
      "connection refused",
      "showing data read",
      "upstream-localhost_3a_8083",
      "known stale",
    ]) {
      expect(message).toContain(words);
    }
    const revived = await startFakeAdminApi(calmSnapshot(), admin.port);
    open.push(() => revived.close());
    await until(async () => (await live.next()).includes("All 3 upstreams serve"), "the recovery", 10_000);
    await live.leave();
  });

  test("a dashboard without a first snapshot shows what to do", async () => {
    const { admin, base } = await scene();
    await admin.close();
    const html = await (await fetch(base)).text();
    expect(html).toContain("No response from a balancer at");
    expect(html).toContain("evenkeel proxy");
  });

  test("a rejected token is shown as such, not as a missing balancer", async () => {
    const { admin, base } = await scene();
    admin.respond = (_, response) => response.writeHead(401).end("{}");
    const html = await (await fetch(base)).text();
    expect(html).toContain("rejected this dashboard&#x27;s token");
    expect(html).toContain("ADMIN_TOKEN");
    expect(html).not.toContain("No response from a balancer");
  });

  test("something else at that address is named as such", async () => {
    const { admin, base } = await scene();
    admin.respond = (_, response) => response.end('{"hello":"world"}');
    expect(await (await fetch(base)).text()).toContain("Unexpected response from the admin API");
  });

  test("a wrong token is named as such", async () => {
    const { admin, base } = await scene();
    admin.respond = (_, response) => response.writeHead(401).end();
    expect(await (await fetch(base)).text()).toContain("The admin API rejected this dashboard&#x27;s token");
  });

  test("an admin API that hangs is given up after two seconds", async () => {
    const { admin, base } = await scene();
    admin.respond = () => {};
    expect(await (await fetch(base)).text()).toContain("timed out");
  });
});

describe("/api/status", () => {
  interface StatusAnswer {
    readonly verdict: { readonly tone: string; readonly headline: string };
    readonly frontDoor: {
      readonly reachable: boolean;
      readonly status: number | null;
      readonly detail: string;
    };
    readonly outage: { readonly reason: string } | null;
    readonly snapshot: { readonly pools: readonly unknown[] } | null;
  }
  const statusOf = async (base: string) => (await (await fetch(`${base}/api/status`)).json()) as StatusAnswer;

  test("is the same as JSON", async () => {
    const { base } = await scene();
    const status = await statusOf(base);
    expect(status.verdict).toMatchObject({
      tone: "good",
      headline: "On an even keel. All 3 upstreams serve.",
    });
    expect(status.frontDoor).toMatchObject({ reachable: true, status: 200 });
    expect(status.outage).toBeNull();
    expect(status.snapshot?.pools).toHaveLength(1);
  });

  test("shows when the client listener is unreachable", async () => {
    const gone = await startFakeAdminApi();
    await gone.close();
    const { base } = await scene({ balancerUrl: gone.url });
    const { frontDoor } = await statusOf(base);
    expect(frontDoor).toMatchObject({ reachable: false, status: null, detail: "connection refused" });
  });

  test("shows when the client listener returns an error", async () => {
    const listener = await startFakeAdminApi();
    listener.respond = (_, response) => response.writeHead(503).end();
    open.push(() => listener.close());
    const { base } = await scene({ balancerUrl: listener.url });
    expect((await statusOf(base)).frontDoor).toMatchObject({ reachable: false, status: 503 });
  });
});

test("/healthz sends no request to the balancer", async () => {
  const { admin, base, bugs } = await scene();
  expect(await (await fetch(`${base}/healthz`)).json()).toEqual({ status: "alive" });
  expect((await fetch(`${base}/nothing-here`)).status).toBe(404);
  expect(admin.reads).toBe(0);
  expect(bugs).toEqual([]);
});

test("the client listener is checked rarely, regardless of the number of viewers", async () => {
  let looks = 0;
  const listener = await startFakeAdminApi();
  listener.respond = (_, response) => {
    looks += 1;
    response.end();
  };
  open.push(() => listener.close());
  const { base } = await scene({ balancerUrl: listener.url });
  const viewers = await Promise.all([watch(base), watch(base), watch(base)]);
  for (const viewer of viewers) for (let i = 0; i < 3; i++) await viewer.next();
  expect(looks).toBe(1);
  for (const viewer of viewers) await viewer.leave();
});

test("the overview and the page of a member say where it comes from, and how its source is", async () => {
  const snapshot = busySnapshot();
  const { base } = await scene({ snapshot });
  const overview = await (await fetch(base)).text();
  expect(overview).toContain("dns api.internal:8083: failing for");
  const page = await (await fetch(`${base}/upstreams/localhost%3A8083`)).text();
  expect(page).toContain("api-7 from dns api.internal:8083, which reports it no more");
  expect(page).toContain("dns api.internal:8083: failing for");
});
