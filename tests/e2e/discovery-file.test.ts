import { describe, expect, test } from "bun:test";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { BalancerFixture } from "../support/balancer-fixture.ts";
import { startLoad } from "../support/load.ts";
import { until } from "../support/wait.ts";

/** Writes the file of members as a program should: all at once. */
function writeMembers(fixture: BalancerFixture, names: readonly string[]): void {
  const path = join(fixture.folder, "members.yaml");
  writeFileSync(`${path}.new`, `members: [${names.map((name) => fixture.urlOf(name)).join(", ")}]\n`);
  renameSync(`${path}.new`, path);
}

const configOf = (fixture: BalancerFixture, more = "") =>
  `pools: { main: { probe: { path: /readyz, interval: 200ms }, upstreams: [{ file: "${join(fixture.folder, "members.yaml")}" }${more}] } }\n`;

const idOf = (fixture: BalancerFixture, name: string) => `main:${new URL(fixture.urlOf(name)).host}`;

describe.each([
  ["wire", "1"],
  ["wire", "2"],
  ["fetch", "1"],
])("members of a file, on the %s engine with %s worker(s),", (engine, workers) => {
  const flags = ["--engine", engine, "--workers", workers];

  test("come and go under load without a failed request", async () => {
    await using fixture = new BalancerFixture();
    await fixture.startServers("a", "b", "c");
    writeMembers(fixture, ["a", "b"]);
    fixture.write(configOf(fixture));
    await fixture.start(...flags);
    const load = startLoad(`${fixture.url}/work`, 8);
    const has =
      (...names: string[]) =>
      async () =>
        (await fixture.ids()).toSorted().join() ===
        names
          .map((name) => idOf(fixture, name))
          .toSorted()
          .join();
    await until(() => load.count > 100, "load on two members");
    for (const names of [["a", "b", "c"], ["c"], ["a"], ["a", "b", "c"]]) {
      writeMembers(fixture, names);
      await until(has(...names), `members ${names.join()}`, 20_000);
      const before = load.count;
      await until(() => load.count > before + 50, "load on them");
    }
    await load.stop();
    expect(load.failures).toEqual([]);
    expect([...load.servers.keys()].toSorted()).toEqual(["a", "b", "c"]);
    const members = (await fixture.events("kind=member")).map(
      ({ by, reason, to }) => `${to} ${reason} ${by}`,
    );
    const source = `discovery file ${join(fixture.folder, "members.yaml")}`;
    expect(new Set(members)).toEqual(new Set([`added ${source}`, `removed ${source}`]));
  }, 60_000);
});

test("what an operator has set for a member stays while it is away, and over a restart", async () => {
  await using fixture = new BalancerFixture();
  await fixture.startServers("a", "b");
  writeMembers(fixture, ["a", "b"]);
  fixture.write(configOf(fixture));
  await fixture.start();
  const id = idOf(fixture, "b");
  const path = `/api/upstreams/${id}`;
  expect(await fixture.callAdmin("PATCH", path, { weight: 7 })).toMatchObject({ status: 200 });
  expect(await fixture.callAdmin("POST", `${path}/mode`, { mode: "maintenance" })).toMatchObject({
    status: 200,
  });
  expect(await fixture.callAdmin("DELETE", path)).toMatchObject({
    status: 409,
    body: { reason: "upstream_discovered" },
  });

  writeMembers(fixture, ["a"]);
  await until(async () => !(await fixture.upstream(id)), "the member to go");
  await fixture.proxy.kill("SIGTERM");
  await fixture.restart();
  writeMembers(fixture, ["a", "b"]);
  await until(() => fixture.upstream(id), "the member to come back");
  expect(await fixture.upstream(id)).toMatchObject({ weight: 7, mode: "maintenance" });
}, 30_000);

test("a pool starts without members, says so, and serves when the file is there", async () => {
  await using fixture = new BalancerFixture();
  await fixture.startServers("a", "still");
  fixture.write(
    configOf(fixture).trimEnd().slice(0, -1) +
      `, still: { upstreams: ["${fixture.urlOf("still")}"] } }\nroutes: [{ path: /still, pool: still }, { pool: main }]\n`,
  );
  await fixture.start();
  const file = join(fixture.folder, "members.yaml");
  expect(fixture.proxy.stdout).toContain(
    `main: round-robin over file ${file}; still: round-robin over 1 upstream\n`,
  );
  const response = await fetch(`${fixture.url}/work`);
  expect([response.status, response.headers.get("proxy-status")]).toEqual([
    503,
    'evenkeel; error=destination_unavailable; details="no_members"',
  ]);
  expect((await fetch(`${fixture.url}/still`)).status).toBe(200);
  const cause = async () => {
    const { problems } = (await fixture.callAdmin("GET", "/api/problems")).body;
    return (problems as readonly { cause: { words: string } }[]).map((problem) => problem.cause.words).join();
  };
  await until(
    async () => (await cause()) === `Its members are not known: file ${file} (${file}: file not found).`,
    "the problem of the empty pool",
    10_000,
  );
  writeMembers(fixture, ["a"]);
  await until(async () => (await fetch(`${fixture.url}/work`)).status === 200, "the member to serve", 10_000);
  await until(
    async () =>
      (await fixture.events("kind=discovery")).every(({ to }) => to === "stale" || to === "current"),
    "no absence to be told",
  );
}, 30_000);

test("a sticky client stays with its member while others come and go, and moves when it goes", async () => {
  await using fixture = new BalancerFixture();
  await fixture.startServers("a", "b", "c");
  writeMembers(fixture, ["a", "b"]);
  fixture.write(configOf(fixture).replace("main: {", "main: { sticky: { whileDraining: move },"));
  await fixture.start();
  const first = await fetch(`${fixture.url}/work`);
  const cookie = first.headers.getSetCookie()[0]?.split(";")[0] ?? "";
  const nameOf = async (response: Response) =>
    ((await response.json()) as { server: { name: string } }).server.name;
  const home = await nameOf(first);
  const asked = async () => nameOf(await fetch(`${fixture.url}/work`, { headers: { cookie } }));
  writeMembers(fixture, [home, "c"]);
  await until(async () => (await fixture.ids()).includes(idOf(fixture, "c")), "another member");
  for (let i = 0; i < 10; i++) expect(await asked()).toBe(home);
  writeMembers(fixture, ["c"]);
  await until(async () => (await asked()) === "c", "the client to move");
}, 30_000);
