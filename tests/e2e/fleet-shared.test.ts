/** Two balancers of one fleet: sessions and sticky cookies, with a user of the store that may do what the documentation lists. */

import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { findDeno } from "../support/deno.ts";
import { startMember } from "../support/fleet-programs.ts";
import { temporaryFolder } from "../support/folder.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { fromBuild, Programs } from "../support/program.ts";
import { hasRedis, RedisServer, Relay } from "../support/redis-server.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("fleet-shared");
const root = join(import.meta.dirname, "../..");

/** Of "swordfish". */
const hash =
  "$argon2id$v=19$m=1024,t=1,p=1$V0l0qeLuX2jbWyXh+Yq1hVEQqDAu4S/cY47jK1MIFkI$jcUufHmWhLaEfETUFcYGYIf/EObIYwgJ8vuSocLsCOg";

/** The line of the documentation. */
const userLine = /^user evenkeel .*$/m.exec(readFileSync(join(root, "docs/fleet.md"), "utf8"))?.[0] ?? "";

describe.if(hasRedis)("two balancers of a fleet", () => {
  test("share sessions and sticky cookies, on Bun and Deno, with workers and without", async () => {
    const deno = await findDeno();
    const password = "password-of-the-store";
    await using redis = await RedisServer.start({
      lines: ["user default off", userLine.replace(">PASSWORD", `>${password}`)],
    });
    await using relay = await Relay.to(redis.port);
    await using programs = new Programs();
    const origins = await Promise.all(
      ["a", "b", "c"].map((name) => startOrigin((_, socket) => void socket.write(respondWith(name)))),
    );
    const upstreams = origins.map(({ url }, index) => `{ url: "${url}", name: up-${index} }`).join(", ");
    const config = `admin: { users: [{ name: ann, role: admin, passwordHash: "${hash}" }] }
pools: { main: { sticky: true, upstreams: [${upstreams}] } }
`;
    const common = {
      ...{ config, inFolder, fleet: ", user: evenkeel" },
      environment: { EVENKEEL_FLEET_PASSWORD: password, EVENKEEL_FLEET_KEY: "k".repeat(32) },
    };
    const [one, other] = await Promise.all([
      startMember(programs, { ...common, name: "one", redis: redis.url, flags: ["--workers", "2"] }),
      startMember(programs, {
        ...{ ...common, name: "other", redis: relay.url },
        command: deno ? [deno, "run", "-A", "--unstable-net", join(root, "src/main.ts")] : fromBuild,
      }),
    ]);
    const call = async (admin: string, path: string, bearer = "", body?: object) => {
      const response = await fetch(`${admin}${path}`, {
        ...(body && { method: "POST", body: JSON.stringify(body) }),
        headers: { "Content-Type": "application/json", ...(bearer && { Authorization: `Bearer ${bearer}` }) },
      });
      return { status: response.status, body: (await response.json()) as { readonly session: string } };
    };
    const login = async (admin: string) =>
      (await call(admin, "/api/login", "", { name: "ann", password: "swordfish" })).body.session;
    const statusOf = async (admin: string, bearer: string) =>
      (await call(admin, "/api/snapshot", bearer)).status;

    const bearer = await login(one.admin);
    expect(await statusOf(other.admin, bearer)).toBe(200);
    expect((await call(other.admin, "/api/logout", bearer, {})).status).toBe(200);
    expect(await statusOf(other.admin, bearer)).toBe(401);
    await until(async () => (await statusOf(one.admin, bearer)) === 401, "the logout at the other", 1_000);

    // With the store away a logout counts at once, and elsewhere when the store is back.
    const second = await login(one.admin);
    expect(await statusOf(other.admin, second)).toBe(200);
    relay.cut();
    expect((await call(other.admin, "/api/logout", second, {})).status).toBe(200);
    expect([await statusOf(other.admin, second), await statusOf(one.admin, second)]).toEqual([401, 200]);
    relay.heal();
    await until(async () => (await statusOf(one.admin, second)) === 401, "the logout at the other", 8_000);

    // A cookie of one balancer names the same upstream at the other.
    const ask = async (url: string, cookie = "") => {
      const response = await fetch(url, {
        headers: { Connection: "close", ...(cookie && { Cookie: cookie }) },
      });
      return { name: await response.text(), cookie: response.headers.get("set-cookie")?.split(";")[0] };
    };
    for (const [from, to] of [
      [one, other],
      [other, one],
    ] as const) {
      const first = await ask(from.url);
      expect(first.cookie).toBeDefined();
      for (let turn = 0; turn < 6; turn++)
        expect(await ask(to.url, first.cookie)).toEqual({ name: first.name, cookie: undefined });
    }

    // Orders too are within what the user may do.
    const [third, fourth] = [await login(one.admin), await login(other.admin)];
    await call(one.admin, "/api/upstreams/up-2/mode", third, { mode: "maintenance" });
    await until(
      async () =>
        /"up-2"[^{}]*"maintenance"/.test(
          JSON.stringify((await call(other.admin, "/api/upstreams/up-2", fourth)).body),
        ),
      "the order at the other",
    );
    for (const { program } of [one, other]) {
      expect(program.stderr).not.toContain(password);
      expect(program.stderr).not.toContain("NOPERM");
    }
    await Promise.all(origins.map((origin) => origin.close()));
  }, 90_000);
});
