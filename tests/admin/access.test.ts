import { describe, expect, test } from "bun:test";

import { reaches, type Role, roles } from "../../src/access/accounts.ts";
import { roleNamed } from "../../src/admin/authorization.ts";
import { sendRequest } from "../support/raw-client.ts";
import { accountsOf, hashOf, routesOfAdmin, startAdminStand } from "./fixture.ts";

const accounts = await accountsOf();
const userWith: Readonly<Record<Role, string>> = { viewer: "vera", operator: "otto", admin: "ada" };

describe("the role table", () => {
  test("has a row for every route of the admin API", () => {
    const routes = routesOfAdmin();
    expect(routes.length).toBeGreaterThan(15);
    const missing = routes.filter(([method, path]) => roleNamed(method, path) === undefined);
    expect(missing).toEqual([]);
  });

  test("makes public only health checks, the login, and the API's description", () => {
    const publicRoutes = routesOfAdmin().filter(([method, path]) => roleNamed(method, path) === "public");
    expect(publicRoutes.map(([method, path]) => `${method} ${path}`).toSorted()).toEqual([
      ...["GET /api/docs", "GET /api/docs/style.css", "GET /api/openapi.json"],
      ...["GET /healthz", "GET /livez", "GET /readyz", "POST /api/login"],
    ]);
  });

  test("lets viewers change nothing, and operators neither configuration nor state", () => {
    const writes = routesOfAdmin().filter(([method]) => method !== "GET");
    const allowed = (role: Role) =>
      writes
        .filter(([method, path]) => {
          const needed = roleNamed(method, path);
          return needed !== "public" && needed !== undefined && reaches(role, needed);
        })
        .map(([method, path]) => `${method} ${path}`);
    // A dry run changes nothing.
    expect(allowed("viewer").toSorted()).toEqual(["POST /api/logout", "POST /api/requests/dry-run"]);
    expect(allowed("operator")).not.toContain("POST /api/reload");
  });

  test("has no row for unknown routes, and matches paths by segments", () => {
    for (const [method, path] of [
      ["POST", "/api/upstreams/a/b/mode"],
      ["POST", "/api/upstreams/a/mode/"],
      ["PUT", "/api/login"],
      ["POST", "/livez"],
      ["POST", "/api/upstreams"],
    ] as const) {
      expect(roleNamed(method, path)).toBeUndefined();
    }
    expect(roleNamed("POST", "/api/upstreams/a%2Fb/mode")).toBe("operator");
    expect(roleNamed("HEAD", "/metrics")).toBe("viewer");
  });
});

test("the API's description is public, but not for foreign pages or host names", async () => {
  using stand = await startAdminStand(accounts);
  for (const path of ["/api/docs", "/api/docs/style.css", "/api/openapi.json"]) {
    expect((await stand.ask("GET", path)).status, path).toBe(200);
    // A browser may still send the bearer of an ended session.
    expect((await stand.ask("GET", path, { bearer: "gone" })).status, path).toBe(200);
    for (const [headers, reason] of [
      [{ Host: "evil.example" }, "foreign_host"],
      [{ Origin: "http://evil.example" }, "foreign_origin"],
      [{ "Sec-Fetch-Site": "cross-site" }, "foreign_origin"],
    ] as const) {
      expect(await stand.ask("GET", path, { headers }), path).toMatchObject({
        status: 403,
        body: { reason },
      });
    }
  }
  const probe = { headers: { Host: "10.0.0.1:8091", Origin: "http://other.example" } };
  for (const path of ["/livez", "/readyz", "/healthz"]) {
    expect((await stand.ask("GET", path, probe)).status, path).toBe(200);
  }
});

