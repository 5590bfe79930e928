import { beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";

import { createDnsSource } from "../../src/discovery/dns-source.ts";
import type { DiscoveryListener } from "../../src/discovery/source.ts";
import { createDns } from "../../src/dns/client.ts";
import { systemSchedule } from "../../src/lib/clock.ts";
import { certifiedName, hostHeaderOf } from "../../src/net/address.ts";
import { startDnsServer } from "../support/dns-server.ts";
import { findDeno } from "../support/deno.ts";
import { Program } from "../support/program.ts";
import { lawsByKind } from "./source-worlds.ts";

type Answer = Parameters<DiscoveryListener["answered"]>[0];

for (const [kind, laws] of Object.entries(lawsByKind))
  describe(`the source of ${kind}`, () => {
    for (const { name, check } of laws) test.concurrent(name, check, 60_000);
  });

test("a name with the dot of the root is asked for as it is, and its certificates have none", async () => {
  const server = await startDnsServer({});
  server.records.set("api.internal", ["127.0.0.5"]);
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const { start } = createDnsSource(
    {
      source: { kind: "dns", name: "api.internal.", port: 443, family: "ipv4" },
      template: { protocol: "https", backup: false },
    },
    { schedule: systemSchedule, random: () => 0, dns: createDns(() => [server.address], systemSchedule) },
  );
  const stop = start({ answered: resolve, failed: reject, absent: reject });
  const { members } = await promise;
  stop();
  server.close();
  expect(members.map(({ address }) => [address.hostname, certifiedName(address)])).toEqual([
    ["127.0.0.5", "api.internal"],
  ]);
  const address = { protocol: "https", hostname: "api.internal.", port: 443 } as const;
  expect([certifiedName(address), hostHeaderOf(address)]).toEqual(["api.internal", "api.internal"]);
});

describe("under Deno", () => {
  let deno = "";
  beforeAll(async () => {
    deno = await findDeno();
  }, 120_000);

  test("all sources pass their laws", async () => {
    if (!deno) return;
    const file = join(import.meta.dirname, "sources-smoke.ts");
    const laws = new Program([deno, "test", "-A", "--no-check", file], { NO_COLOR: "1" });
    const { code } = await laws.exited;
    expect({ code, output: code === 0 ? "" : laws.stdout }).toEqual({ code: 0, output: "" });
    expect(laws.stdout).toContain("0 failed");
  }, 120_000);
});
