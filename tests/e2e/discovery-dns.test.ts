import { describe, expect, test } from "bun:test";

import { join } from "node:path";

import { BalancerFixture } from "../support/balancer-fixture.ts";
import { findDeno } from "../support/deno.ts";
import { type DnsServer, startDnsServer } from "../support/dns-server.ts";
import { startLoad } from "../support/load.ts";
import { until } from "../support/wait.ts";

/** Demo servers that have one port, each on an address of its own. */
async function startMembers(fixture: BalancerFixture, hosts: readonly string[]): Promise<number> {
  let port = 0;
  for (const host of hosts) {
    const server = fixture.programs.evenkeel(
      ...["backend", "--port", String(port), "--host", host, "--name", host, "--latency", "1-3ms"],
    );
    port = await server.port("backend");
  }
  return port;
}

const poolOf = (dns: DnsServer, entry: string) =>
  `resolvers: ["${dns.address}"]\npools: { main: { probe: { path: /readyz, interval: 200ms }, upstreams: [${entry}] } }\n`;

const [one, two, three] = ["127.0.0.21", "127.0.0.22", "127.0.0.23"] as const;

/** Members come and go, DNS fails and says that there is nothing, and no request fails. */
async function followUnderLoad(fixture: BalancerFixture, flags: readonly string[]): Promise<void> {
  const port = await startMembers(fixture, [one, two, three]);
  const dns = await startDnsServer({ "api.internal": [one, two] });
  dns.ttlSeconds = 1;
  try {
    fixture.write(poolOf(dns, `{ dns: "api.internal:${port}" }`));
    await fixture.start(...flags);
    const load = startLoad(`${fixture.url}/work`, 6);
    const served = async () =>
      (await fixture.snapshot()).pools[0]?.upstreams
        .filter(({ fit, mode }) => fit && mode === "ready")
        .map(({ id }) => id.split(":")[1])
        .toSorted()
        .join(" ");
    const has = (hosts: string) => until(async () => (await served()) === hosts, `members ${hosts}`, 20_000);
    await has(`${one} ${two}`);
    dns.records.set("api.internal", [one, two, three]);
    await has(`${one} ${two} ${three}`);
    dns.records.set("api.internal", [three]);
    await has(three);
    for (const misbehaves of ["refused", "servfail"] as const) {
      dns.misbehaves = misbehaves;
      const [before, count] = [dns.questions.length, load.count];
      await until(() => dns.questions.length > before && load.count > count + 20, "a question and load");
      expect([misbehaves, await served()]).toEqual([misbehaves, three]);
    }
    const isStale = async () => (await fixture.events("kind=discovery")).some(({ to }) => to === "stale");
    await until(isStale, "the failures to be told", 10_000);
    dns.misbehaves = "truncated";
    dns.records.set("api.internal", [one, two]);
    await has(`${one} ${two}`);
    dns.misbehaves = undefined;
    dns.records.delete("api.internal");
    const before = dns.questions.length;
    await until(() => dns.questions.length > before + 2, "questions for a name that is gone", 20_000);
    expect(await served()).toBe(`${one} ${two}`);
    await load.stop();
    expect(load.failures).toEqual([]);
    expect([...load.servers.keys()].toSorted()).toEqual([one, two, three]);
    const told = (await fixture.events("kind=discovery")).map(({ from, to, by }) => `${from} ${to} ${by}`);
    const source = `dns api.internal:${port}`;
    expect(told).toEqual([`current stale ${source}`, `stale current ${source}`, `current absent ${source}`]);
  } finally {
    dns.close();
  }
}

describe("members of DNS come and go under load, through failures of DNS, without a failed request,", () => {
  // Each engine and number of workers has its test with members of a file: what follows a source is the same.
  test.concurrent(
    "with two workers",
    async () => {
      await using fixture = new BalancerFixture();
      await followUnderLoad(fixture, ["--workers", "2"]);
    },
    90_000,
  );

  test.concurrent(
    "on Deno",
    async () => {
      const deno = await findDeno();
      if (!deno) return;
      await using fixture = new BalancerFixture();
      fixture.command = [deno, "run", "-A", "--unstable-net", join(import.meta.dirname, "../../src/main.ts")];
      await followUnderLoad(fixture, []);
    },
    120_000,
  );
});