describe("roles at the admin API", () => {
  /** Bodies that make each route do something. */
  const bodies: Readonly<Record<string, object>> = {
    "POST /api/upstreams/:id/mode": { mode: "draining" },
    "PATCH /api/upstreams/:id": { weight: 3 },
    "POST /api/pools/:pool/upstreams": { url: "http://10.0.0.9" },
  };
  const routes = routesOfAdmin().filter(([, path]) => !["/api/login", "/api/logout"].includes(path));
  for (const role of roles) {
    test(`hold on every route for a ${role}`, async () => {
      using stand = await startAdminStand(accounts);
      const bearer = await stand.login(userWith[role]);
      for (const [method, path] of routes) {
        const body = bodies[`${method} ${path}`];
        const real = path.replace(/:\w+/g, "a").replace(/\*/g, "x");
        const response = await stand.ask(method, real, { bearer, ...(body && { body }) });
        const needed = roleNamed(method, path);
        const isAllowed = needed === "public" || (needed !== undefined && reaches(role, needed));
        const what = `${method} ${path} by ${role}: ${response.text}`;
        if (isAllowed) expect(response.status === 401 || response.status === 403, what).toBe(false);
        else
          expect(response, what).toMatchObject({
            status: 403,
            body: { reason: "role_insufficient", needed },
          });
      }
      expect(new Set(stand.acts.map(({ by }) => by))).toEqual(
        new Set(role === "viewer" ? [] : [userWith[role]]),
      );
    });
  }

  test("require authentication on every route that is not public", async () => {
    using stand = await startAdminStand(accounts);
    for (const [method, path] of routes) {
      for (const bearer of [undefined, "s3cre", "vera"]) {
        const { status } = await stand.ask(method, path.replace(/:\w+/g, "a"), bearer ? { bearer } : {});
        if (roleNamed(method, path) === "public") expect(status).toBeLessThan(400);
        else expect(status).toBe(401);
      }
    }
    expect(stand.acts).toEqual([]);
  });
});

