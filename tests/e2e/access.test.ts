import { describe, expect, test } from "bun:test";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";

import { fromBuild, Programs } from "../support/program.ts";
import { ControlRoom } from "../support/control-fixture.ts";
import { until } from "../support/wait.ts";
import { hashOf } from "../admin/fixture.ts";

const user = async (name: string, role: string) =>
  `{ name: ${name}, role: ${role}, passwordHash: "${await hashOf(`${name}'s password`)}" }`;
const [ann, bob] = [await user("ann", "admin"), await user("bob", "viewer")];

async function ask(room: ControlRoom, method: string, path: string, bearer = "", body?: object) {
  const response = await fetch(room.admin + path, {
    method,
    headers: { Authorization: `Bearer ${bearer}` },
    ...(body && { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

/** Writes who may come in, beside a pool of one server. */
const usersIn =
  (room: ControlRoom) =>
  (...users: readonly string[]) =>
    room.write(`admin: { users: [${users.join(", ")}] }\n${room.poolWith(["a"])}`);

const login = (room: ControlRoom, name: string, password = `${name}'s password`) =>
  ask(room, "POST", "/api/login", "", { name, password });

describe("access to a running balancer", () => {
  test("is by users, whose acts and logins the record names, and no output has a secret", async () => {
    await using room = new ControlRoom();
    await room.servers("a", "b");
    room.write(`admin: { users: [${ann}, ${bob}] }\n${room.poolWith(["a", "b"])}`);
    await room.start();
    expect((await login(room, "ann", "wrong password")).status).toBe(401);
    const session = String((await login(room, "ann")).body["session"]);
    const bobs = String((await login(room, "bob")).body["session"]);
    const mode = "/api/upstreams/a/mode";
    expect((await ask(room, "POST", mode, bobs, { mode: "draining" })).body["reason"]).toBe("role_insufficient");
    expect((await ask(room, "POST", mode, session, { mode: "draining" })).status).toBe(200);
    await ask(room, "POST", "/api/logout", bobs);
    const { events } = (await ask(room, "GET", "/api/events?limit=2000", session)).body as {
      events: { kind: string; to: string; by: string; detail: string }[];
    };
    const told = events.filter(({ kind }) => ["login", "mode"].includes(kind));
    expect(told.map(({ kind, to, by, detail }) => [kind, to, by, detail].join(" ").trim())).toEqual([
      'login refused nobody as "ann" from 127.0.0.1',
      "login accepted ann from 127.0.0.1",
      "login accepted bob from 127.0.0.1",
      "mode draining ann",
      "login ended bob from 127.0.0.1",
    ]);
    const seen = [room.proxy.stdout, room.proxy.stderr];
    for (const path of ["/api/snapshot", "/api/config", "/api/events?limit=2000", "/api/state"]) {
      seen.push(JSON.stringify((await ask(room, "GET", path, session)).body));
    }
    const { settings } = (await ask(room, "GET", "/api/config", session)).body as { settings: object[] };
    expect(settings).toContainEqual(expect.objectContaining({ name: "admin.users[0]", value: "ann (admin)" }));
    for (const text of seen) {
      expect(text).not.toMatch(/argon2|password'|wrong password|ann's/);
      expect(text).not.toContain(session);
      expect(text).not.toContain(bobs);
    }
    expect(room.proxy.stderr).toContain("login refused");
  }, 30_000); // prettier-ignore

  test("goes on after a restart, but not for whoever has logged out, has another password, or was in a process that crashed", async () => {
    await using room = new ControlRoom();
    await room.servers("a");
    const write = usersIn(room);
    write(ann, bob);
    await room.start();
    const session = async (name: string) => String((await login(room, name)).body["session"]);
    const [anns, left, bobs] = [await session("ann"), await session("ann"), await session("bob")];
    await ask(room, "POST", "/api/logout", left);
    await room.proxy.kill("SIGTERM");
    write(ann, await user("bob", "viewer"));
    // A start that fails, here for a port that somebody has, costs nobody a login.
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as AddressInfo;
    const flags = ["--state", join(room.folder, "state.db"), "--config", room.file, "--admin-port", "0"];
    const failing = room.programs.evenkeel("proxy", "--host", "127.0.0.1", "--port", String(port), ...flags);
    expect((await failing.exited).code).toBe(2);
    taken.close();
    await room.restart();
    const statuses = async () =>
      Promise.all([anns, left, bobs].map(async (each) => (await ask(room, "GET", "/api/me", each)).status));
    expect(await statuses()).toEqual([200, 401, 401]);
    await room.proxy.kill("SIGKILL");
    await room.restart();
    expect(await statuses()).toEqual([401, 401, 401]);
  }, 30_000);

  test("changes with a reload, without a restart", async () => {
    await using room = new ControlRoom();
    await room.servers("a");
    const write = usersIn(room);
    write(ann, bob);
    await room.start();
    const [anns, bobs] = await Promise.all(
      ["ann", "bob"].map(async (name) => String((await login(room, name)).body["session"])),
    );
    write(ann, await user("cai", "operator"));
    const report = await ask(room, "POST", "/api/reload", anns);
    expect(report.body["diff"]).toEqual([
      "~ setting: admin.users ann (admin), bob (viewer) → ann (admin), cai (operator)",
    ]);
    expect(report.body["applied"]).toBe(true);
    expect((await ask(room, "GET", "/api/me", bobs)).status).toBe(401);
    expect((await ask(room, "GET", "/api/me", anns)).status).toBe(200);
    expect((await login(room, "cai")).status).toBe(200);
    write(ann.replace("passwordHash", "password"));
    const refused = await ask(room, "POST", "/api/reload", anns);
    expect(refused.status).toBe(422);
    expect(JSON.stringify(refused.body)).toContain("a plain-text password is not allowed");
    expect(JSON.stringify(refused.body)).not.toContain("$argon2id$");
    expect((await login(room, "cai")).status).toBe(200);
  }, 30_000);

  test("is asked for by the dashboard of `up` too, whose own token lends nothing", async () => {
    await using room = new ControlRoom();
    await using programs = new Programs();
    await room.servers("a");
    room.write(`admin: { token: s3cret, users: [${ann}, ${bob}] }\n${room.poolWith(["a"])}`);
    const ports = ["--port", "0", "--host", "127.0.0.1", "--admin-port", "0", "--dashboard-port", "0"];
    const up = programs.start([...fromBuild, "up", ...ports, "--config", room.file]);
    const url = `http://127.0.0.1:${await up.port("dashboard")}`;
    const page = await fetch(url, { redirect: "manual", headers: { Accept: "text/html" } });
    expect([page.status, page.headers.get("location")]).toEqual([303, "/login?next=%2F"]);
    const act = await fetch(`${url}/upstreams/a/mode`, {
      ...{ method: "POST", redirect: "manual", body: new URLSearchParams({ mode: "draining" }) },
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
