import { afterEach, describe, expect, test } from "bun:test";

import { digestOf } from "../../src/lib/secrets.ts";
import { type DashboardOptions, startDashboard } from "../../src/dashboard/dashboard.ts";
import { runtime } from "../../src/runtime/bun.ts";
import { accountsOf, type AdminStand, startAdminStand } from "../admin/fixture.ts";
import { calmSnapshot } from "../support/fake-admin-api.ts";
import { until } from "../support/wait.ts";

const { users = [] } = await accountsOf();
const open: Array<() => void> = [];

afterEach(() => {
  for (const close of open.splice(0).toReversed()) close();
});

interface Fixture {
  admin: AdminStand;
  readonly base: string;
  readonly bugs: unknown[];
}

async function scene(
  accounts = { users } as AdminStand["accounts"],
  adminToken?: string,
  hostname = "127.0.0.1",
  trust: Pick<DashboardOptions, "isTrustedProxy" | "dashboardSecret"> = {},
): Promise<Fixture> {
  const admin = await startAdminStand(accounts, {
    snapshot: calmSnapshot(),
    dashboardSecret: "of this process",
  });
  const bugs: unknown[] = [];
  const adminUrl = `http://127.0.0.1:${admin.port}`;
  const dashboard = await startDashboard(
    {
      hostname,
      port: 0,
      balancerUrl: adminUrl,
      adminUrl,
      ...(adminToken === undefined ? {} : { adminToken }),
      ...trust,
      bug: (error) => void bugs.push(error),
    },
    runtime,
  );
  const state = { admin, base: `http://127.0.0.1:${dashboard.port}`, bugs };
  open.push(
    () => dashboard.close(),
    () => state.admin[Symbol.dispose](),
  );
  return state;
}

/** A browser as far as cookies, forms and redirects go. */
class Browser {
  readonly #base: string;
  readonly cookies = new Map<string, string>();
  /** Every Set-Cookie field that came. */
  readonly fields: string[] = [];
  constructor(base: string) {
    this.#base = base;
  }

  async ask(path: string, init: { method?: string; body?: string; headers?: Record<string, string> } = {}) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const form: Record<string, string> =
      init.body === undefined ? {} : { "Content-Type": "application/x-www-form-urlencoded" };
    const response = await fetch(this.#base + path, {
      ...init,
      redirect: "manual",
      headers: { Accept: "text/html", Origin: this.#base, Cookie: cookie, ...form, ...init.headers },
    });
    for (const field of response.headers.getSetCookie()) {
      this.fields.push(field);
      const [pair = ""] = field.split(";");
      const [name = "", value = ""] = pair.split("=");
      if (/Max-Age=0/.test(field)) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return response;
  }

  async text(path: string) {
    return (await this.ask(path)).text();
  }

  post(path: string, fields: Record<string, string>, headers: Record<string, string> = {}) {
    return this.ask(path, { method: "POST", body: new URLSearchParams(fields).toString(), headers });
  }

  async login(name: string, password = `${name}'s password`, next = "/") {
    const csrf = csrfIn(await this.text(`/login?next=${encodeURIComponent(next)}`));
    return this.post("/login", { name, password, csrf, next });
  }

  get session(): string {
    return [...this.cookies].find(([name]) => name.includes("session"))?.[1] ?? "";
  }
}

function csrfIn(html: string): string {
  return /name="csrf" value="([^"]*)"/.exec(html)?.[1] ?? "";
}

/** A form that changes something. */
const drain = "/actions";
const draining = { act: "drain", upstream: "localhost:8081" };