describe("login at the admin API", () => {
  test("gives a session that identifies the user, until the logout", async () => {
    using stand = await startAdminStand(accounts);
    const bearer = await stand.login("otto");
    expect((await stand.ask("GET", "/api/me", { bearer })).body).toEqual({
      kind: "user",
      name: "otto",
      role: "operator",
      login: true,
    });
    expect((await stand.ask("POST", "/api/logout", { bearer })).body).toEqual({ ended: true });
    const after = await stand.ask("GET", "/api/me", { bearer });
    expect(after).toMatchObject({ status: 401, body: { reason: "unauthorized", login: true } });
    expect(stand.notes.map(({ to, by, detail }) => `${to} ${by} ${detail}`)).toEqual([
      ...["accepted otto from 127.0.0.1", "ended otto from 127.0.0.1"],
    ]);
  });

  test("is refused in the same way for a wrong password and an unknown name", async () => {
    using stand = await startAdminStand(accounts);
    const wrong = await stand.ask("POST", "/api/login", { body: { name: "otto", password: "nope" } });
    const unknown = await stand.ask("POST", "/api/login", { body: { name: "<b>", password: "nope" } });
    expect(wrong).toMatchObject({ status: 401, body: { reason: "login_refused" } });
    expect(unknown.text).toBe(wrong.text);
    expect(stand.notes.map(({ by, detail }) => `${by} ${detail}`)).toEqual([
      ...['nobody as "otto" from 127.0.0.1', 'nobody as "<b>" from 127.0.0.1'],
    ]);
    expect(JSON.stringify(stand.notes)).not.toContain("nope");
  });

  test("takes the same time for an unknown name", async () => {
    const slow = await Bun.password.hash("x", { algorithm: "argon2id", memoryCost: 19_456, timeCost: 4 });
    using stand = await startAdminStand({ users: [{ name: "ada", role: "admin", passwordHash: slow }] });
    const timed = async (name: string) => {
      const startedAt = performance.now();
      await stand.ask("POST", "/api/login", { body: { name, password: "nope" } });
      return performance.now() - startedAt;
    };
    const [known, unknown] = [[] as number[], [] as number[]];
    for (let round = 0; round < 4; round++) {
      known.push(await timed("ada"));
      unknown.push(await timed(`unknown-${round}`));
    }
    // The fastest of each, since load only adds time; without the hashing it would be a hundredth.
    expect(Math.min(...unknown)).toBeGreaterThan(Math.min(...known) / 3);
  });

  test("pauses with 429 and Retry-After, even for the right password", async () => {
    using stand = await startAdminStand(accounts);
    for (let index = 0; index < 5; index++) {
      await stand.ask("POST", "/api/login", { body: { name: "otto", password: "nope" } });
    }
    const body = { name: "otto", password: "otto's password" };
    const paused = await stand.ask("POST", "/api/login", { body });
    expect(paused).toMatchObject({ status: 429, body: { reason: "login_paused" } });
    expect(Number(paused.headers.get("retry-after"))).toBe(1);
    expect((await stand.ask("POST", "/api/login", { body: { name: "ada", password: "ada's password" } })).status).toBe(200);
  }); // prettier-ignore

  test("counts the client address that a dashboard sends, if it is one, only with a credential of a dashboard", async () => {
    using stand = await startAdminStand(accounts, { dashboardSecret: "of this process" });
    const from = (address: string, headers: Record<string, string>) =>
      stand.ask("POST", "/api/login", {
        body: { name: "otto", password: "nope" },
        headers: { "X-Evenkeel-Client": address, ...headers },
      });
    const credentials: readonly Record<string, string>[] = [
      { "X-Evenkeel-Dashboard": "of this process" },
      { "X-Evenkeel-Dashboard": "s3cret" },
      { Authorization: "Bearer s3cret" },
    ];
    for (const [index, credential] of credentials.entries()) {
      for (let failure = 0; failure < 5; failure++) await from(`10.0.${index}.1`, credential);
      expect((await from(`10.0.${index}.1`, credential)).status).toBe(429);
      expect((await from(`10.0.${index}.2`, credential)).status).toBe(401);
    }
    const session = await stand.login("ada");
    const others: readonly Record<string, string>[] = [
      {},
      { "X-Evenkeel-Dashboard": "wrong" },
      { "X-Evenkeel-Dashboard": "grafana-token" },
      { "X-Evenkeel-Dashboard": session },
      { Authorization: `Bearer ${session}` },
    ];
    for (const [index, credential] of others.entries())
      expect((await from(`10.9.${index}.1`, credential)).status).toBe(401);
    // All of them counted for the peer.
    expect((await from("10.9.9.9", {})).status).toBe(429);
    await from("<script>", { "X-Evenkeel-Dashboard": "s3cret" });
    expect(stand.notes.some(({ detail }) => detail.includes("<script>"))).toBe(false);
  });

  test("counts the address that a trusted proxy says", async () => {
    using stand = await startAdminStand(accounts, { isTrustedProxy: (address) => address === "127.0.0.1" });
    const from = (chain: string) =>
      stand.ask("POST", "/api/login", {
        body: { name: "otto", password: "nope" },
        headers: { "X-Forwarded-For": chain },
      });
    for (let failure = 0; failure < 5; failure++) await from(`10.0.0.${failure}, 192.0.2.7`);
    expect((await from("192.0.2.7")).status).toBe(429);
    expect((await from("192.0.2.8")).status).toBe(401);
    expect(stand.notes.at(-1)?.detail).toContain("192.0.2.");
  });

  test("does not lock out everybody behind one address, nor a name's owner elsewhere", async () => {
    using stand = await startAdminStand(accounts, { dashboardSecret: "d" });
    const as = (name: string, address: string, password = "nope") =>
      stand.ask("POST", "/api/login", {
        body: { name, password },
        headers: { "X-Evenkeel-Client": address, "X-Evenkeel-Dashboard": "d" },
      });
    for (let index = 0; index < 25; index++) await as(`n${index}`, "10.0.0.1");
    for (let index = 0; index < 6; index++) await as("otto", "10.0.0.66");
    expect((await as("vera", "10.0.0.1", "vera's password")).status).toBe(200);
    expect((await as("otto", "10.0.0.1", "otto's password")).status).toBe(200);
  });

  test("counts a browser that has logged in before on its own, with a token for this user and this password", async () => {
    const own = { ...accounts };
    using stand = await startAdminStand(own);
    const login = (name: string, password: string, device?: unknown) =>
      stand.ask("POST", "/api/login", { body: { name, password, device } });
    const { device } = (await login("otto", "otto's password")).body;
    const adas = (await login("ada", "ada's password")).body["device"];
    expect(device).toMatch(/^[\w-]{22}\.[\w-]{43}$/);
    for (let index = 0; index < 5; index++) await login("otto", "nope");
    expect((await login("otto", "otto's password")).status).toBe(429);
    const altered = `${String(device).startsWith("A") ? "B" : "A"}${String(device).slice(1)}`;
    for (const other of [adas, `${device}x`, altered, "", 5, null, "x".repeat(5_000)])
      expect((await login("otto", "otto's password", other)).status).toBe(429);
    const again = await login("otto", "otto's password", device);
    expect(again.status).toBe(200);
    expect(again.body["device"]).toBe(device);
    // Another password ends it.
    const changed = { name: "otto", role: "operator", passwordHash: await hashOf("new") } as const;
    stand.accounts = { ...own, users: [...(own.users ?? []).filter(({ name }) => name !== "otto"), changed] };
    expect((await login("otto", "new", device)).status).toBe(429);
  });

  test.each([
    [{}, 400],
    [{ name: "ada" }, 400],
    [{ name: "ada", password: "" }, 400],
    [{ name: 5, password: ["x"] }, 400],
    [{ name: "a".repeat(65), password: "x" }, 400],
    [{ name: "ada", password: "x".repeat(1_025) }, 400],
    [{ name: "ada", password: "x".repeat(20_000) }, 413],
  ])("rejects an invalid login: %j", async (body, status) => {
    using stand = await startAdminStand(accounts);
    expect((await stand.ask("POST", "/api/login", { body })).status).toBe(status);
    expect(stand.notes).toEqual([]);
  });

  test("is rejected from a foreign page and under a foreign host name", async () => {
    using stand = await startAdminStand(accounts);
    const body = { name: "ada", password: "ada's password" };
    for (const [name, value] of [
      ["Origin", "https://evil.example"],
      ["Host", "evil.example"],
    ] as const) {
      expect((await stand.ask("POST", "/api/login", { body, headers: { [name]: value } })).status).toBe(403);
    }
    expect(stand.notes).toEqual([]);
  });

  test("needs configured users, and the sessions of removed users end", async () => {
    using stand = await startAdminStand(accounts);
    const bearer = await stand.login("vera");
    stand.accounts = { token: "s3cret" };
    expect((await stand.ask("GET", "/api/me", { bearer })).body).toMatchObject({ login: false });
    const login = await stand.ask("POST", "/api/login", { body: { name: "vera", password: "vera's password" } });
    expect(login).toMatchObject({ status: 404, body: { reason: "no_users" } });
    const users = [{ name: "new", role: "viewer", passwordHash: await hashOf("new's password") }] as const;
    stand.accounts = { users };
    expect((await stand.ask("GET", "/api/me", { bearer })).status).toBe(401);
    await stand.login("new");
  }); // prettier-ignore
});