test("where a member comes from, and how old the answer is, is seen everywhere", async () => {
  await using fixture = new BalancerFixture();
  await fixture.startServers("a");
  const { port } = new URL(fixture.urlOf("a"));
  const dns = await startDnsServer({ "api.internal": ["127.0.0.1"] });
  try {
    fixture.write(poolOf(dns, `{ dns: { name: "api.internal:${port}", family: ipv4 } }`));
    await fixture.start();
    const source = `dns api.internal:${port}`;
    const [pool] = (await fixture.snapshot()).pools;
    expect(pool?.discovery).toMatchObject([
      { source, state: "current", members: 1, failures: 0, skipped: [] },
    ]);
    expect(pool?.upstreams).toMatchObject([
      { id: `main:127.0.0.1:${port}`, discovered: { source, name: null, gone: false } },
    ]);
    const run = async (...argv: string[]) => {
      const program = fixture.programs.evenkeel(...argv, "--admin-url", fixture.admin);
      await program.exited;
      return program.stdout;
    };
    expect(await run("status")).toMatch(new RegExp(`${source}: 1 member, answered `));
    await (await fetch(`${fixture.url}/work`)).text();
    const { requests } = (await fixture.callAdmin("GET", "/api/requests")).body;
    const id = (requests as readonly { requestId: string }[])[0]?.requestId ?? "";
    expect(await run("explain", id)).toMatch(
      new RegExp(`main:127.0.0.1:${port} is a member of ${source}, which answered (less than )?\\d+s ago.`),
    );
    const metrics = await (await fetch(`${fixture.admin}/metrics`)).text();
    const labels = `{pool="main",source="${source}"}`;
    expect(metrics).toContain(`evenkeel_discovery_members${labels} 1`);
    expect(metrics).toContain(`evenkeel_discovery_stale${labels} 0`);
    expect(metrics).toMatch(/evenkeel_discovery_answer_timestamp_seconds\{[^}]*\} \d{10}/);
    // Its name works in the paths of the API, and as POOL/ADDRESS on the command line.
    expect(await run("drain", `main/127.0.0.1:${port}`)).toContain("is drained");
    expect(await fixture.upstream(`main:127.0.0.1:${port}`)).toMatchObject({ mode: "draining" });
    expect(
      (await fixture.callAdmin("GET", `/api/upstreams/main:127.0.0.1:${port}`)).body["discovered"],
    ).toMatchObject({
      source,
    });
  } finally {
    dns.close();
  }
}, 30_000);

test("services are members with their ports and weights, and the lowest priority serves", async () => {
  await using fixture = new BalancerFixture();
  await fixture.startServers("a", "b", "c");
  const dns = await startDnsServer({
    "a.internal": ["127.0.0.1"],
    "b.internal": ["127.0.0.1"],
    "c.internal": ["127.0.0.1"],
  });
  try {
    const rows = ["a", "b", "c"].map((name) => ({
      priority: name === "c" ? 20 : 10,
      weight: name === "a" ? 30_000 : 10_000,
      port: Number(new URL(fixture.urlOf(name)).port),
      target: `${name}.internal`,
    }));
    dns.services.set("_http._tcp.shop.internal", rows);
    fixture.write(poolOf(dns, "{ srv: _http._tcp.shop.internal }"));
    await fixture.start();
    const [pool] = (await fixture.snapshot()).pools;
    const shape = pool?.upstreams.map(({ id, weight, backup }) => [id, weight, backup]);
    const idOf = (index: number) => `main:127.0.0.1:${rows[index]?.port}`;
    expect(shape).toEqual([
      [idOf(0), 256, false],
      [idOf(1), 85, false],
      [idOf(2), 85, true],
    ]);
    const load = startLoad(`${fixture.url}/work`, 2);
    await until(() => load.count > 60, "load");
    await load.stop();
    expect([load.failures, load.servers.has("c")]).toEqual([[], false]);
  } finally {
    dns.close();
  }
}, 30_000);

test("a restart while DNS is silent serves with the members of before", async () => {
  await using fixture = new BalancerFixture();
  const port = await startMembers(fixture, [one, two]);
  const dns = await startDnsServer({ "api.internal": [one, two] });
  dns.ttlSeconds = 1;
  try {
    fixture.write(poolOf(dns, `{ dns: "api.internal:${port}" }`));
    await fixture.start();
    expect((await fixture.ids()).length).toBe(2);
    dns.isSilent = true;
    await fixture.proxy.kill("SIGTERM");
    await fixture.restart();
    expect((await fetch(`${fixture.url}/work`)).status).toBe(200);
    const [pool] = (await fixture.snapshot()).pools;
    expect(pool?.discovery).toMatchObject([{ members: 2, answeredAt: null }]);
    dns.isSilent = false;
    dns.records.set("api.internal", [two]);
    await until(
      async () => (await fixture.ids()).join() === `main:${two}:${port}`,
      "the answer of now",
      60_000,
    );
    expect((await fetch(`${fixture.url}/work`)).status).toBe(200);
  } finally {
    dns.close();
  }
}, 90_000);