describe("a dashboard whose balancer has users", () => {
  test("leaves room for live pages of others when one user has many open", async () => {
    const { base } = await scene();
    const [vera, otto] = [new Browser(base), new Browser(base)];
    await vera.login("vera");
    await otto.login("otto");
    const live: Response[] = [];
    for (let i = 0; i < 16; i++) live.push(await vera.ask("/live"));
    expect(new Set(live.map(({ status }) => status))).toEqual(new Set([200]));
    const refused = await vera.ask("/live");
    expect([refused.status, await refused.text()]).toEqual([
      429,
      "You have 16 live pages open already: close some.\n",
    ]);
    live.push(await otto.ask("/live"));
    expect(live.at(-1)?.status).toBe(200);
    await live[0]?.body?.cancel();
    await until(async () => {
      const again = await vera.ask("/live");
      live.push(again);
      return again.status === 200;
    }, "a free place");
    for (const { body } of live) await body?.cancel().catch(() => {});
  });

  test("shows only the login without a session, in a form that suits the client", async () => {
    const { base, admin } = await scene();
    const browser = new Browser(base);
    for (const path of ["/", "/config", "/upstreams/localhost%3A8081", "/nothing?a=b"]) {
      const page = await browser.ask(path);
      expect([page.status, page.headers.get("location")]).toEqual([
        303,
        `/login?${new URLSearchParams({ next: path })}`,
      ]);
      expect(await page.text()).toBe("");
    }
    for (const path of ["/api/status", "/api/history?pool=main", "/numbers?pool=main"]) {
      const response = await browser.ask(path, { headers: { Accept: "*/*" } });
      expect([response.status, await response.text()]).toEqual([401, "Log in first: /login.\n"]);
    }
    const part = await browser.ask("/", { headers: { "HX-Request": "true", Referer: `${base}/config` } });
    expect([part.status, part.headers.get("hx-redirect")]).toEqual([401, "/login?next=%2Fconfig"]);
    const live = await browser.ask("/live", { headers: { Accept: "text/event-stream" } });
    expect(await live.text()).toBe("event: loggedout\ndata: {}\n\n");
    expect((await browser.post(drain, draining)).status).toBe(303);
    expect((await browser.ask("/healthz")).status).toBe(200);
    expect(admin.acts).toEqual([]);
  });

  test("accepts the right password and redirects to the requested page", async () => {
    const { base } = await scene();
    const browser = new Browser(base);
    const response = await browser.login("otto", undefined, "/config?x=1");
    expect([response.status, response.headers.get("location")]).toEqual([303, "/config?x=1"]);
    const html = await browser.text("/");
    expect(html).toContain("All 3 upstreams serve");
    expect(html).toContain('<body data-role="operator">');
    expect(html).toMatch(/class="who".*>otto<.*>operator<.*Log out/s);
    expect(html).not.toMatch(/(csrf|role|who)-[\w-]{43}(?!\w)/);
    expect((await browser.ask("/login")).headers.get("location")).toBe("/");
  });

  test("keeps the session where no script and no other site can read it", async () => {
    const { base } = await scene();
    const [plain, behindTls] = [new Browser(base), new Browser(base)];
    await plain.login("otto");
    const port = new URL(base).port;
    const set = plain.fields.find((field) => field.startsWith("evenkeel-session")) ?? "";
    expect(set).toMatch(new RegExp(`^evenkeel-session-${port}=[\\w-]{43}; Path=/; HttpOnly; SameSite=Lax$`));
    const tls = { "X-Forwarded-Proto": "https" };
    const html = await (await behindTls.ask("/login", { headers: tls })).text();
    const fields = { name: "otto", password: "otto's password", csrf: csrfIn(html), next: "/" };
    await behindTls.post("/login", fields, tls);
    expect(behindTls.fields.join("\n")).toMatch(/^__Host-evenkeel-session-\d+=.*; Secure$/m);
  });

  test.each([
    ["a wrong password", { password: "nope" }, 401, "Wrong name or password."],
    ["an unknown name", { name: '<i>"' }, 401, "Wrong name or password."],
    ["no password", { password: "" }, 401, "Wrong name or password."],
    ["a token of another visit", { csrf: "x".repeat(43) }, 403, "This form has expired"],
    ["no token", { csrf: "" }, 403, "This form has expired"],
  ])("rejects %s with an error", async (_, change, status, words) => {
    const { base } = await scene();
    const browser = new Browser(base);
    const csrf = csrfIn(await browser.text("/login"));
    const fields = { name: "otto", password: "otto's password", csrf, next: "/config", ...change };
    const response = await browser.post("/login", fields);
    const html = await response.text();
    expect(response.status).toBe(status);
    expect(html).toContain(words);
    expect(html).toContain('name="next" value="/config"');
    expect(html).not.toContain("<i>");
    expect(html).not.toContain("otto's password");
    expect(browser.session).toBe("");
  });

  test("returns how long to wait after many failures, counted per client address", async () => {
    const { base, admin } = await scene();
    const browser = new Browser(base);
    for (let index = 0; index < 5; index++) await browser.login("otto", "nope");
    const response = await browser.login("otto");
    expect([response.status, response.headers.get("retry-after")]).toEqual([429, "1"]);
    expect(await response.text()).toContain("Too many failed logins. Try again in 1 s.");
    expect(admin.notes[0]?.detail).toBe('as "otto" from 127.0.0.1');
  });

  test("lets a browser in that has logged in before, while others are paused, with a cookie that outlasts the session", async () => {
    const { base } = await scene();
    const browser = new Browser(base);
    await browser.login("otto");
    const field = browser.fields.find((one) => one.startsWith("evenkeel-device"));
    expect(field).toMatch(
      /^evenkeel-device-\d+=[\w-]{22}\.[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=34560000$/,
    );
    const csrf = csrfIn(await browser.text("/"));
    await browser.post("/logout", { csrf });
    expect(browser.session).toBe("");
    const stranger = new Browser(base);
    for (let index = 0; index < 5; index++) await stranger.login("otto", "nope");
    expect((await stranger.login("otto")).status).toBe(429);
    expect((await browser.login("otto")).status).toBe(303);
    expect(browser.session).not.toBe("");
  });

  test.each([
    ["the secret of its process", undefined, { dashboardSecret: "of this process" }],
    ["the balancer's token", "s3cret", {}],
  ])("counts failures for the address that a trusted proxy says, known by %s", async (_, token, own) => {
    const isTrustedProxy = (address: string) => address === "127.0.0.1";
    const { base, admin } = await scene({ users, token: "s3cret" }, token, "127.0.0.1", {
      ...own,
      isTrustedProxy,
    });
    const loginFrom = async (client: string, password: string) => {
      const browser = new Browser(base);
      const csrf = csrfIn(await browser.text("/login"));
      const fields = { name: "otto", password, csrf, next: "/" };
      return browser.post("/login", fields, { "X-Forwarded-For": `198.51.100.1, ${client}` });
    };
    for (let index = 0; index < 5; index++) await loginFrom("192.0.2.7", "nope");
    expect((await loginFrom("192.0.2.7", "otto's password")).status).toBe(429);
    expect((await loginFrom("192.0.2.8", "otto's password")).status).toBe(303);
    expect(admin.notes[0]?.detail).toBe('as "otto" from 192.0.2.7');
  });

  test("never redirects to another site after the login", async () => {
    const { base } = await scene();
    for (const next of [
      ...[
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/login?next=/",
      ],
      ...["/logout", "", "\t//evil.example", "/.//evil.example"],
    ]) {
      const response = await new Browser(base).login("vera", undefined, next);
      expect(response.headers.get("location"), next).toBe("/");
    }
  });

  test("requires the session's own token in every form, and returns 403 without it", async () => {
    const { base, admin } = await scene();
    const [browser, other] = [new Browser(base), new Browser(base)];
    await browser.login("otto");
    await other.login("otto");
    const [own, foreign] = [csrfIn(await browser.text("/")), csrfIn(await other.text("/"))];
    expect(own).toMatch(/^[\w-]{43}$/);
    expect(own).not.toBe(foreign);
    for (const csrf of ["", "x".repeat(43), foreign]) {
      const response = await browser.post(drain, { ...draining, csrf });
      expect(response.status).toBe(403);
      expect(await response.text()).toContain("Nothing was changed");
      const part = await browser.post(drain, { ...draining, csrf }, { "HX-Request": "true" });
      expect(part.status).toBe(403);
      expect(await part.text()).toStartWith('<hx-partial hx-target="#notice"');
      expect((await browser.post("/logout", { csrf })).status).toBe(403);
    }
    const crossSite = await browser.post(drain, { ...draining, csrf: own }, { "Sec-Fetch-Site": "cross-site" });
    expect(crossSite.status).toBe(403);
    expect(admin.acts).toEqual([]);
    await browser.post(drain, { ...draining, csrf: own });
    await browser.post(drain, draining, { "X-Evenkeel-Csrf": own });
    expect(admin.acts.map(({ by }) => by)).toEqual(["otto", "otto"]);
  }); // prettier-ignore

  test("has the field in every form that posts, and none of another session in the live stream", async () => {
    const { base } = await scene();
    const browser = new Browser(base);
    await browser.login("otto");
    const pages = ["/", "/config", `/actions?act=drain&upstream=a`, "/actions/add?add-to=main"];
    const html = (await Promise.all(pages.map((path) => browser.text(path)))).join("");
    const csrf = csrfIn(html);
    const forms = html.split("<form").filter((part) => /^[^>]*method="post"/.test(part));
    expect(forms.length).toBeGreaterThan(3);
    for (const form of forms) expect(form.split("</form>")[0]).toContain(`name="csrf" value="${csrf}"`);
    const live = await browser.ask("/live");
    const reader = (live.body as ReadableStream<Uint8Array>).getReader();
    let text = "";
    while (!text.includes("localhost:8083")) {
      text += new TextDecoder().decode((await reader.read()).value);
    }
    expect(text).not.toContain(csrf);
    await reader.cancel();
  });

  test("acts with the visitor's right and never with its own", async () => {
    const tokens = [
      { name: "dashboard", role: "admin", tokenHash: `sha256:${digestOf("own-token")}` },
    ] as const;
    const { base, admin } = await scene({ users, tokens }, "own-token");
    const anonymous = new Browser(base);
    expect((await anonymous.ask("/")).status).toBe(303);
    const browser = new Browser(base);
    await browser.login("vera");
    const csrf = csrfIn(await browser.text("/"));
    const refused = await browser.post(drain, { ...draining, csrf });
    expect(refused.status).toBe(422);
    expect(await refused.text()).toContain(
      "Cannot do this: the role operator is required (vera has viewer).",
    );
    expect(admin.acts).toEqual([]);
  });

  test("lets go at the logout: the page, the live stream and the session", async () => {
    const { base, admin } = await scene();
    const browser = new Browser(base);
    await browser.login("ada");
    const { session } = browser;
    const live = (await browser.ask("/live")).text();
    const csrf = csrfIn(await browser.text("/"));
    const response = await browser.post("/logout", { csrf });
    expect([response.status, response.headers.get("location")]).toEqual([303, "/login"]);
    expect(browser.session).toBe("");
    expect(await live).toEndWith("event: loggedout\ndata: {}\n\n");
    expect((await admin.ask("GET", "/api/me", { bearer: session })).status).toBe(401);
    expect((await browser.ask("/")).status).toBe(303);
    expect(admin.notes.map(({ to, by }) => `${to} ${by}`)).toEqual(["accepted ada", "ended ada"]);
  });

  test("ends a live stream whose session ended elsewhere, and no other stream", async () => {
    const { base, admin } = await scene();
    const [gone, stays] = [new Browser(base), new Browser(base)];
    await gone.login("ada");
    await stays.login("otto");
    const [ended, other] = [(await gone.ask("/live")).text(), await stays.ask("/live")];
    const reader = (other.body as ReadableStream<Uint8Array>).getReader();
    await admin.ask("POST", "/api/logout", { bearer: gone.session });
    expect(await ended).toEndWith("event: loggedout\ndata: {}\n\n");
    for (let message = 0; message < 3; message++) {
      const { done, value } = await reader.read();
      expect(done).toBe(false);
      expect(new TextDecoder().decode(value)).not.toContain("rejected this dashboard&#x27;s token");
    }
    await reader.cancel();
    expect((await gone.ask("/")).headers.get("location")).toBe("/login?next=%2F&ended=");
    expect(await gone.text("/login?ended")).toContain("Your session has ended. Log in again.");
  });

  test("requires a login as soon as a reload adds users, also for open pages", async () => {
    const { base, admin } = await scene({ token: "own" }, "own");
    const browser = new Browser(base);
    expect(await browser.text("/")).toContain("All 3 upstreams serve");
    const live = (await browser.ask("/live")).text();
    admin.accounts = { token: "own", users };
    expect(await live).toEndWith("event: loggedout\ndata: {}\n\n");
    await until(async () => (await browser.ask("/")).status === 303, "the login");
    expect((await browser.post(drain, draining)).status).toBe(303);
    expect(admin.acts).toEqual([]);
  });

  test("keeps the last state for open sessions while the balancer is gone, and accepts no others", async () => {
    const state = await scene();
    const browser = new Browser(state.base);
    await browser.login("vera");
    expect(await browser.text("/")).toContain("All 3 upstreams serve");
    const { port } = state.admin;
    state.admin[Symbol.dispose]();
    await until(async () => (await browser.text("/")).includes("The admin API is unreachable"));
    expect(await browser.text("/")).toContain("localhost:8083");
    const stranger = new Browser(state.base);
    expect((await stranger.ask("/")).status).toBe(303);
    const response = await stranger.login("vera");
    expect(response.status).toBe(502);
    expect(await response.text()).toContain("Cannot reach the admin API: connection refused.");
    // It restarts without its sessions.
    state.admin = await startAdminStand({ users }, { snapshot: calmSnapshot(), port });
    await until(async () => (await browser.ask("/")).status === 303, "the login");
  });

  test("never lends its own token while it does not know whether people log in", async () => {
    const state = await scene({ token: "own", users }, "own");
    const { port } = state.admin;
    state.admin[Symbol.dispose]();
    const browser = new Browser(state.base);
    expect(await browser.text("/")).toContain("No response from a balancer at");
    state.admin = await startAdminStand({ token: "own", users }, { snapshot: calmSnapshot(), port });
    const pages = await Promise.all(Array.from({ length: 20 }, () => browser.ask("/")));
    for (const page of pages) expect(await page.text()).not.toContain("localhost:8081");
    expect((await browser.post(drain, draining)).status).toBe(303);
    expect(state.admin.acts).toEqual([]);
  });

  test("shows a user's name as it is, whatever it is", async () => {
    const name = "a.b@c-d_e";
    const [user] = users.map((each) => ({ ...each, name })).slice(0, 1);
    const { base, bugs } = await scene({ users: user ? [user] : [] });
    const browser = new Browser(base);
    await browser.login(name, "vera's password");
    expect(await browser.text("/")).toContain(`>${name}<`);
    expect(bugs).toEqual([]);
  });
});

describe("a dashboard whose balancer has no users", () => {
  test("asks for no login and shows none", async () => {
    const { base } = await scene({});
    const browser = new Browser(base);
    const html = await browser.text("/");
    expect(html).toContain("All 3 upstreams serve");
    expect(html).toContain('<body data-role="">');
    expect(html).not.toContain("Log out");
    expect((await browser.ask("/login")).headers.get("location")).toBe("/");
    expect((await browser.post(drain, draining)).status).toBe(303);
  });

  test("that other machines can reach shows nothing and does nothing, whatever its own token may", async () => {
    const { admin, base } = await scene({ token: "own" }, "own", "0.0.0.0");
    const browser = new Browser(base);
    for (const path of ["/", "/config", "/live", "/api/status", "/login"]) {
      const response = await browser.ask(path);
      expect([path, response.status]).toEqual([path, 403]);
      expect(await response.text()).toContain("admin.users");
    }
    expect((await browser.post(drain, draining)).status).toBe(403);
    expect(admin.acts).toEqual([]);
    expect((await browser.ask("/healthz")).status).toBe(200);
  });
});

test("a dashboard that other machines can reach accepts logins", async () => {
  const { base } = await scene({ users }, undefined, "0.0.0.0");
  const browser = new Browser(base);
  expect((await browser.ask("/")).status).toBe(303);
  await browser.login("vera", "vera's password");
  expect(await browser.text("/")).toContain("All 3 upstreams serve");
});