describe("the actor", () => {
  const command = { body: { mode: "draining" }, headers: { "X-Evenkeel-Actor": "mallory" } };
  test("is the user, the program, or the name that the bearer of the nameless token sends", async () => {
    using stand = await startAdminStand({
      ...accounts,
      tokens: (accounts.tokens ?? []).map((each) => ({ ...each, role: "operator" })),
    });
    for (const bearer of [await stand.login("otto"), "grafana-token", "s3cret"]) {
      expect((await stand.ask("POST", "/api/upstreams/a/mode", { ...command, bearer })).status).toBe(200);
    }
    expect(stand.acts.map(({ by }) => by)).toEqual(["otto", "grafana", "mallory"]);
  });
});

test("the guard cannot be bypassed with a path that the router reads differently", async () => {
  using stand = await startAdminStand(accounts, { hostname: "0.0.0.0" });
  const body = "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
  const targets = [
    "GET /livez?",
    "GET /livez?xxxxxxxxxxxx",
    "GET //x/livez?",
    "GET /livez#",
    "POST /api/login?",
    "POST /api/login?xxxxxxxx",
  ];
  const hosts = [
    "",
    "Host:\r\n",
    "Host: a b\r\n",
    "Host: a?\r\n",
    "Host: a#\r\n",
    "Host: a/livez?\r\n",
    "Host: a\\livez\r\n",
  ];
  for (const target of targets) {
    for (const host of hosts) {
      for (const version of ["1.0", "1.1"]) {
        const path = target.startsWith("GET") ? "/api/snapshot" : "/api/reload";
        const response = await sendRequest(stand.port, `${target}${path} HTTP/${version}\r\n${host}${body}`);
        const text = response.body.toString();
        expect([target, host, text.includes("pools"), text.includes("applied")]).toEqual([
          target,
          host,
          false,
          false,
        ]);
      }
    }
  }
  expect(stand.acts).toEqual([]);
});

test("an invalid client address is ignored", async () => {
  using stand = await startAdminStand(accounts);
  for (const claimed of ["1:2:3:4:5:6:7:8:9::", "....", "1.2.3", "::::"]) {
    const body = { name: "vera", password: "wrong" };
    const response = await stand.ask("POST", "/api/login", {
      body,
      headers: { "X-Evenkeel-Client": claimed },
    });
    expect([claimed, response.status]).toEqual([claimed, 401]);
  }
  expect(stand.notes).toHaveLength(4);
  for (const { detail } of stand.notes) expect(detail).toContain("127.0.0.1");
});
