import { describe, expect, test } from "bun:test";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";

import { fromBuild, Programs } from "../support/program.ts";
import { BalancerFixture } from "../support/balancer-fixture.ts";
import { until } from "../support/wait.ts";
import { hashOf } from "../admin/fixture.ts";

const user = async (name: string, role: string) =>
  `{ name: ${name}, role: ${role}, passwordHash: "${await hashOf(`${name}'s password`)}" }`;
const [ann, bob] = [await user("ann", "admin"), await user("bob", "viewer")];

async function callAdmin(fixture: BalancerFixture, method: string, path: string, bearer = "", body?: object) {
  const response = await fetch(fixture.admin + path, {
    method,
    headers: { Authorization: `Bearer ${bearer}` },
    ...(body && { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

/** Writes a configuration with these users and a pool of one server. */
const usersIn =
  (fixture: BalancerFixture) =>
  (...users: readonly string[]) =>
    fixture.write(`admin: { users: [${users.join(", ")}] }\n${fixture.poolWith(["a"])}`);

const login = (fixture: BalancerFixture, name: string, password = `${name}'s password`) =>
  callAdmin(fixture, "POST", "/api/login", "", { name, password });

describe("access to a running balancer", () => {
  test("is by users; events name their actions and logins, and no output has a secret", async () => {
    await using fixture = new BalancerFixture();
    await fixture.startServers("a", "b");
    fixture.write(`admin: { users: [${ann}, ${bob}] }\n${fixture.poolWith(["a", "b"])}`);
    await fixture.start();
    expect((await login(fixture, "ann", "wrong password")).status).toBe(401);
    const session = String((await login(fixture, "ann")).body["session"]);
    const bobs = String((await login(fixture, "bob")).body["session"]);
    const mode = "/api/upstreams/a/mode";
    expect((await callAdmin(fixture, "POST", mode, bobs, { mode: "draining" })).body["reason"]).toBe("role_insufficient");
    expect((await callAdmin(fixture, "POST", mode, session, { mode: "draining" })).status).toBe(200);
    await callAdmin(fixture, "POST", "/api/logout", bobs);
    const { events } = (await callAdmin(fixture, "GET", "/api/events?limit=2000", session)).body as {
      events: { kind: string; to: string; by: string; detail: string }[];
    };
    const recorded = events.filter(({ kind }) => ["login", "mode"].includes(kind));
    expect(recorded.map(({ kind, to, by, detail }) => [kind, to, by, detail].join(" ").trim())).toEqual([
      'login refused nobody as "ann" from 127.0.0.1',
      "login accepted ann from 127.0.0.1",
      "login accepted bob from 127.0.0.1",
      "mode draining ann",
      "login ended bob from 127.0.0.1",
    ]);
    const seen = [fixture.proxy.stdout, fixture.proxy.stderr];
    for (const path of ["/api/snapshot", "/api/config", "/api/events?limit=2000", "/api/state"]) {
      seen.push(JSON.stringify((await callAdmin(fixture, "GET", path, session)).body));
    }
    const { settings } = (await callAdmin(fixture, "GET", "/api/config", session)).body as { settings: object[] };
    expect(settings).toContainEqual(expect.objectContaining({ name: "admin.users[0]", value: "ann (admin)" }));
    for (const text of seen) {
      expect(text).not.toMatch(/argon2|password'|wrong password|ann's/);
      expect(text).not.toContain(session);
      expect(text).not.toContain(bobs);
    }
    expect(fixture.proxy.stderr).toContain("login rejected");
  }, 30_000); // prettier-ignore

  test("survives a restart, but not a logout, a changed password, or a crash of the process", async () => {
    await using fixture = new BalancerFixture();
    await fixture.startServers("a");
    const write = usersIn(fixture);
    write(ann, bob);
    await fixture.start();
    const session = async (name: string) => String((await login(fixture, name)).body["session"]);
    const [anns, left, bobs] = [await session("ann"), await session("ann"), await session("bob")];
    await callAdmin(fixture, "POST", "/api/logout", left);
    await fixture.proxy.kill("SIGTERM");
    write(ann, await user("bob", "viewer"));
    // A start that fails, here because a port is taken, ends no session.
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as AddressInfo;
    const flags = [
      "--state",
      join(fixture.folder, "state.db"),
      "--config",
      fixture.file,
      "--admin-port",
      "0",
    ];
    const failing = fixture.programs.evenkeel(
      "proxy",
      "--host",
      "127.0.0.1",
      "--port",
      String(port),
      ...flags,
    );
    expect((await failing.exited).code).toBe(2);
    taken.close();
    await fixture.restart();
    const statuses = async () =>
      Promise.all(
        [anns, left, bobs].map(async (each) => (await callAdmin(fixture, "GET", "/api/me", each)).status),
      );
    expect(await statuses()).toEqual([200, 401, 401]);
    await fixture.proxy.kill("SIGKILL");
    await fixture.restart();
    expect(await statuses()).toEqual([401, 401, 401]);
  }, 30_000);

  test("changes with a reload, without a restart", async () => {
    await using fixture = new BalancerFixture();
    await fixture.startServers("a");
    const write = usersIn(fixture);
    write(ann, bob);
    await fixture.start();
    const [anns, bobs] = await Promise.all(
      ["ann", "bob"].map(async (name) => String((await login(fixture, name)).body["session"])),
    );
    write(ann, await user("cai", "operator"));
    const report = await callAdmin(fixture, "POST", "/api/reload", anns);
    expect(report.body["diff"]).toEqual([
      "~ setting: admin.users ann (admin), bob (viewer) → ann (admin), cai (operator)",
    ]);
    expect(report.body["applied"]).toBe(true);
    expect((await callAdmin(fixture, "GET", "/api/me", bobs)).status).toBe(401);
    expect((await callAdmin(fixture, "GET", "/api/me", anns)).status).toBe(200);
    expect((await login(fixture, "cai")).status).toBe(200);
    write(ann.replace("passwordHash", "password"));
    const refused = await callAdmin(fixture, "POST", "/api/reload", anns);
    expect(refused.status).toBe(422);
    expect(JSON.stringify(refused.body)).toContain("a plain-text password is not allowed");
    expect(JSON.stringify(refused.body)).not.toContain("$argon2id$");
    expect((await login(fixture, "cai")).status).toBe(200);
  }, 30_000);

  test("is required by the dashboard of `up` too, whose own token grants nothing to clients", async () => {
    await using fixture = new BalancerFixture();
    await using programs = new Programs();
    await fixture.startServers("a");
    fixture.write(`admin: { token: s3cret, users: [${ann}, ${bob}] }\n${fixture.poolWith(["a"])}`);
    const ports = ["--port", "0", "--host", "127.0.0.1", "--admin-port", "0", "--dashboard-port", "0"];
    const up = programs.start([...fromBuild, "up", ...ports, "--config", fixture.file]);
    const url = `http://127.0.0.1:${await up.port("dashboard")}`;
    const page = await fetch(url, { redirect: "manual", headers: { Accept: "text/html" } });
    expect([page.status, page.headers.get("location")]).toEqual([303, "/login?next=%2F"]);
    const act = await fetch(`${url}/upstreams/a/mode`, {
      method: "POST",
      redirect: "manual",
      body: new URLSearchParams({ mode: "draining" }),
      headers: { Origin: url },
    });
    expect(act.status).toBe(303);
    const admin = `http://127.0.0.1:${await up.port("admin")}`;
    const snapshot = async () =>
      (await fetch(`${admin}/api/snapshot`, { headers: { Authorization: "Bearer s3cret" } })).text();
    await until(async () => (await snapshot()).includes('"mode":"ready"'), "the snapshot");
    expect(await snapshot()).not.toContain('"mode":"draining"');
  }, 30_000);
});
