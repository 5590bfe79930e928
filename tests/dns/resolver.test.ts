import { describe, expect, test } from "bun:test";

import { createNameResolver } from "../../src/dns/resolver.ts";
import { startDnsServer } from "../support/dns-server.ts";

describe("a name", () => {
  test("has the addresses of both families and the time to live that a DNS server says, asked anew each time", async () => {
    const server = await startDnsServer({ "api.internal": ["127.0.0.7", "fd00::1"] });
    try {
      const resolve = createNameResolver([server.address]);
      server.ttlSeconds = 7;
      expect(await resolve("api.internal")).toEqual({ hosts: ["127.0.0.7", "fd00::1"], ttlMs: 7_000 });
      server.records.set("api.internal", ["127.0.0.8"]);
      server.ttlSeconds = 3_600;
      expect(await resolve("api.internal")).toEqual({ hosts: ["127.0.0.8"], ttlMs: 30_000 });
      server.records.delete("api.internal");
      expect(await resolve("api.internal").catch((error: { code: string }) => error.code)).toBe("ENOTFOUND");
    } finally {
      server.close();
    }
  });

  test("of this machine is the system's to resolve, also where DNS servers are given", async () => {
    const server = await startDnsServer({});
    try {
      for (const servers of [[], [server.address]]) {
        const { hosts, ttlMs } = await createNameResolver(servers)("localhost");
        expect(hosts.length).toBeGreaterThan(0);
        for (const host of hosts) expect(["127.0.0.1", "::1"]).toContain(host);
        expect(ttlMs).toBeGreaterThan(0);
      }
      expect(server.questions).toEqual([]);
    } finally {
      server.close();
    }
  });

  test("that does not exist is an error of the system", async () => {
    const result = await createNameResolver([])("name.invalid").catch(
      (error: { code: string }) => error.code,
    );
    expect(["ENOTFOUND", "EAI_AGAIN"]).toContain(result as string);
  });
});
